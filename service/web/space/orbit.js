// A viewpoint that goes round a target: what the mouse, a finger and the arrow keys change.

import { across, add, between, cross, dot, norm, sub, times, unit } from "./vectors.js";

const STEEPEST = Math.PI / 2 - 0.001; // straight above, but with a side that is up
const FIELD = 0.7; // half the picture's smaller side stands for this at distance 1
const FILLED = 0.82; // of the picture, by an overview

export const pixelsPerUnit = (size) => Math.min(...size) / 2 / FIELD;
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

export class Orbit {
  // Points in metres: `focus` is what is looked at, `eye` the camera that took the image, from
  // which `turn` counts; `up` a direction; `all` what an overview has to hold.
  constructor({ focus, eye, up, all }) {
    this.focus = focus;
    this.eye = eye;
    this.up = unit(up);
    const back = sub(eye, focus);
    const level = sub(back, times(this.up, dot(back, this.up)));
    this.back = norm(level) > 1e-6 * norm(back) ? unit(level) : across(this.up);
    this.right = cross(this.up, this.back);
    this.all = all;
    this.radius = Math.max(...all.map((point) => norm(sub(point, focus))));
  }

  // `size`: width and height of the picture, in pixels.
  look(from, size) {
    const back = sub(this.eye, this.focus);
    const [target, turn, tilt] = {
      overview: [between(this.eye, this.focus, 0.5), 1.15, 0.38],
      above: [between(this.eye, this.focus, 0.5), Math.PI / 2, STEEPEST],
      camera: [this.focus, 0, Math.asin(clamp(dot(unit(back), this.up), -1, 1))],
    }[from];
    Object.assign(this, { target, turn, distance: norm(back) });
    this.tilt = clamp(tilt, -STEEPEST, STEEPEST);
    if (from !== "camera") this.#fit(size);
  }

  // The smallest distance from which all points are seen, and those in the middle of the picture.
  #fit(size) {
    const [half, unit] = [size.map((side) => (FILLED * side) / 2), pixelsPerUnit(size)];
    const inside = ([x, y, z]) => z > 0 && [x, y].every((value, i) => unit * Math.abs(value) <= half[i] * z);
    for (let round = 0; round < 3; round += 1) {
      let [near, far] = [0, 20 * this.radius];
      for (let i = 0; i < 30; i += 1) {
        this.distance = (near + far) / 2;
        if (this.all.map(this.viewer()).every(inside)) far = this.distance;
        else near = this.distance;
      }
      this.distance = far;
      const seen = this.all.map(this.viewer());
      this.#axes().slice(0, 2).forEach((direction, i) => {
        const places = seen.map((point) => point[i] / point[2]);
        const aside = (Math.min(...places) + Math.max(...places)) / 2;
        this.target = add(this.target, times(direction, aside * this.distance));
      });
    }
  }

  rotate(turn, tilt) {
    this.turn += turn;
    this.tilt = clamp(this.tilt + tilt, -STEEPEST, STEEPEST);
  }

  // Goes nearer for a factor under 1, and so towards the focus.
  zoom(factor) {
    const distance = clamp(this.distance * factor, 0.02 * this.radius, 20 * this.radius);
    if (factor < 1) this.target = between(this.focus, this.target, distance / this.distance);
    this.distance = distance;
  }

  // What is right, up and ahead of the eye.
  #axes() {
    const level = add(times(this.back, Math.cos(this.turn)), times(this.right, Math.sin(this.turn)));
    const ahead = times(add(times(level, Math.cos(this.tilt)), times(this.up, Math.sin(this.tilt))), -1);
    const right = unit(cross(ahead, this.up));
    return [right, cross(right, ahead), ahead];
  }

  // Points → [x, y, z]: right and up of the picture's middle and ahead of the eye.
  viewer() {
    const axes = this.#axes();
    const eye = sub(this.target, times(axes[2], this.distance));
    return (point) => axes.map((direction) => dot(direction, sub(point, eye)));
  }
}
