// What a point's colour says, and the legend of it.

import { h, s } from "../elements.js";
import { SHAPES } from "./shapes.js";

// Any two are at least 13 apart (CIEDE2000), and stand out from a white and from a dark ground.
const COLOURS = [
  "#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#b07aa1", "#3fb0ac", "#c9a227", "#9c755f",
  "#f07fa0", "#8a8f94", "#116352", "#8035bb", "#6b6700", "#6ac2ff", "#b4065f", "#bbb6ef",
  "#ae3500", "#695e76", "#007000", "#ecac9a", "#996ffb", "#aab296", "#fb8bff", "#9fbe00",
];
const EARLY_TO_LATE = [[59, 111, 182], [122, 125, 194], [189, 115, 164], [229, 114, 88], [242, 169, 59]];
const RAMP_STEPS = 24;
const LISTED = 40;

function ramp(share) {
  const at = Math.min(Math.max(share, 0), 1) * (EARLY_TO_LATE.length - 1);
  const i = Math.min(Math.floor(at), EARLY_TO_LATE.length - 2);
  const mixed = EARLY_TO_LATE[i].map((value, j) => value + (at - i) * (EARLY_TO_LATE[i + 1][j] - value));
  return `rgb(${mixed.map(Math.round).join(" ")})`;
}

function byTime(points) {
  const last = points.reduce((most, point) => Math.max(most, point.time_s), 0);
  const step = 100 / RAMP_STEPS;
  const bars = Array.from({ length: RAMP_STEPS }, (_, i) =>
    s("rect", { x: i * step, width: step + 0.2, height: 6, fill: ramp(i / (RAMP_STEPS - 1)) }));
  return {
    colour: (point) => ramp(last ? point.time_s / last : 0),
    shape: () => SHAPES[0],
    legend: () => h(
      "div", { class: "ramp", "data-testid": "legend" },
      h("span", {}, "start of its sequence"),
      s("svg", { viewBox: "0 0 100 6", preserveAspectRatio: "none", "aria-hidden": "true" }, ...bars),
      h("span", {}, last ? `${Number(last.toPrecision(3))} s` : "no view has a time"),
    ),
  };
}

// Most frequent first. `single(value | null)` is told which one is to stand out.
function byName(points, name, single) {
  const counts = new Map();
  for (const point of points) counts.set(point[name], (counts.get(point[name]) ?? 0) + 1);
  const values = [...counts.keys()].sort((a, b) => counts.get(b) - counts.get(a) || (a < b ? -1 : 1));
  const colours = new Map(values.map((value, i) => [value, COLOURS[i % COLOURS.length]]));
  // More names than colours: the same colour comes again in another shape.
  const shapes = new Map(values.map((value, i) => [value, SHAPES[Math.floor(i / COLOURS.length) % SHAPES.length]]));
  const chosen = (button) => button.getAttribute("aria-pressed") === "true";
  const legend = () => {
    const buttons = values.slice(0, LISTED).map((value) => {
      const swatch = s("svg", { viewBox: "-1 -1 2 2", "aria-hidden": "true" }, s("path", { d: shapes.get(value).d, fill: colours.get(value) }));
      return h("button", { type: "button", "aria-pressed": "false", onclick: (event) => press(event.currentTarget, value) },
        swatch, value, " ", h("span", { class: "hint" }, counts.get(value)));
    });
    const press = (button, value) => {
      const on = !chosen(button);
      for (const one of buttons) one.setAttribute("aria-pressed", String(on && one === button));
      single(on ? value : null);
    };
    const rest = values.length - LISTED;
    return h("ul", { class: "legend", "data-testid": "legend" }, ...buttons.map((button) => h("li", {}, button)),
      rest > 0 ? h("li", { class: "hint" }, `and ${rest} more`) : null);
  };
  return { colour: (point) => colours.get(point[name]), shape: (point) => shapes.get(point[name]), legend };
}

export const colouring = (points, name, single) =>
  name === "time_s" ? byTime(points) : byName(points, name, single);
