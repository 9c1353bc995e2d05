// The image, the crop drawn on it (mouse, touch, keyboard) and the boxes laid over it.
// Coordinates are image pixels, pixel centres at integers: the picture spans [-0.5, width - 0.5].

import { s } from "../elements.js";

const CORNERS = { nw: [0, 1], ne: [2, 1], sw: [0, 3], se: [2, 3] };
const MIN_SIDE = 2;

export class Stage {
  constructor(frame, picture, overlay, onCrop) {
    Object.assign(this, { frame, picture, overlay, onCrop });
    this.crop = null;
    this.boxes = [];
    this.shown = { crop: true, box: true };
    overlay.addEventListener("pointerdown", (event) => this.#press(event));
    overlay.addEventListener("keydown", (event) => this.#key(event));
    new ResizeObserver(() => this.draw()).observe(frame);
  }

  get size() {
    return [this.picture.naturalWidth, this.picture.naturalHeight];
  }

  // `chosen`: an AbortSignal, aborted when something else is chosen while this is decoded.
  async load(blob, chosen) {
    const url = URL.createObjectURL(blob);
    const previous = this.picture.src;
    this.picture.src = url;
    try {
      await this.picture.decode();
    } catch {
      throw new Error("The browser cannot show this file.");
    } finally {
      if (previous.startsWith("blob:")) URL.revokeObjectURL(previous);
    }
    chosen.throwIfAborted();
    const [width, height] = this.size;
    // As large as fits, a small picture up to three times its size.
    this.frame.style.width = `min(100%, ${(62 * width) / height}vh, ${3 * width}px)`;
    this.overlay.setAttribute("viewBox", `-0.5 -0.5 ${width} ${height}`);
    this.frame.hidden = false;
    this.boxes = [];
    this.setCrop(null);
  }

  clear() {
    this.frame.hidden = true;
  }

  setCrop(crop) {
    this.crop = crop;
    this.draw();
  }

  // SVG elements in image pixels.
  setBoxes(boxes) {
    this.boxes = boxes;
    this.draw();
  }

  show(what, on) {
    this.shown[what] = on;
    this.draw();
  }

  draw() {
    const [width, height] = this.size;
    if (!width) return;
    const focused = document.activeElement?.classList?.contains("crop");
    const parts = [];
    if (this.crop && this.shown.crop) parts.push(...this.#cropParts(width, height));
    if (this.shown.box) parts.push(...this.boxes);
    this.overlay.replaceChildren(...parts);
    if (focused) this.overlay.querySelector(".crop")?.focus();
  }

  #cropParts(width, height) {
    const [x0, y0, x1, y1] = this.crop;
    const unit = width / Math.max(this.overlay.clientWidth, 1);
    const outside =
      `M-0.5 -0.5H${width - 0.5}V${height - 0.5}H-0.5Z M${x0} ${y0}V${y1}H${x1}V${y0}Z`;
    const handles = Object.entries(CORNERS).flatMap(([name, [ix, iy]]) => {
      const [x, y] = [this.crop[ix], this.crop[iy]];
      const square = (kind, side) =>
        s("rect", {
          class: `${kind} ${name}`, "data-corner": name,
          x: x - (side * unit) / 2, y: y - (side * unit) / 2, width: side * unit, height: side * unit,
        });
      return [square("handle", 9), square("grip", 30)];
    });
    return [
      s("path", { class: "shade", "fill-rule": "evenodd", d: outside }),
      s("rect", {
        class: "crop", x: x0, y: y0, width: x1 - x0, height: y1 - y0, tabindex: 0, role: "group",
        "aria-label": "Crop: arrow keys move it, with Shift they resize it, with Alt in steps of 10",
      }),
      ...handles,
    ];
  }

  #at(event) {
    const edge = this.overlay.getBoundingClientRect();
    const [width, height] = this.size;
    const x = ((event.clientX - edge.left) / edge.width) * width - 0.5;
    const y = ((event.clientY - edge.top) / edge.height) * height - 0.5;
    return [clamp(x, -0.5, width - 0.5), clamp(y, -0.5, height - 0.5)];
  }

  #press(event) {
    if (event.button !== 0) return;
    event.preventDefault();
    const start = this.#at(event);
    const before = this.crop;
    const corner = event.target.dataset.corner;
    let change;
    if (corner && before) {
      const [ix, iy] = CORNERS[corner];
      change = ([x, y]) => rectangle([x, y], [before[2 - ix], before[4 - iy]]);
    } else if (before && event.target.classList.contains("crop")) {
      event.target.focus();
      change = ([x, y]) => this.#moved(before, x - start[0], y - start[1]);
    } else {
      change = (now) => rectangle(start, now);
    }
    this.overlay.setPointerCapture(event.pointerId);
    const move = (moved) => this.#put(change(this.#at(moved)), before);
    const stop = () => {
      this.overlay.removeEventListener("pointermove", move);
      this.overlay.removeEventListener("pointerup", stop);
      this.overlay.removeEventListener("pointercancel", stop);
    };
    this.overlay.addEventListener("pointermove", move);
    this.overlay.addEventListener("pointerup", stop);
    this.overlay.addEventListener("pointercancel", stop);
  }

  #put(crop, before) {
    const large = crop[2] - crop[0] >= MIN_SIDE && crop[3] - crop[1] >= MIN_SIDE;
    this.setCrop(large ? crop.map((value) => Math.round(value * 10) / 10) : before);
    this.onCrop(this.crop);
  }

  #moved([x0, y0, x1, y1], dx, dy) {
    const [width, height] = this.size;
    const sx = clamp(dx, -0.5 - x0, width - 0.5 - x1);
    const sy = clamp(dy, -0.5 - y0, height - 0.5 - y1);
    return [x0 + sx, y0 + sy, x1 + sx, y1 + sy];
  }

  #key(event) {
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const step = steps[event.key];
    if (!step || !this.crop) return;
    event.preventDefault();
    const [dx, dy] = step.map((value) => value * (event.altKey ? 10 : 1));
    const [x0, y0, x1, y1] = this.crop;
    const [width, height] = this.size;
    const next = event.shiftKey
      ? [x0, y0, clamp(x1 + dx, x0 + MIN_SIDE, width - 0.5), clamp(y1 + dy, y0 + MIN_SIDE, height - 0.5)]
      : this.#moved(this.crop, dx, dy);
    this.#put(next, this.crop);
  }
}

const clamp = (value, low, high) => Math.min(Math.max(value, low), Math.max(low, high));

const rectangle = ([ax, ay], [bx, by]) => [
  Math.min(ax, bx), Math.min(ay, by), Math.max(ax, bx), Math.max(ay, by),
];
