// A canvas that shows a scene and is turned by mouse, fingers, wheel and keys.

import { h } from "../elements.js";
import { Orbit } from "./orbit.js";
import { paint } from "./paint.js";

const STEP = Math.PI / 24;
const VIEWS = [["overview", "Overview"], ["camera", "From the camera"], ["above", "From above"]];
const KEYS = {
  ArrowLeft: (orbit) => orbit.rotate(-STEP, 0), ArrowRight: (orbit) => orbit.rotate(STEP, 0),
  ArrowUp: (orbit) => orbit.rotate(0, STEP), ArrowDown: (orbit) => orbit.rotate(0, -STEP),
  "+": (orbit) => orbit.zoom(0.8), "=": (orbit) => orbit.zoom(0.8), "-": (orbit) => orbit.zoom(1.25),
  Home: (orbit, size) => orbit.look("overview", size),
};

const metres = (length) => (length < 1 ? `${Number((100 * length).toPrecision(2))} cm` : `${length} m`);

export class SpaceFigure {
  // `legend`: [style, what it stands for] of what needs saying.
  constructor(legend = []) {
    this.canvas = h("canvas", {
      class: "space", tabindex: 0, role: "application", "data-testid": "space",
      "aria-label": "The box in space. Arrow keys turn the view, plus and minus go nearer and "
        + "farther, Home goes back.",
    });
    this.scale = h("span", { class: "hint" });
    const buttons = VIEWS.map(([from, name]) =>
      h("button", { type: "button", class: "quiet", onclick: () => this.#change((orbit, size) => orbit.look(from, size)) }, name));
    this.element = h(
      "figure", { class: "space-figure" },
      this.canvas,
      h(
        "figcaption", {}, h("div", { class: "buttons" }, ...buttons), this.scale,
        ...legend.map(([style, text]) => h("span", { class: "hint stands-for", "data-style": style }, text)),
      ),
    );
    this.canvas.addEventListener("keydown", (event) => this.#key(event));
    this.canvas.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    this.canvas.addEventListener("pointerdown", (event) => this.#press(event));
    new ResizeObserver(() => this.draw()).observe(this.canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
    this.fingers = new Map();
  }

  // Another scene of the same question keeps the viewpoint. null: there is nothing to show.
  show(scene) {
    this.element.hidden = scene === null;
    this.scene = scene;
    if (!scene) return;
    if (this.orbit) this.orbit.focus = scene.viewpoint.focus;
    this.scale.textContent =
      `One square: ${metres(scene.square)}${scene.assumed ? " · no ground was given: drawn under the box" : ""}`;
    this.draw();
  }

  get size() {
    return [this.canvas.clientWidth, this.canvas.clientHeight];
  }

  draw() {
    if (!this.scene || !this.canvas.clientWidth) return;
    if (!this.orbit) {
      this.orbit = new Orbit(this.scene.viewpoint);
      this.orbit.look("overview", this.size);
    }
    const { turn, tilt, distance } = this.orbit;
    Object.assign(this.canvas.dataset, { turn: turn.toFixed(4), tilt: tilt.toFixed(4), distance: distance.toFixed(4) });
    paint(this.canvas, this.scene.items, this.orbit);
  }

  #change(how) {
    how(this.orbit, this.size);
    this.draw();
  }

  #key(event) {
    const how = KEYS[event.key];
    if (!how || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    this.#change(how);
  }

  // Only where the figure is in use, so that the page still scrolls over it.
  #wheel(event) {
    if (document.activeElement !== this.canvas) return;
    event.preventDefault();
    this.#change((orbit) => orbit.zoom(Math.exp(event.deltaY / 500)));
  }

  #press(event) {
    if (event.button !== 0) return;
    this.canvas.focus({ preventScroll: true });
    this.canvas.setPointerCapture(event.pointerId);
    this.fingers.set(event.pointerId, [event.clientX, event.clientY]);
    if (this.fingers.size > 1) return;
    const move = (moved) => this.#drag(moved);
    const lift = (lifted) => {
      this.fingers.delete(lifted.pointerId);
      if (this.fingers.size) return;
      this.canvas.removeEventListener("pointermove", move);
      for (const kind of ["pointerup", "pointercancel"]) this.canvas.removeEventListener(kind, lift);
    };
    this.canvas.addEventListener("pointermove", move);
    for (const kind of ["pointerup", "pointercancel"]) this.canvas.addEventListener(kind, lift);
  }

  // One finger turns, two pinch.
  #drag(event) {
    const before = this.fingers.get(event.pointerId);
    if (!before) return;
    const now = [event.clientX, event.clientY];
    this.fingers.set(event.pointerId, now);
    const other = [...this.fingers].find(([finger]) => finger !== event.pointerId)?.[1];
    if (other) {
      const apart = ([x, y]) => Math.max(Math.hypot(x - other[0], y - other[1]), 1);
      this.#change((orbit) => orbit.zoom(apart(before) / apart(now)));
    } else {
      const turn = Math.PI / this.canvas.clientHeight;
      this.#change((orbit) => orbit.rotate((before[0] - now[0]) * turn, (now[1] - before[1]) * turn));
    }
  }
}
