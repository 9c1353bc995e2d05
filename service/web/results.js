// Draws answers: the fitted box in numbers, the neighbours, the matches, and refusals.

import { h, s } from "./elements.js";

const percent = (value) => `${(100 * value).toFixed(1)} %`;
const centimetres = (metres) => `${(100 * metres).toFixed(metres < 0.1 ? 1 : 0)} cm`;
const milliseconds = (timings) =>
  Object.entries(timings).map(([name, ms]) => `${name} ${ms.toFixed(1)} ms`).join(" · ");

const fact = (name, value) => h("div", {}, h("dt", {}, name), h("dd", {}, value));

function similarityBar(value) {
  const width = Math.max(0, Math.min(1, value)) * 100;
  return s(
    "svg", { class: "bar", viewBox: "0 0 100 4", preserveAspectRatio: "none", "aria-hidden": "true" },
    s("rect", { width, height: 4 }),
  );
}

const thumbnail = (view) =>
  h("img", {
    src: view.thumbnail_url.replace(/^\//, ""), alt: `${view.category}, ${view.instance}`, loading: "lazy",
    title: `${view.dataset} · ${view.sequence} · frame ${view.frame}`,
  });

export function problemCard(problem) {
  const errors = problem.errors?.length > 1
    ? h("ul", {}, ...problem.errors.map((error) => h("li", {}, `${error.where}: ${error.message}`)))
    : null;
  return h(
    "article", { class: "card problem", role: "alert", "data-testid": "problem" },
    h("h2", {}, problem.title), h("p", {}, problem.detail), errors,
    h("p", {}, h("strong", {}, "What to do: "), problem.remedy),
  );
}

function boxFacts(answer) {
  if (!answer.box) return h("p", {}, h("strong", {}, "No box: "), answer.reason ?? "no neighbour has one");
  const { scale_m: scale, translation_m: at } = answer.box;
  return h(
    "dl", { class: "facts" },
    fact("width × height × depth", scale.map(centimetres).join(" × ")),
    fact("centre, x right · y down · z forward", at.map((v) => `${v.toFixed(2)} m`).join(" · ")),
    fact("distance", `${Math.hypot(...at).toFixed(2)} m`),
  );
}

export function poseCard(answer, onBox) {
  let chosen = answer.box ? answer.neighbours.findIndex((one) => one.box) : -1;
  const buttons = answer.neighbours.map((neighbour, i) =>
    h(
      "button", {
        type: "button", class: "view", "aria-pressed": String(i === chosen), "data-testid": "neighbour",
        disabled: !neighbour.box,
        title: neighbour.box ? "Show the box that follows from this view" : neighbour.reason,
        onclick: () => {
          chosen = i;
          buttons.forEach((button, j) => button.setAttribute("aria-pressed", String(j === chosen)));
          onBox(neighbour.box.vertices_px);
        },
      },
      thumbnail(neighbour.view), similarityBar(neighbour.similarity),
      h("span", {}, percent(neighbour.similarity)),
      h("span", { class: "name" }, neighbour.view.category),
      h("span", { class: "hint" }, neighbour.view.instance),
      neighbour.box ? null : h("span", { class: "why" }, neighbour.reason),
    ),
  );
  const assumptions = answer.assumptions.length
    ? h("ul", { class: "assumptions", "aria-label": "Assumptions" }, ...answer.assumptions.map((text) => h("li", {}, text)))
    : null;
  return h(
    "article", { class: "card", "data-testid": "pose" },
    h("h2", {}, "Pose ", h("span", { class: "hint" }, `${answer.index.name} · ${answer.index.version} · head ${answer.head}`)),
    boxFacts(answer), assumptions,
    h("h3", {}, answer.neighbours.length ? "Nearest annotated views — choose one to see its box" : "No view passes the filters"),
    h("ul", { class: "views" }, ...buttons.map((button) => h("li", {}, button))),
    h("p", { class: "hint timings" }, milliseconds(answer.timings_ms)),
  );
}

export function reidCard(answer) {
  const rows = answer.matches.map((match) =>
    h(
      "li", { "data-testid": "match" },
      h(
        "div", {},
        h("div", { class: "name" }, match.instance),
        h("div", { class: "hint" }, `${match.category} · ${percent(match.similarity)}`),
        similarityBar(match.similarity),
      ),
      h("div", { class: "strip" }, ...match.views.map((found) => thumbnail(found.view))),
    ),
  );
  return h(
    "article", { class: "card", "data-testid": "reid" },
    h("h2", {}, "Same instance ", h("span", { class: "hint" }, `head ${answer.head}`)),
    answer.note ? h("ul", { class: "assumptions" }, h("li", {}, answer.note)) : null,
    rows.length ? h("ul", { class: "instances" }, ...rows) : h("p", {}, "No view passes the filters."),
    h("p", { class: "hint timings" }, milliseconds(answer.timings_ms)),
  );
}
