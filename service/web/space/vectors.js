// Vectors of three numbers.

export const add = (a, b) => a.map((value, i) => value + b[i]);
export const sub = (a, b) => a.map((value, i) => value - b[i]);
export const times = (a, factor) => a.map((value) => value * factor);
export const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);
export const norm = (a) => Math.hypot(...a);
export const unit = (a) => times(a, 1 / norm(a));
export const between = (a, b, share) => a.map((value, i) => value + share * (b[i] - value));
export const cross = ([ax, ay, az], [bx, by, bz]) =>
  [ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx];

// Any direction at right angles to `a`.
export function across(a) {
  const least = a.map(Math.abs).indexOf(Math.min(...a.map(Math.abs)));
  return unit(cross(a, [0, 1, 2].map((i) => (i === least ? 1 : 0))));
}
