// A thing in the image is named and joins the gallery.

import { post } from "../api.js";
import { h, s } from "../elements.js";
import { number } from "../fields.js";
import { forgetGallery } from "../gallery/gallery.js";
import { crop, cropText, cropUnfinished, image, onCrop, onImage, setCrop, stage, wholeImage } from "../image/image.js";
import { onIndexes, refreshIndexes } from "../indexes.js";
import { onKey } from "../key.js";
import { fillIndexes } from "../options.js";
import { thumbnail } from "../pictures.js";
import { tellProblem } from "../problem.js";
import { address, route } from "../routes.js";
import { bringIntoSight } from "../sight.js";

const TAKEN = "urn:posebank:problem:view-exists"; // of another frame it would not be
const NEEDED = ["instance", "category", "dataset"];
const $ = (id) => document.getElementById(id);
const form = $("enrol");
const value = (name) => form.elements[name].value.trim();
let marks = []; // the crops enrolled from this image, as SVG
let sending = false;

function readView() {
  const view = Object.fromEntries([...NEEDED, "sequence", "index"].map((name) => [name, value(name)]));
  for (const name of ["sequence", "index"]) if (!view[name]) delete view[name];
  for (const name of ["frame", "time_s"]) if (number(form, name) !== null) view[name] = number(form, name);
  if (crop()) view.bbox = crop();
  return view;
}

function missingBox() {
  if (crop() || wholeImage()) return [];
  const empty = [...$("crop").querySelectorAll("input")].find((side) => side.value === "");
  return [cropUnfinished()
    ? { what: "some numbers of the crop", field: empty, remedy: "Fill in all numbers of the crop, or empty all of them." }
    : { what: "a box on the image, or the choice “Whole image”", field: empty, remedy: "Draw a box around the thing, or choose “Whole image”." }];
}

// What keeps the view from being sent: each thing in words, with the field to go to.
function missing() {
  if (!image()) return [{ what: "an image", field: $("file"), remedy: "Choose an image." }];
  const names = NEEDED.filter((name) => !value(name));
  return [...missingBox(), ...names.map((name) => ({ what: name, field: form.elements[name], remedy: `Say the ${name}.` }))];
}

function tellMissing() {
  for (const field of [...$("crop").elements, ...form.elements]) field.setCustomValidity("");
  $("enrol-missing").textContent = missing().map(({ what }) => what).join(", ");
}

function enrolledCard(view, where) {
  const words = [`${view.dataset} · ${view.sequence} · frame ${view.frame}`, where];
  return h(
    "article", { class: "card enrolled", "data-testid": "enrolled" },
    thumbnail(view),
    h(
      "div", {},
      h("h2", {}, `${view.instance} is enrolled `, h("span", { class: "hint" }, view.category)),
      ...words.map((text) => h("p", { class: "hint" }, text)),
      h("p", {}, h("a", { href: address("gallery", { view: view.id }) }, "Open it in the gallery")),
      h("p", {}, h("a", { href: address("gallery", { dataset: view.dataset, instance: view.instance }) }, `All views of ${view.instance}`)),
    ),
  );
}

const markOf = ([x0, y0, x1, y1], name) =>
  s("rect", { class: "enrolled", x: x0, y: y0, width: x1 - x0, height: y1 - y0 }, s("title", {}, name));

// The field that a refusal is about, or undefined.
function fieldOf({ type, errors = [] } = {}) {
  if (type === TAKEN) return form.elements.frame;
  const names = errors.map(({ where }) => where.split(".").at(-1));
  return [...form.elements].find((field) => field.name && names.includes(field.name));
}

function refuse(error) {
  $("enrolled").querySelector(".problem")?.remove();
  tellProblem($("enrolled"), error);
  const field = fieldOf(error.problem);
  if (!field) return;
  field.closest("details")?.setAttribute("open", "");
  field.focus();
}

async function submit() {
  const [first] = missing();
  if (first) {
    first.field.setCustomValidity(first.remedy);
    first.field.reportValidity(); // said at the field, which gets the focus
    return;
  }
  const [from, drawn] = [image(), cropText()];
  setSending(true);
  try {
    const asked = readView();
    const view = await post("/views", from.blob, from.name, asked);
    $("enrolled").querySelector(".problem")?.remove();
    const card = enrolledCard(view, asked.index ? `in the index ${asked.index}` : "in the default index");
    $("enrolled").prepend(card);
    if (image() === from) markEnrolled(view, drawn);
    bringIntoSight(card);
    forgetGallery();
    await refreshIndexes();
  } catch (error) {
    refuse(error);
  } finally {
    setSending(false);
  }
}

// By now the next box may be drawn, or the image be asked about.
function markEnrolled(view, drawn) {
  marks.push(markOf(view.bbox, view.instance));
  if (route().name !== "enrol") return;
  if (cropText() === drawn) setCrop(null);
  showEnrolled(`${view.instance} is enrolled. Draw the next box.`);
}

function setSending(on) {
  sending = on;
  $("enrol-submit").textContent = sending ? "Enrolling …" : "Enrol";
  setButton();
}

const setButton = () => ($("enrol-submit").disabled = sending || !image());

// `said`: what was just done, under the image.
export function showEnrolled(said = "") {
  stage.setBoxes(marks);
  $("caption").textContent = said;
}

export function wireEnrolment() {
  onImage(() => {
    marks = [];
    setButton();
    tellMissing();
  });
  onCrop(tellMissing);
  form.addEventListener("input", tellMissing);
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
  tellMissing();
}
