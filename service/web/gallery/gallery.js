// The views of an index, page by page, those the filters allow.

import { get, withQuery } from "../api.js";
import { h } from "../elements.js";
import { named, onIndexes } from "../indexes.js";
import { choose, fillFilters, fillIndexes } from "../options.js";
import { count } from "../parts.js";
import { thumbnail } from "../pictures.js";
import { problemCard } from "../problem.js";
import { go, route } from "../routes.js";

const PAGE = 48;
const MOST = 200; // views of a page that the server gives
const OFFERED = ["dataset", "category", "split"]; // what the index has of them
const FILTERS = ["index", ...OFFERED, "annotated", "instance", "sequence"];
const $ = (id) => document.getElementById(id);
const form = $("gallery-filters");
let loading = null; // aborts what is being loaded
let next = null; // `after` of the next page
let wanted = null; // the filters that are shown
let news = ""; // what was done to the gallery, said above the views

const filters = () => Object.fromEntries(FILTERS.map((name) => [name, form.elements[name].value.trim()]));

function writeFilters(params) {
  if (params.index) choose(form.elements.index, params.index);
  fillFilters(form, named(form.elements.index.value));
  for (const name of FILTERS.slice(1)) {
    choose(form.elements[name], params[name] ?? "");
  }
}

function tile(view) {
  return h(
    "li", {},
    h(
      "button", { type: "button", class: "view", "data-testid": "view", "data-view": view.id, onclick: () => open(view.id) },
      thumbnail(view),
      h("span", { class: "name" }, view.instance),
      h("span", { class: "hint" }, view.category, view.box ? " · box" : ""),
    ),
  );
}

function say() {
  const shown = $("gallery-views").children.length;
  const found = shown
    ? `${count(shown, "view")}${next ? " so far, and there are more" : ""}`
    : "No view passes these filters.";
  $("gallery-said").textContent = news ? `${news} · ${found}` : found;
  $("gallery-more").hidden = next === null;
}

// `after` is where the next page goes on; without it the list begins anew.
async function load(after = "") {
  loading?.abort();
  const mine = (loading = new AbortController());
  if (!after) {
    $("gallery-views").replaceChildren();
    $("gallery-said").textContent = "Loading …";
    $("gallery-more").hidden = true;
  }
  $("gallery-problem").replaceChildren();
  try {
    const page = await get(withQuery("views", { ...filters(), after, limit: PAGE }), mine.signal);
    if (mine !== loading) return;
    const tiles = page.views.map(tile);
    $("gallery-views").append(...tiles);
    next = page.next;
    const focused = document.activeElement === $("gallery-more");
    say();
    news = "";
    if (focused && !next) tiles[0]?.firstChild.focus(); // the button that had it is gone
  } catch (error) {
    if (mine !== loading) return;
    wanted = null;
    $("gallery-said").textContent = "";
    $("gallery-problem").replaceChildren(problemCard(error));
  }
}

// A view that is no longer there has no tile.
export function dropView(id) {
  const tile = $("gallery-views").querySelector(`[data-view="${CSS.escape(id)}"]`)?.parentElement;
  if (!tile) return;
  tile.remove();
  gone([tile]);
}

function gone(tiles) {
  if (!tiles.length) return;
  news = `${count(tiles.length, "view")} no longer there`;
  say();
  news = "";
}

// A picture that cannot be had may be that of a view that was deleted elsewhere.
async function checkView(id) {
  try {
    await get(`views/${id}`);
  } catch (error) {
    if (error.problem?.status === 404) dropView(id);
  }
}

// Tiles of views that were deleted elsewhere go; the others stay where they are.
async function dropDeleted() {
  if (!wanted) return;
  const [mine, asked, tiles] = [loading, JSON.parse(wanted), [...$("gallery-views").children]];
  const idOf = (tile) => tile.firstChild.dataset.view;
  const there = new Set();
  try {
    for (let after = ""; after !== null && tiles.some((tile) => !there.has(idOf(tile)));) {
      const page = await get(withQuery("views", { ...asked, after, limit: MOST }));
      for (const { id } of page.views) there.add(id);
      after = page.next;
    }
  } catch {
    return; // what is shown stays: the next look will tell
  }
  if (mine !== loading) return;
  const deleted = tiles.filter((tile) => tile.isConnected && !there.has(idOf(tile)));
  deleted.forEach((tile) => tile.remove());
  gone(deleted);
}

const open = (id) => go("gallery", { ...filters(), view: id });

export function showGallery(params) {
  writeFilters(params);
  const asked = JSON.stringify(filters());
  if (asked !== wanted) {
    wanted = asked;
    load();
  }
}

// What the list shows is no longer so: it is loaded anew when it is next seen.
export function forgetGallery(why = "") {
  wanted = null;
  news = why;
}

export function wireGallery() {
  // What is being typed is left alone.
  onIndexes((served) => {
    const kept = filters();
    fillIndexes(form.elements.index, served);
    fillFilters(form, named(form.elements.index.value));
    for (const name of OFFERED) choose(form.elements[name], kept[name]);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (wanted === null) showGallery(filters()); // it failed: once more
  });
  form.addEventListener("change", ({ target }) =>
    go("gallery", target.name === "index" ? { index: target.value } : filters()));
  $("gallery-clear").addEventListener("click", () => go("gallery", { index: form.elements.index.value }));
  $("gallery-more").addEventListener("click", () => load(next));
  $("gallery-views").addEventListener("error", ({ target }) =>
    checkView(target.closest("[data-view]").dataset.view), true); // it does not bubble
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible" && route().name === "gallery") dropDeleted();
  });
}
