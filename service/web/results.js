// The re-ID answer, and refusals.

import { h } from "./elements.js";
import { bar, notes, percent, thumbnail } from "./parts.js";

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

export function reidCard(reid) {
  const rows = reid.matches.map((match) =>
    h(
      "li", { "data-testid": "match" },
      h(
        "div", {},
        h("div", { class: "name" }, match.instance),
        h("div", { class: "hint" }, `${match.category} · ${percent(match.similarity)}`),
        bar(match.similarity),
      ),
      h("div", { class: "strip" }, ...match.views.map((found) => thumbnail(found.view))),
    ),
  );
  return h(
    "article", { class: "card", "data-testid": "reid" },
    h("h2", {}, "Same instance ", h("span", { class: "hint" }, `head ${reid.head}, from the same forward pass`)),
    notes(reid.note ? [reid.note] : [], "Note"),
    rows.length ? h("ul", { class: "instances" }, ...rows) : h("p", {}, "No view passes the filters."),
  );
}
