// What several cards are made of.

import { h, s } from "./elements.js";

export const percent = (value, digits = 1) => `${(100 * value).toFixed(digits)} %`;
export const milliseconds = (timings) =>
  Object.entries(timings).map(([name, ms]) => `${name} ${ms.toFixed(1)} ms`).join(" · ");

export function bar(value) {
  const width = Math.max(0, Math.min(1, value)) * 100;
  return s(
    "svg", { class: "bar", viewBox: "0 0 100 4", preserveAspectRatio: "none", "aria-hidden": "true" },
    s("rect", { width, height: 4 }),
  );
}

export const thumbnail = (view) =>
  h("img", {
    src: view.thumbnail_url.replace(/^\//, ""), alt: `${view.category}, ${view.instance}`, loading: "lazy",
    title: `${view.dataset} · ${view.sequence} · frame ${view.frame}`,
  });

export const notes = (texts, label) =>
  texts.length
    ? h("ul", { class: "assumptions", "aria-label": label }, ...texts.map((text) => h("li", {}, text)))
    : null;
