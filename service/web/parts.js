// What several cards are made of.

import { h, s } from "./elements.js";

// A cosine, which is no probability.
export const similarity = (value) => `similarity ${value.toFixed(2)}`;

export const percent = (value, digits = 1) => `${(100 * value).toFixed(digits)} %`;
export const milliseconds = (timings) =>
  Object.entries(timings).map(([name, ms]) => `${name} ${ms.toFixed(1)} ms`).join(" · ");
export const centimetres = (metres) => `${(100 * metres).toFixed(metres < 0.1 ? 1 : 0)} cm`;
export const count = (number, thing) => `${number} ${thing}${number === 1 ? "" : "s"}`;

export function bar(value) {
  const width = Math.max(0, Math.min(1, value)) * 100;
  return s(
    "svg", { class: "bar", viewBox: "0 0 100 4", preserveAspectRatio: "none", "aria-hidden": "true" },
    s("rect", { width, height: 4 }),
  );
}

export const fact = (name, ...value) => h("div", {}, h("dt", {}, name), h("dd", {}, ...value));

export const notes = (texts, label) =>
  texts.length
    ? h("ul", { class: "assumptions", "aria-label": label }, ...texts.map((text) => h("li", {}, text)))
    : null;

export function boxFacts({ scale_m: scale, translation_m: at }, muted) {
  return h(
    "dl", { class: `facts${muted ? " muted" : ""}` },
    fact("width × height × depth", scale.map(centimetres).join(" × ")),
    fact("centre, x right · y down · z forward", at.map((v) => `${v.toFixed(2)} m`).join(" · ")),
    fact("distance", `${Math.hypot(...at).toFixed(2)} m`),
  );
}
