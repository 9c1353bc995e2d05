// The map itself: points to look at with the mouse, fingers or keys, and to open.

import { h } from "../elements.js";
import { picture } from "../pictures.js";
import { colouring } from "./colours.js";
import { Plane } from "./plane.js";
import { drawPoints, trajectory } from "./scatter.js";

const NEAR = { mouse: 12, pen: 16, touch: 26 }; // pixels
const STILL_MS = 120; // so long on one point before its picture is fetched
const STILL_PX = 5; // a press that moves no farther is a click
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const ZOOMS = { "+": 1.4, "=": 1.4, "-": 1 / 1.4 };

export class MapFigure {
  // `open(point)` is told which point was chosen.
  constructor(points, open) {
    this.open = open;
    this.plane = new Plane(points);
    this.looked = null;
    this.fingers = new Map();
    this.clicking = null; // with what the click that is to come is made: mouse, pen or touch
    this.canvas = h("canvas", {
      class: "map", tabindex: 0, role: "application", "data-testid": "map",
      "aria-label": "The views as points. Arrow keys go from point to point, Enter opens one, plus and "
        + "minus zoom, Home goes back.",
    });
    this.tip = h("div", { class: "tip", hidden: true, "data-testid": "tip", role: "status" });
    this.legend = h("div");
    const button = (name, label, how) =>
      h("button", { type: "button", class: "quiet", "aria-label": label, onclick: () => this.#change(how) }, name);
    const middle = () => this.plane.size.map((side) => side / 2);
    this.element = h(
      "div", { class: "map-figure" },
      h("div", { class: "map-frame" }, this.canvas, this.tip,
        h("div", { class: "map-buttons" },
          button("+", "Zoom in", () => this.plane.zoomAt(middle(), 1.4)),
          button("−", "Zoom out", () => this.plane.zoomAt(middle(), 1 / 1.4)),
          button("All", "Show all points", () => this.plane.reset()))),
      this.legend,
    );
    this.#listen();
  }

  colourBy(name) {
    this.single = null;
    this.name = name;
    this.colours = colouring(this.plane.points, name, (value) => this.#change(() => (this.single = value)));
    this.legend.replaceChildren(this.colours.legend());
    this.draw();
  }

  draw() {
    if (!this.canvas.clientWidth || !this.colours) return;
    drawPoints(this.canvas, this.plane, {
      colour: this.colours.colour, shape: this.colours.shape, looked: this.looked,
      stands: (point) => this.single === null || point[this.name] === this.single,
    });
    this.#placeTip();
  }

  #change(how) {
    how();
    this.draw();
  }

  look(point) {
    if (point === this.looked) return;
    this.looked = point;
    this.canvas.dataset.looked = point?.id ?? "";
    clearTimeout(this.still);
    this.tip.hidden = !point;
    if (point) this.#fillTip(point);
    this.draw();
  }

  #fillTip(point) {
    const path = trajectory(this.plane.points, point);
    const place = path.length > 1 ? `view ${path.indexOf(point) + 1} of ${path.length} of its sequence` : "alone in its sequence";
    this.tip.replaceChildren(
      h("strong", {}, point.instance), h("span", {}, point.category),
      h("span", { class: "hint" }, `frame ${point.frame} · ${point.time_s.toFixed(2)} s · ${place}`),
    );
    this.still = setTimeout(() => {
      this.tip.prepend(picture(`views/${point.id}/thumbnail`, { alt: "" }));
    }, STILL_MS);
  }

  // Beside the point, on the side where there is room.
  #placeTip() {
    if (!this.looked) return;
    const [x, y] = this.plane.pixel(this.looked);
    const [width, height] = this.plane.size;
    const set = (name, value) => this.tip.style.setProperty(name, value === null ? "auto" : `${value}px`);
    set("left", x < width / 2 ? x + 14 : null);
    set("right", x < width / 2 ? null : width - x + 14);
    set("top", y < height / 2 ? Math.max(y, 0) : null);
    set("bottom", y < height / 2 ? null : Math.max(height - y, 0));
  }

  #listen() {
    const { canvas } = this;
    const on = (kind, how, options) => canvas.addEventListener(kind, how, options);
    on("pointerdown", (event) => this.#press(event));
    on("pointermove", (event) => this.#move(event));
    on("pointerup", (event) => this.#lift(event));
    on("click", (event) => this.#click(event));
    on("pointercancel", (event) => this.fingers.delete(event.pointerId));
    on("pointerleave", (event) => event.pointerType === "mouse" && this.look(null));
    on("keydown", (event) => this.#key(event));
    on("wheel", (event) => {
      if (document.activeElement !== canvas) return; // so that the page still scrolls over it
      event.preventDefault();
      this.#change(() => this.plane.zoomAt([event.offsetX, event.offsetY], Math.exp(-event.deltaY / 400)));
    }, { passive: false });
    new ResizeObserver(() => this.draw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  #press(event) {
    if (event.button !== 0) return;
    this.canvas.focus({ preventScroll: true });
    this.canvas.setPointerCapture(event.pointerId);
    const at = [event.offsetX, event.offsetY];
    this.fingers.set(event.pointerId, { at, from: at, moved: this.fingers.size > 0 });
  }

  #move(event) {
    const now = [event.offsetX, event.offsetY];
    const finger = this.fingers.get(event.pointerId);
    if (!finger) {
      if (event.pointerType === "mouse") this.look(this.plane.nearest(now, NEAR.mouse));
      return;
    }
    const [dx, dy] = [now[0] - finger.at[0], now[1] - finger.at[1]];
    finger.moved ||= Math.hypot(now[0] - finger.from[0], now[1] - finger.from[1]) > STILL_PX;
    const other = [...this.fingers.values()].find((one) => one !== finger);
    if (other) {
      const apart = ([x, y]) => Math.max(Math.hypot(x - other.at[0], y - other.at[1]), 1);
      this.#change(() => this.plane.zoomAt(other.at, apart(now) / apart(finger.at)));
    } else if (finger.moved) {
      this.#change(() => this.plane.pan(dx, dy));
    }
    if (finger.moved) finger.at = now;
  }

  #lift(event) {
    const finger = this.fingers.get(event.pointerId);
    this.fingers.delete(event.pointerId);
    this.clicking = finger && !finger.moved ? event.pointerType : null;
  }

  // A click opens the point under it; a finger first shows it, and opens it the second time. Not when
  // it is lifted: the click may come later, and would close the dialog that it then falls beside.
  #click(event) {
    const kind = this.clicking;
    this.clicking = null;
    if (!kind) return; // the end of a drag
    const point = this.plane.nearest([event.offsetX, event.offsetY], NEAR[kind] ?? NEAR.mouse);
    if (point && (kind === "mouse" || point === this.looked)) this.open(point);
    else this.look(point);
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const middle = this.plane.size.map((side) => side / 2);
    if (STEPS[event.key]) {
      const next = this.looked ? this.plane.beside(this.looked, STEPS[event.key]) : this.plane.nearest(middle, Infinity);
      if (next) this.look(next);
    } else if (ZOOMS[event.key]) {
      const at = this.looked ? this.plane.pixel(this.looked) : middle;
      this.#change(() => this.plane.zoomAt(at, ZOOMS[event.key]));
    } else if (event.key === "Home") this.#change(() => this.plane.reset());
    else if (event.key === "Escape") this.look(null);
    else if (event.key === "Enter" && this.looked) this.open(this.looked);
    else return;
    event.preventDefault();
  }
}
