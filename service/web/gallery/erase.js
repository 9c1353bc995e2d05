// Deletes a view, or all views of its instance, after asking once more.

import { erase, withQuery } from "../api.js";
import { h } from "../elements.js";
import { refreshIndexes } from "../indexes.js";
import { count } from "../parts.js";
import { problemCard } from "../problem.js";

const GONE = "Gone for good: the row, the picture, and the vector in every file of the index.";

const said = ({ views, versions }) => [
  `${count(views, "view")} deleted`,
  ...versions.map(({ index, after }) => `${index} is now version ${after}`),
].join(", ");

// `erased(what)` is told when it is done.
export function eraser(view, erased) {
  const of = `${view.instance} of ${view.dataset}`;
  const choices = [
    ["Delete this view", "Delete this one view?", `views/${view.id}`],
    ["Delete the instance", `Delete every view of ${of}?`,
      withQuery(`instances/${encodeURIComponent(view.instance)}`, { dataset: view.dataset })],
  ];
  const place = h("div", { class: "erase" });
  const offer = () => place.replaceChildren(...choices.map((choice) =>
    h("button", { type: "button", class: "quiet danger", onclick: () => confirm(...choice) }, choice[0])));

  function confirm(name, question, where) {
    const keep = h("button", { type: "button", class: "quiet", onclick: () => back(name) }, "Keep");
    const sure = h("button", { type: "button", class: "danger", onclick: () => run(sure, where) }, "Delete for good");
    place.replaceChildren(
      h("div", { class: "confirm", role: "group", "aria-label": question, "data-testid": "confirm" },
        h("p", {}, h("strong", {}, question), ` ${GONE}`), h("div", { class: "buttons" }, sure, keep)),
    );
    keep.focus();
  }

  function back(name) {
    offer();
    [...place.children].find((button) => button.textContent === name)?.focus();
  }

  async function run(button, where) {
    button.disabled = true;
    button.textContent = "Deleting …";
    try {
      const deleted = await erase(where);
      erased(said(deleted));
      await refreshIndexes();
    } catch (error) {
      offer();
      const card = problemCard(error);
      place.append(card);
      card.scrollIntoView({ block: "nearest" });
    }
  }

  offer();
  return place;
}
