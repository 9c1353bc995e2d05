// A plane of points on a canvas: where each lies after panning and zooming, and which is nearest.

const MARGIN = 28;
const DEEPEST = 200;

export class Plane {
  constructor(points) {
    const range = (name) => points.reduce(([low, high], { [name]: value }) =>
      [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);
    this.ranges = [range("x"), range("y")];
    this.points = points;
    this.size = [1, 1];
    this.reset();
  }

  reset() {
    this.middle = this.ranges.map(([low, high]) => (low + high) / 2);
    this.zoom = 1;
  }

  // Pixels per unit, the same along both axes so that distances can be compared.
  get scale() {
    const fits = this.ranges.map(([low, high], i) => (this.size[i] - 2 * MARGIN) / (high - low || 1));
    return this.zoom * Math.max(Math.min(...fits), 1e-6);
  }

  pixel({ x, y }) {
    return [
      this.size[0] / 2 + (x - this.middle[0]) * this.scale,
      this.size[1] / 2 - (y - this.middle[1]) * this.scale,
    ];
  }

  pan(dx, dy) {
    this.middle = [this.middle[0] - dx / this.scale, this.middle[1] + dy / this.scale];
  }

  // What is under the pixel stays there.
  zoomAt([px, py], factor) {
    const [dx, dy] = [px - this.size[0] / 2, py - this.size[1] / 2];
    const before = this.scale;
    this.zoom = Math.min(Math.max(this.zoom * factor, 1), DEEPEST);
    const shift = 1 / before - 1 / this.scale;
    this.middle = [this.middle[0] + dx * shift, this.middle[1] - dy * shift];
    if (this.zoom === 1) this.reset();
  }

  nearest([px, py], within) {
    let [found, least] = [null, within];
    for (const point of this.points) {
      const [x, y] = this.pixel(point);
      const apart = Math.hypot(x - px, y - py);
      if (apart < least) [found, least] = [point, apart];
    }
    return found;
  }

  // The point to go to from `point` in a direction of the screen: near, and not far aside.
  beside(point, [dx, dy]) {
    const [fx, fy] = this.pixel(point);
    let [found, least] = [null, Infinity];
    for (const other of this.points) {
      const [x, y] = this.pixel(other);
      const along = (x - fx) * dx + (y - fy) * dy;
      const aside = Math.abs((x - fx) * dy - (y - fy) * dx);
      if (along > 0.5 && aside <= along && along + 2 * aside < least) [found, least] = [other, along + 2 * aside];
    }
    return found;
  }
}
