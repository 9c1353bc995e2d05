// One view of the gallery in a dialog: what is known of it, its box in space, deleting it.

import { get, Refused } from "../api.js";
import { h } from "../elements.js";
import { onKey } from "../key.js";
import { boxFacts, fact } from "../parts.js";
import { thumbnail } from "../pictures.js";
import { problemCard } from "../problem.js";
import { address, go, route } from "../routes.js";
import { SpaceFigure } from "../space/figure.js";
import { scene } from "../space/scene.js";
import { eraser } from "./erase.js";

const dialog = document.getElementById("view-dialog");
let shown = null; // the id of the view that is open
let stale = false; // whether that is to be asked for once more
let loading = null; // stands for what was asked for last
let erased = null; // told what was deleted
let missed = null; // told the id of a view that is no longer there

const rounded = (values) => values.map((value) => Number(value.toFixed(1))).join(", ");

function facts(view) {
  const own = Object.entries(view.attributes).map(([name, value]) => fact(name, String(value)));
  return h(
    "dl", { class: "facts" },
    fact("dataset", view.dataset), fact("split", view.split),
    fact("sequence", h("a", { href: address("gallery", { dataset: view.dataset, sequence: view.sequence }) }, view.sequence)),
    fact("frame", `${view.frame} · ${view.time_s.toFixed(2)} s`),
    fact("crop, pixels", rounded(view.bbox)),
    fact("of an image of", `${view.image_width} × ${view.image_height}`),
    view.image ? fact("image", view.image) : null,
    fact("id", view.id), ...own,
  );
}

function inSpace({ camera, plane, box, image_width: width, image_height: height }) {
  if (!box) return [h("p", { class: "hint" }, "It carries no 9-DoF box, so it answers who, not where.")];
  if (!camera) return [boxFacts(box)];
  const figure = new SpaceFigure();
  figure.show(scene({ camera, size: [width, height], plane, box, style: "answer" }));
  return [boxFacts(box), figure.element];
}

function body(view) {
  return [
    h(
      "header", {},
      h("h2", { id: "view-title" }, view.instance, " ", h("span", { class: "hint" }, view.category)),
      h("button", { type: "button", class: "quiet", "data-testid": "close", onclick: leave }, "Close"),
    ),
    h(
      "div", { class: "view-body" },
      thumbnail(view),
      h(
        "div", {}, facts(view),
        h("p", {}, h("a", { href: address("gallery", { dataset: view.dataset, instance: view.instance }) }, `All views of ${view.instance}`)),
      ),
    ),
    ...inSpace(view),
    eraser(view, (what) => {
      erased(what);
      // Another view may have been opened meanwhile: it stays, over a list that is loaded anew.
      if (route().params.view === view.id) leave();
      else go(route().name, route().params, true);
    }),
  ];
}

// The screen below stays as it was.
function leave() {
  const { name, params } = route();
  go(name, { ...params, view: "" }, true);
}

function hide() {
  shown = null;
  if (dialog.open) dialog.close();
}

// An id that none can have is one that no view has: whoever typed an address need not know its form.
const noSuchView = (id) => new Refused({
  title: "There is no such view",
  detail: `No view has the id “${id}”: it was deleted, or the address is mistyped.`,
  remedy: "Look for the view in the gallery.",
});

function refusal(id, error) {
  const none = [404, 422].includes(error.problem?.status);
  return [
    h("span", { id: "view-title", class: "visually-hidden" }, "View"),
    problemCard(none ? noSuchView(id) : error),
    h("div", { class: "buttons after" },
      none ? h("a", { class: "button", href: address("gallery") }, "To the gallery") : null,
      h("button", { type: "button", class: "quiet", onclick: leave }, "Close")),
  ];
}

// The view that the address of any screen names, or none.
export async function showView(id) {
  if (!id) {
    hide();
    return;
  }
  if (shown === id && !stale) return;
  const mine = (loading = {});
  [shown, stale] = [id, false];
  dialog.replaceChildren(h("p", { id: "view-title", class: "hint" }, "Loading …"));
  if (!dialog.open) dialog.showModal();
  let parts;
  try {
    parts = body(await get(`views/${encodeURIComponent(id)}`));
  } catch (error) {
    parts = refusal(id, error);
    if (error.problem?.status === 404) missed(id);
    if (mine === loading) stale = true;
  }
  if (mine === loading) dialog.replaceChildren(...parts);
}

function beside({ target, clientX: x, clientY: y }) {
  const { left, right, top, bottom } = dialog.getBoundingClientRect();
  return target === dialog && (x < left || x > right || y < top || y > bottom);
}

// A press beside the dialog closes it: no text selected out over its edge, and not the second half
// of the double click that opened it.
function closeBeside() {
  let pressed = false;
  dialog.addEventListener("pointerdown", (event) => (pressed = beside(event)));
  dialog.addEventListener("click", (event) => {
    if (pressed && beside(event) && event.detail < 2) leave();
  });
}

// `onErased(what)` is told what was deleted, in words; `onMissed(id)` of a view that is not there.
export function wireView(onErased, onMissed) {
  [erased, missed] = [onErased, onMissed];
  onKey(() => (stale = true));
  closeBeside();
  // By Escape. The event comes later: another view may be open by then, or be in the address.
  dialog.addEventListener("close", () => {
    if (dialog.open) return;
    const closed = shown;
    shown = null;
    if (route().params.view === closed) leave();
  });
}
