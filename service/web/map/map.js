// The map screen: which index and head are shown, coloured by what.

import { get, withQuery } from "../api.js";
import { h } from "../elements.js";
import { named, onIndexes } from "../indexes.js";
import { choose, fillIndexes, fillSelect } from "../options.js";
import { percent } from "../parts.js";
import { problemCard } from "../problem.js";
import { go, route } from "../routes.js";
import { MapFigure } from "./figure.js";

const CHOICES = ["index", "head", "colour"];
const LIMIT = 5000;
const $ = (id) => document.getElementById(id);
const form = $("map-choices");
const choices = () => Object.fromEntries(CHOICES.map((name) => [name, form.elements[name].value]));
let shown = null; // the index, its version and head that are drawn
let loading = null; // aborts what is being loaded
let figure = null;

// Pose first, as that is what the other screens compare.
const headsOf = (index) => Object.keys(index?.heads ?? {}).sort((a, b) => (b === "pose") - (a === "pose"));

function writeChoices(params) {
  if (params.index) choose(form.elements.index, params.index);
  fillSelect(form.elements.head, headsOf(named(form.elements.index.value)), null);
  if (params.head) form.elements.head.value = params.head;
  if (params.colour) form.elements.colour.value = params.colour;
}

function describe({ index, head, explained: [x, y], total, points }) {
  const part = points.length < total ? `${points.length} of ${total} views` : `${total} views`;
  return `${part} of ${index.name} ${index.version} · head ${head} · the two directions hold ${percent(x, 0)} and `
    + `${percent(y, 0)} of how the embeddings differ`;
}

async function load({ index, head }) {
  loading?.abort();
  const mine = (loading = new AbortController());
  $("map-problem").replaceChildren();
  let answer;
  try {
    answer = await get(withQuery("map", { index, head, limit: LIMIT }), mine.signal);
    if (mine !== loading) return;
  } catch (error) {
    if (mine !== loading) return;
    shown = null;
    $("map-card").hidden = true;
    $("map-problem").replaceChildren(problemCard(error));
    return;
  }
  figure = new MapFigure(answer.points, (point) => go("map", { ...choices(), view: point.id }));
  $("map-card").replaceChildren(
    figure.element,
    h("p", { class: "hint", "data-testid": "map-note" }, describe(answer)),
    h("p", { class: "hint" }, "Point at a view, or tap it, to see it and the path of its sequence; click, or tap again, to "
      + "open it. Dragging moves the map; plus and minus, two fingers and, once it has the focus, the wheel zoom."),
  );
  $("map-card").hidden = false;
  figure.colourBy(form.elements.colour.value);
}

export function showMap(params) {
  writeChoices(params);
  const { index, head, colour } = choices();
  const asked = JSON.stringify([index, head, named(index)?.version, named(index)?.views]);
  if (asked !== shown) {
    shown = asked;
    load({ index, head });
  } else if (figure && figure.name !== colour) {
    figure.colourBy(colour);
  }
}

export function forgetMap() {
  loading?.abort();
  loading = shown = null;
}

export function wireMap() {
  onIndexes((served) => {
    const kept = choices();
    fillIndexes(form.elements.index, served);
    if (route().name === "map") writeChoices({ ...kept, index: form.elements.index.value });
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("change", ({ target }) =>
    go("map", target.name === "index" ? { index: target.value, colour: form.elements.colour.value } : choices()));
}
