// Wires the screens: ask, gallery, enrol, map.

import { get } from "./api.js";
import { drawAnswer, wireAsking } from "./ask/asking.js";
import { showEnrolled, wireEnrolment } from "./enrol/enrol.js";
import { dropView, forgetGallery, showGallery, wireGallery } from "./gallery/gallery.js";
import { showView, wireView } from "./gallery/view.js";
import { wireImage } from "./image/image.js";
import { setLimits } from "./image/limits.js";
import { offerSamples } from "./image/samples.js";
import { onIndexes, refreshIndexes, watchIndexes } from "./indexes.js";
import { onKey, wireKey } from "./key.js";
import { forgetMap, showMap, wireMap } from "./map/map.js";
import { onRoute, route } from "./routes.js";

const SCREENS = { ask: drawAnswer, gallery: showGallery, enrol: () => showEnrolled(), map: showMap };
const $ = (id) => document.getElementById(id);

function switchTo(name) {
  for (const part of document.querySelectorAll("[data-on]")) {
    // Not part.dataset: a form with a field named dataset gives that field.
    part.hidden = !part.getAttribute("data-on").split(" ").includes(name);
  }
  for (const link of document.querySelectorAll("nav a")) {
    if (link.dataset.screen === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = name === "ask" ? "Posebank" : `${name[0].toUpperCase()}${name.slice(1)} · Posebank`;
}

// Only once it is known what is served.
function fillScreen(name, { view, ...params }) {
  SCREENS[name](params);
  showView(view);
}

const fillAgain = () => fillScreen(route().name, route().params);

function forget(why) {
  forgetGallery(why);
  forgetMap();
}

async function tellVersion() {
  const about = await get("version");
  $("version").textContent = `Posebank ${about.version}`;
  $("limits").textContent = setLimits(about.limits);
  $("ask").elements.k.max = about.limits.max_k;
}

// What a server with keys tells only to those who have one.
function askServer() {
  offerSamples().catch(() => {});
  tellVersion().catch(() => {});
}

wireKey();
wireImage();
wireAsking();
wireEnrolment();
wireGallery();
wireMap();
wireView(forget, dropView);
$("skip").addEventListener("click", (event) => {
  event.preventDefault();
  $("main").focus();
});
onKey(async () => {
  forget();
  await refreshIndexes();
  askServer();
  fillAgain();
});
onRoute(switchTo);
await watchIndexes();
onRoute(fillScreen);
// A server that was away is there again: what could not be shown is asked for once more.
let wasAway = false;
onIndexes((served, away) => {
  const back = wasAway && !away;
  wasAway = away;
  if (!back) return;
  askServer();
  fillAgain();
});
askServer();
