// The image that is asked about or enrolled from, and the crop drawn on it.

import { all, begun, put } from "../fields.js";
import { tellProblem } from "../problem.js";
import { checkFile, checkPixels } from "./limits.js";
import { Stage } from "./stage.js";

const SIDES = ["x0", "y0", "x1", "y1"];
const $ = (id) => document.getElementById(id);
const form = $("crop");
const imageListeners = [];
const cropListeners = [];
let current = null;
let choosing = null; // aborts what was chosen before and is not there yet
let whole = false; // whether the whole image was chosen, not just nothing drawn

export const stage = new Stage($("frame"), $("picture"), $("overlay"), (crop) => {
  put(form, SIDES, crop);
  tellCrop();
});

export const image = () => current; // { blob, name } or null
export const crop = () => all(form, SIDES);
export const wholeImage = () => whole;
export const cropUnfinished = () => begun(form, SIDES) && !crop();
export const cropText = () => JSON.stringify(cropUnfinished() ? "unfinished" : crop()); // to tell two apart

// `listener(request)` is told of another image, with the request of a sample; null: of a file.
export const onImage = (listener) => imageListeners.push(listener);
export const onCrop = (listener) => cropListeners.push(listener);

function tellCrop(chosenWhole = false) {
  whole = chosenWhole;
  $("whole").setAttribute("aria-pressed", String(whole));
  for (const listener of cropListeners) listener();
}

export function setCrop(sides, chosenWhole = false) {
  put(form, SIDES, sides);
  stage.setCrop(sides);
  tellCrop(chosenWhole);
}

function showStage(there) {
  $("drop").hidden = there;
  $("stage-bar").hidden = !there;
}

// Gives up what was chosen before, however late it comes; the signal with which this is given up.
export function chooseAnew() {
  choosing?.abort();
  choosing = new AbortController();
  return choosing.signal;
}

export async function take(blob, name, request = null, chosen = chooseAnew()) {
  current = null;
  showStage(false);
  $("image-problem").replaceChildren();
  $("caption").textContent = "";
  try {
    await checkFile(blob, name);
    chosen.throwIfAborted();
    await stage.load(blob, chosen);
    checkPixels(stage.size, name);
    current = { blob, name };
    showStage(true);
    const [width, height] = stage.size;
    $("image-size").textContent = `${name} · ${width} × ${height} — drag to draw the crop`;
  } catch (error) {
    if (chosen.aborted) return;
    stage.clear();
    tellProblem($("image-problem"), error);
  }
  setCrop(request?.bbox?.map((side) => Math.round(side * 100) / 100) ?? null);
  for (const listener of imageListeners) listener(request);
}

const firstImage = (files) => [...files].find((file) => file.type.startsWith("image/")) ?? files[0];

export function wireImage() {
  $("file").addEventListener("change", (event) => {
    const [file] = event.target.files;
    if (file) take(file, file.name);
    event.target.value = "";
  });
  document.addEventListener("paste", (event) => {
    const file = firstImage(event.clipboardData.files);
    if (file) take(file, file.name || "pasted.png");
  });
  for (const kind of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(kind, (event) => {
      event.preventDefault();
      document.querySelector(".stage").classList.toggle("over", kind === "dragover");
      const file = kind === "drop" && firstImage(event.dataTransfer.files);
      if (file) take(file, file.name);
    });
  }
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => {
    const sides = crop();
    stage.setCrop(sides && sides[0] < sides[2] && sides[1] < sides[3] ? sides : null); // while it is typed
    tellCrop();
  });
  $("whole").addEventListener("click", () => setCrop(null, !whole));
  $("show-box").addEventListener("change", (event) => stage.show("box", event.target.checked));
  $("show-crop").addEventListener("change", (event) => stage.show("crop", event.target.checked));
}
