// The re-ID answer.

import { h } from "../elements.js";
import { bar, notes, similarity } from "../parts.js";
import { thumbnail } from "../pictures.js";
import { address } from "../routes.js";

// `index`: the name of the one that answered.
export function reidCard(reid, index) {
  const rows = reid.matches.map((match) =>
    h(
      "li", { "data-testid": "match" },
      h(
        "div", {},
        h("a", { class: "name", href: address("gallery", { index, dataset: match.dataset, instance: match.instance }) }, match.instance),
        h("div", { class: "hint" }, `${match.category} · ${similarity(match.similarity)}`),
        bar(match.similarity),
      ),
      h("div", { class: "strip" }, ...match.views.map((found) =>
        h("a", { href: address("ask", { view: found.view.id }) }, thumbnail(found.view)))),
    ),
  );
  return h(
    "article", { class: "card", "data-testid": "reid" },
    h("h2", {}, "Same instance ", h("span", { class: "hint" }, `head ${reid.head}, from the same forward pass`)),
    notes(reid.note ? [reid.note] : [], "Note"),
    rows.length ? h("ul", { class: "instances" }, ...rows) : h("p", {}, "No view passes the filters."),
  );
}
