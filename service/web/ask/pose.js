// The pose answer: what the neighbours say together, how sure that is, and each of them alone.

import { h } from "../elements.js";
import { bar, boxFacts, milliseconds, notes, percent, similarity } from "../parts.js";
import { thumbnail } from "../pictures.js";
import { SpaceFigure } from "../space/figure.js";
import { scene } from "../space/scene.js";

const WORDS = [
  [0.9, "Very likely right"], [0.7, "Likely right"], [0.5, "More likely right than wrong"],
  [0.25, "Doubtful"], [0, "Very doubtful"],
];

const inWords = (confidence) => WORDS.find(([least]) => confidence >= least)[1];

function confidenceText(confidence) {
  return confidence === null
    ? "this index holds no calibration, so its confidence is not known"
    : `confidence ${percent(confidence, 0)}: the chance that its 3-D IoU is above 0.5`;
}

function headline({ box, confidence }) {
  if (!box) return "No answer";
  return confidence === null ? "A box was found" : inWords(confidence);
}

// One line under the image: which box is drawn, and how sure it is.
export function caption({ consensus, neighbours }, i) {
  if (i !== null) return `The box of neighbour ${i + 1} of ${neighbours.length} alone`;
  const { box, hypothesis, confidence } = consensus;
  const sure = hypothesis && confidence !== null ? ` · ${percent(confidence, 0)}` : "";
  return `${headline(consensus)}${box ? "" : hypothesis ? " · dashed: what it would have been" : ""}${sure}`;
}

function tone({ box, confidence }) {
  if (!box) return "abstains";
  return confidence !== null && confidence < 0.5 ? "doubtful" : "good";
}

function verdict(consensus) {
  const { box, hypothesis, confidence, reason } = consensus;
  const [head, text] = [headline(consensus), box ? confidenceText(confidence) : reason];
  return h(
    "div", { class: `verdict ${tone(consensus)}`, "data-testid": "verdict" },
    h("p", {}, h("strong", {}, head), " — ", text),
    confidence === null ? null : bar(confidence),
    box || !hypothesis ? null : h(
      "p", { class: "hint" },
      "The dashed box is what the answer would have been",
      confidence === null ? "." : `, with ${confidenceText(confidence)}.`,
    ),
  );
}

function agreement({ agreement: share, members, hypothesis }, shown) {
  if (!hypothesis) return null;
  return h(
    "p", { class: "hint", "data-testid": "agreement" },
    `${members.length} of the ${shown} neighbours shown ${members.length === 1 ? "agrees" : "agree"} on this box, `
      + `${percent(share, 0)} of the weight of all that were heard.`,
  );
}

const LEGEND = [
  ["answer", "the box drawn"], ["agrees", "neighbours that agree"], ["muted", "other neighbours"],
  ["front", "front; dashed: where else it may be"],
];

// The box drawn stands in space among those of the other neighbours; null: there is none.
function inSpace({ consensus, neighbours, query }, i) {
  const box = i === null ? consensus.hypothesis : neighbours[i].box;
  if (!box) return null;
  const style = i !== null ? "neighbour" : consensus.box ? "answer" : "hypothesis";
  const others = neighbours.flatMap((neighbour, j) =>
    neighbour.box && j !== i ? [[neighbour.box, consensus.members.includes(j) ? "agrees" : "muted"]] : []);
  return scene({
    camera: query.camera, size: [query.image_width, query.image_height], plane: query.plane, box, style, others,
    symmetry: i === null ? consensus.symmetry : null,
  });
}

// `onChoice(i)` is told which box to draw: a neighbour's position, or null for the consensus.
export function poseCard(answer, onChoice) {
  const { consensus, neighbours } = answer;
  const members = new Set(consensus.members);
  const together = h(
    "button", {
      type: "button", class: "quiet", "data-testid": "together", disabled: !consensus.hypothesis,
      onclick: () => choose(null),
    },
    "All together",
  );
  const buttons = neighbours.map((neighbour, i) =>
    h(
      "button", {
        type: "button", class: `view${members.has(i) ? " agrees" : ""}`, "data-testid": "neighbour",
        disabled: !neighbour.box,
        title: neighbour.box ? "Show the box that follows from this view" : neighbour.reason,
        onclick: () => choose(chosen === i ? null : i),
      },
      thumbnail(neighbour.view), bar(neighbour.similarity),
      h("span", {}, similarity(neighbour.similarity), members.has(i) ? h("span", { class: "tag" }, "agrees") : null),
      h("span", { class: "name" }, neighbour.view.category),
      h("span", { class: "hint" }, neighbour.view.instance),
      neighbour.box ? null : h("span", { class: "why" }, neighbour.reason),
    ),
  );
  const space = new SpaceFigure(LEGEND);
  let chosen = null;
  function choose(i) {
    chosen = i;
    space.show(inSpace(answer, i));
    together.setAttribute("aria-pressed", String(i === null));
    buttons.forEach((button, j) => button.setAttribute("aria-pressed", String(j === i)));
    onChoice(i);
  }
  choose(null);
  return h(
    "article", { class: "card", "data-testid": "pose" },
    h("h2", {}, "Pose ", h("span", { class: "hint" }, `${answer.index.name} · ${answer.index.version} · head ${answer.head}`)),
    h(
      "div", { class: "pose" },
      h(
        "div", {},
        verdict(consensus),
        consensus.hypothesis ? boxFacts(consensus.hypothesis, !consensus.box) : null,
        agreement(consensus, neighbours.length),
        consensus.symmetry ? h("p", { class: "symmetry", "data-testid": "symmetry" }, consensus.symmetry.note) : null,
        notes(answer.assumptions, "Assumptions"),
      ),
      space.element,
    ),
    neighbours.length
      ? h("div", { class: "choice" }, h("h3", {}, "Box drawn: that of all together, or of the neighbour chosen"), together)
      : null,
    h("ul", { class: "views" }, ...buttons.map((button) => h("li", {}, button))),
    answer.timings_ms ? h("p", { class: "hint timings" }, milliseconds(answer.timings_ms)) : null,
  );
}
