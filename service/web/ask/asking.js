// A question goes out, its answers are drawn.

import { post, Refused } from "../api.js";
import { h, s } from "../elements.js";
import { crop, cropText, cropUnfinished, image, onCrop, onImage, stage } from "../image/image.js";
import { named, onIndexes } from "../indexes.js";
import { key, onKey } from "../key.js";
import { fillFilters, fillIndexes } from "../options.js";
import { tellProblem } from "../problem.js";
import { route } from "../routes.js";
import { curlCommand, wireCopy } from "./curl.js";
import { cuboid, orbit } from "./cuboid.js";
import { readRequest, unfinished, writeRequest } from "./form.js";
import { caption, poseCard } from "./pose.js";
import { reidCard } from "./reid.js";

const POSE = "/pose/estimate";
const $ = (id) => document.getElementById(id);
const form = $("ask");
let underway = null;
let shown = null; // what lies over the image: { boxes, caption }
let askedCrop = null; // the crop that the answer is of, as cropText() told it

const ofAnotherCrop = () => askedCrop !== null && askedCrop !== cropText();

// Both answers come from one request, unless re-ID alone is asked as curl.
const question = (path = POSE) =>
  ({ ...readRequest(form, crop()), timings: true, ...(path === POSE ? { reid: true } : {}) });

function showCurl() {
  const base = location.href.replace(/[?#].*$/, "").replace(/\/$/, "");
  const path = form.elements.route.value;
  const name = image()?.name ?? "image.jpg";
  $("curl-text").textContent = curlCommand(base, path, name, question(path), key() !== "");
}

// An answer that comes after its image was replaced must not be drawn over the next one; nor may a
// refusal that comes after the key was given.
function dropQuestion() {
  underway?.abort();
  underway = null;
  $("submit").textContent = "Ask";
}

export function drawAnswer() {
  const [boxes, text] = [shown?.boxes ?? [], shown?.caption ?? ""];
  const other = ofAnotherCrop();
  stage.setBoxes(other ? [s("g", { class: "of-another-crop" }, ...boxes)] : boxes);
  $("caption").textContent = other && text ? `${text} · of another crop` : text;
}

// On Enrol the same image bears what was enrolled from it: the answer waits.
function redraw() {
  if (route().name === "ask") drawAnswer();
}

// An answer stays when its crop is changed, marked as one of another crop.
function markAnswer() {
  const results = $("results");
  const other = ofAnotherCrop();
  if (other === results.classList.contains("of-another-crop")) return;
  results.classList.toggle("of-another-crop", other);
  if (other) results.prepend(changedNote());
  else results.querySelector(".changed")?.remove();
  redraw();
}

const changedNote = () => h(
  "p", { class: "changed", "data-testid": "changed" },
  h("strong", {}, "The crop was changed since this answer."), " It and the boxes drawn are of the crop before. ",
  h("button", { type: "submit", form: form.id, class: "quiet" }, "Ask again"),
);

// `crop`: the one that the next answer is of.
function clearAnswer(crop = null) {
  askedCrop = crop;
  $("results").classList.remove("of-another-crop");
  $("results").replaceChildren();
}

function choose(answer, i) {
  const { consensus, neighbours, query } = answer;
  const { box, hypothesis, symmetry } = consensus;
  const boxes = i !== null
    ? [cuboid(neighbours[i].box.vertices_px, "neighbour")]
    : hypothesis
      ? [cuboid(hypothesis.vertices_px, box ? "answer" : "hypothesis"), orbit(hypothesis, query.camera, symmetry)]
      : [];
  shown = { boxes: boxes.filter((one) => one !== null), caption: caption(answer, i) };
  redraw();
}

async function submit() {
  if (!image()) return;
  const open = [...(cropUnfinished() ? ["the crop"] : []), ...unfinished(form)];
  if (open.length) {
    fail(new Refused({
      title: "The question is unfinished",
      detail: `Some numbers of ${open.join(" and ")} are missing.`,
      remedy: "Fill all of them in, or empty all of them.",
    }));
    return;
  }
  underway?.abort();
  const mine = (underway = new AbortController());
  const asked = cropText();
  $("submit").textContent = "Asking …";
  let answer;
  try {
    answer = await post(POSE, image().blob, image().name, question(), mine.signal);
  } catch (error) {
    if (mine === underway) fail(error);
    return;
  }
  if (mine !== underway) return;
  $("submit").textContent = "Ask";
  clearAnswer(asked);
  $("results").append(poseCard(answer, (i) => choose(answer, i)), reidCard(answer.reid, answer.index.name));
  markAnswer();
}

function fail(error) {
  dropQuestion();
  shown = null;
  clearAnswer();
  redraw();
  tellProblem($("results"), error);
}

export function wireAsking() {
  wireCopy();
  onImage((request) => {
    dropQuestion();
    shown = null;
    clearAnswer();
    $("submit").disabled = !image();
    writeRequest(form, request ?? {});
    showCurl();
    if (request && route().name === "ask") submit();
  });
  onCrop(() => {
    showCurl();
    markAnswer();
  });
  onKey(() => {
    dropQuestion();
    $("results").querySelector(".locked")?.remove();
    showCurl();
  });
  onIndexes((served) => {
    fillIndexes(form.elements.index, served);
    fillFilters(form, named(form.elements.index.value));
    showCurl();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  form.addEventListener("input", (event) => {
    if (event.target.name === "index") fillFilters(form, named(event.target.value));
    showCurl();
  });
}
