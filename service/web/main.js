// Wires the page: an image comes in, a question goes out, the answers are drawn.

import { ask, get, Refused } from "./api.js";
import { curlCommand } from "./curl.js";
import { cuboid, orbit } from "./cuboid.js";
import { h } from "./elements.js";
import { fillFilters, fillIndexes, readCrop, readRequest, unfinished, writeCrop, writeRequest } from "./form.js";
import { caption, poseCard } from "./pose.js";
import { problemCard, reidCard } from "./results.js";
import { Stage } from "./stage.js";

const $ = (id) => document.getElementById(id);
const form = $("ask");
const stage = new Stage($("frame"), $("picture"), $("overlay"), (crop) => {
  writeCrop(form, crop);
  showCurl();
});
const POSE = "/pose/estimate";
let image = null; // { blob, name }
let indexes = [];
let underway = null;

function say(text, bad = false) {
  $("status").textContent = text;
  $("status").classList.toggle("bad", bad);
}

const problemOf = (error) => error instanceof Refused
  ? error.problem
  : { title: "This did not work", detail: error.message, remedy: "Choose a JPEG, PNG or WebP image." };

function showProblem(error) {
  $("results").replaceChildren(problemCard(problemOf(error)));
}

// An answer that comes after its image was replaced must not be drawn over the next one.
function dropQuestion() {
  underway?.abort();
  underway = null;
  $("submit").textContent = "Ask";
}

function showStage(there) {
  $("drop").hidden = there;
  $("stage-bar").hidden = !there;
  $("submit").disabled = !there;
}

// Both answers come from one request, unless re-ID alone is asked as curl.
const question = (route = POSE) => ({ ...readRequest(form), ...(route === POSE ? { reid: true } : {}) });

function showCurl() {
  const base = location.href.replace(/[?#].*$/, "").replace(/\/$/, "");
  const route = form.elements.route.value;
  $("curl-text").textContent = curlCommand(base, route, image?.name ?? "image.jpg", question(route));
}

async function take(blob, name, request = null) {
  dropQuestion();
  image = null;
  showStage(false);
  try {
    await stage.load(blob);
  } catch (error) {
    showProblem(error);
    return;
  }
  image = { blob, name };
  showStage(true);
  $("results").replaceChildren();
  $("caption").textContent = "";
  const [width, height] = stage.size;
  $("image-size").textContent = `${name} · ${width} × ${height} — drag to draw the crop`;
  writeRequest(form, request ?? {});
  stage.setCrop(readCrop(form));
  showCurl();
  if (request) await submit();
}

async function submit() {
  if (!image) return;
  const open = unfinished(form);
  if (open.length) {
    showProblem(new Refused({
      title: "The question is unfinished",
      detail: `Some numbers of ${open.join(" and ")} are missing.`,
      remedy: "Fill all of them in, or empty all of them.",
    }));
    return;
  }
  underway?.abort();
  const mine = (underway = new AbortController());
  $("submit").textContent = "Asking …";
  let answer;
  try {
    answer = await ask(POSE, image.blob, image.name, question(), mine.signal);
  } catch (error) {
    if (mine === underway) fail(error);
    return;
  }
  if (mine !== underway) return;
  $("submit").textContent = "Ask";
  $("results").replaceChildren(poseCard(answer, (i) => drawBox(answer, i)), reidCard(answer.reid));
}

function fail(error) {
  $("submit").textContent = "Ask";
  stage.setBoxes([]);
  $("caption").textContent = "";
  showProblem(error);
}

function drawBox(answer, i) {
  const { consensus, neighbours, query } = answer;
  $("caption").textContent = caption(answer, i);
  if (i !== null) {
    stage.setBoxes([cuboid(neighbours[i].box.vertices_px, "neighbour")]);
    return;
  }
  const { box, hypothesis, symmetry } = consensus;
  const drawn = hypothesis
    ? [cuboid(hypothesis.vertices_px, box ? "answer" : "hypothesis"), orbit(hypothesis, query.camera, symmetry)]
    : [];
  stage.setBoxes(drawn.filter((one) => one !== null));
}

async function refreshIndexes() {
  try {
    indexes = (await get("indexes")).indexes.filter((index) => index.served);
    const views = indexes.reduce((sum, index) => sum + index.views, 0);
    if (indexes.length) say(`${indexes.length === 1 ? indexes[0].name : `${indexes.length} indexes`} · ${views} views`);
    else say((await get("readyz").catch((error) => ({ reason: error.message }))).reason ?? "no index", true);
    fillIndexes(form, indexes);
    showCurl();
  } catch (error) {
    say(error.message, true);
  }
}

async function offerSamples() {
  const { samples } = await get("samples");
  const take_sample = async (sample) => {
    const response = await fetch(sample.image_url.slice(1));
    await take(await response.blob(), sample.file, sample.request);
  };
  $("sample-list").replaceChildren(...samples.map((sample) =>
    h(
      "button", { type: "button", "data-testid": "sample", onclick: () => take_sample(sample).catch(showProblem) },
      h("img", { src: sample.image_url.slice(1), alt: "" }), h("span", {}, sample.title),
    ),
  ));
  $("samples").hidden = samples.length === 0;
}

const firstImage = (files) => [...files].find((file) => file.type.startsWith("image/")) ?? files[0];

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
form.addEventListener("submit", (event) => {
  event.preventDefault();
  submit();
});
form.addEventListener("input", (event) => {
  if (event.target.name === "index") fillFilters(form, indexes);
  if (["x0", "y0", "x1", "y1"].includes(event.target.name)) stage.setCrop(readCrop(form));
  showCurl();
});
$("whole").addEventListener("click", () => {
  writeCrop(form, null);
  stage.setCrop(null);
  showCurl();
});
$("show-box").addEventListener("change", (event) => stage.show("box", event.target.checked));
$("show-crop").addEventListener("change", (event) => stage.show("crop", event.target.checked));
$("copy").addEventListener("click", async () => {
  const text = $("curl-text").textContent;
  try {
    await navigator.clipboard.writeText(text);
    $("copy").textContent = "Copied";
  } catch {
    getSelection().selectAllChildren($("curl-text")); // without a secure context: ready for Ctrl+C
    $("copy").textContent = "Selected: press Ctrl+C";
  }
  setTimeout(() => ($("copy").textContent = "Copy"), 2000);
});

await refreshIndexes();
setInterval(refreshIndexes, 15000);
offerSamples().catch(() => {});
get("version").then((about) => {
  $("version").textContent = `Posebank ${about.version}`;
  const { max_image_bytes: bytes, max_image_pixels: pixels, max_k: k } = about.limits;
  $("limits").textContent = `JPEG, PNG or WebP, up to ${Math.floor(bytes / 1e6)} MB and ${Math.floor(pixels / 1e6)} megapixels.`;
  form.elements.k.max = k;
}).catch(() => {});
