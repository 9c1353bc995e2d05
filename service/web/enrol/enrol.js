// A thing in the image is named and joins the gallery.

import { post, Refused } from "../api.js";
import { h, s } from "../elements.js";
import { number } from "../fields.js";
import { forgetGallery } from "../gallery/gallery.js";
import { crop, cropUnfinished, image, onImage, setCrop, stage } from "../image/image.js";
import { onIndexes, refreshIndexes } from "../indexes.js";
import { onKey } from "../key.js";
import { fillIndexes } from "../options.js";
import { thumbnail } from "../pictures.js";
import { tellProblem } from "../problem.js";
import { address } from "../routes.js";

const NEEDED = ["instance", "category", "dataset"];
const $ = (id) => document.getElementById(id);
const form = $("enrol");
const value = (name) => form.elements[name].value.trim();
let marks = []; // the crops enrolled from this image, as SVG

function readView() {
  const view = Object.fromEntries([...NEEDED, "sequence", "index"].map((name) => [name, value(name)]));
  for (const name of ["sequence", "index"]) if (!view[name]) delete view[name];
  for (const name of ["frame", "time_s"]) if (number(form, name) !== null) view[name] = number(form, name);
  if (crop()) view.bbox = crop();
  return view;
}

// null, or what keeps the view from being sent, with the field to go to.
function unfinished() {
  const empty = NEEDED.find((name) => !value(name));
  if (empty) return [`The ${empty} is missing.`, "Say what the thing is: its instance, category and dataset.", empty];
  if (cropUnfinished()) return ["Some numbers of the crop are missing.", "Fill all of them in, or empty all of them."];
  return null;
}

function enrolledCard(view, where) {
  const words = [`${view.dataset} · ${view.sequence} · frame ${view.frame}`, where];
  return h(
    "article", { class: "card enrolled", "data-testid": "enrolled" },
    thumbnail(view),
    h(
      "div", {},
      h("h2", {}, view.instance, " ", h("span", { class: "hint" }, view.category)),
      ...words.map((text) => h("p", { class: "hint" }, text)),
      h("p", {}, h("a", { href: address("gallery", { view: view.id }) }, "Open it in the gallery")),
      h("p", {}, h("a", { href: address("gallery", { dataset: view.dataset, instance: view.instance }) }, `All views of ${view.instance}`)),
    ),
  );
}

const markOf = ([x0, y0, x1, y1], name) =>
  s("rect", { class: "enrolled", x: x0, y: y0, width: x1 - x0, height: y1 - y0 }, s("title", {}, name));

function refuse(error) {
  $("enrolled").querySelector(".problem")?.remove();
  tellProblem($("enrolled"), error);
}

async function submit() {
  const open = unfinished();
  if (open) {
    const [detail, remedy, field] = open;
    refuse(new Refused({ title: "The view is unfinished", detail, remedy }));
    if (field) form.elements[field].focus();
    return;
  }
  const from = image();
  $("enrol-submit").disabled = true;
  $("enrol-submit").textContent = "Enrolling …";
  try {
    const asked = readView();
    const view = await post("/views", from.blob, from.name, asked);
    $("enrolled").querySelector(".problem")?.remove();
    $("enrolled").prepend(enrolledCard(view, asked.index ? `in the index ${asked.index}` : "in the default index"));
    if (image() === from) {
      marks.push(markOf(view.bbox, view.instance));
      setCrop(null);
      showEnrolled(`${view.instance} is enrolled. Draw the next box: without one, the whole image is taken.`);
    }
    forgetGallery();
    await refreshIndexes();
  } catch (error) {
    refuse(error);
  } finally {
    $("enrol-submit").textContent = "Enrol";
    $("enrol-submit").disabled = !image();
  }
}

// `said`: what was just done, under the image.
export function showEnrolled(said = "") {
  stage.setBoxes(marks);
  $("caption").textContent = said;
}

export function wireEnrolment() {
  onImage(() => {
    marks = [];
    $("enrol-submit").disabled = !image();
  });
  onKey(() => $("enrolled").querySelector(".locked")?.remove());
  onIndexes((served) => {
    fillIndexes(form.elements.index, served);
    const known = (values) => [...new Set(served.flatMap(values))].map((text) => new Option(text));
    $("known-categories").replaceChildren(...known((index) => index.categories));
    $("known-datasets").replaceChildren(...known((index) => index.datasets));
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
}
