// Deletes a view, or all views of its instance, after asking once more.

import { erase, withQuery } from "../api.js";
import { h } from "../elements.js";
import { refreshIndexes } from "../indexes.js";
import { count } from "../parts.js";
import { problemCard } from "../problem.js";

const DOUBLE_MS = 500; // the second press of a double one comes within it
const GONE = "Gone for good: the row, the picture, and the vector in every file of the index.";

const said = ({ views, versions }) => [
  `${count(views, "view")} deleted`,
  ...versions.map(({ index, after }) => `${index} is now version ${after}`),
].join(", ");

// `done(what)` is told, in words, when it is done, or when it failed after the dialog was closed.
export function eraser(view, done) {
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
    const sure = h("button", { type: "button", class: "danger", onclick: () => run(sure, keep, where) }, "Delete for good");
    place.replaceChildren(
      h("div", { class: "confirm", role: "group", "aria-label": question, "data-testid": "confirm" },
        h("p", {}, h("strong", {}, question), ` ${GONE}`), h("div", { class: "buttons" }, sure, keep)),
    );
    keep.focus();
    // The focus may scroll it to under the finger that has just pressed.
    sure.disabled = true;
    setTimeout(() => (sure.disabled = false), DOUBLE_MS);
  }

  function back(name) {
    offer();
    [...place.children].find((button) => button.textContent === name)?.focus();
  }

  async function run(sure, keep, where) {
    sure.disabled = keep.disabled = true;
    sure.textContent = "Deleting …";
    try {
      const deleted = await erase(where);
      await refreshIndexes(); // first, so that what is loaded anew is of the version there is now
      done(said(deleted));
    } catch (error) {
      fail(error);
    }
  }

  function fail(error) {
    if (!place.closest("dialog[open]")) {
      done(`${of} was not deleted: ${error.message}`);
      return;
    }
    offer();
    const card = problemCard(error);
    place.append(card);
    card.scrollIntoView({ block: "nearest" });
  }

  offer();
  return place;
}
