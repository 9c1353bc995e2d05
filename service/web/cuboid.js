// Boxes over the image. Vertices: centre, then corners x-major (---, --+, -+-, …).

import { s } from "./elements.js";

const EDGES = [
  [1, 5], [2, 6], [3, 7], [4, 8], // along x
  [1, 3], [5, 7], [2, 4], [6, 8], // along y (up)
  [1, 2], [3, 4], [5, 6], [7, 8], // along z (front)
];
const FRONT = [2, 4, 8, 6]; // the +z face
const FRONT_SIGNS = [[-1, -1], [-1, 1], [1, 1], [1, -1]]; // its corners in x and y
const RING_STEPS = 72;
const INSET = 0.8; // of a face, so that what is drawn in it is not hidden by the box's edges

const joined = (points) => points.map((point) => point.join(",")).join(" ");

// `kind` is answer, neighbour or hypothesis: the last is drawn muted and dashed.
export function cuboid(vertices, kind) {
  const lines = (name) =>
    EDGES.map(([a, b]) =>
      s("line", {
        class: name,
        x1: vertices[a][0], y1: vertices[a][1], x2: vertices[b][0], y2: vertices[b][1],
      }),
    );
  return s(
    "g",
    { class: `cuboid ${kind}`, "data-testid": "cuboid", "data-kind": kind },
    ...lines("casing"), ...lines("edge"),
    s("polygon", { class: "front", points: joined(FRONT.map((corner) => vertices[corner])) }),
  );
}

// Where the front face may be as well, or null: rings where any turn about y looks alike, else a
// smaller front in the face of each other turn.
export function orbit(box, camera, symmetry) {
  if (symmetry?.axis !== "y") return null;
  const [w, h, d] = box.scale_m.map((edge) => edge / 2);
  const turned = (x, y, z, angle) =>
    [x * Math.cos(angle) + z * Math.sin(angle), y, z * Math.cos(angle) - x * Math.sin(angle)];
  const shapes = [];
  if (symmetry.fold === null) {
    const radius = (w + d) / 2;
    const ring = (y) =>
      Array.from({ length: RING_STEPS }, (_, i) => turned(0, y, radius, (2 * Math.PI * i) / RING_STEPS));
    shapes.push(ring(-h), ring(h));
  } else {
    for (let i = 1; i < symmetry.fold; i += 1) {
      const angle = (2 * Math.PI * i) / symmetry.fold;
      shapes.push(FRONT_SIGNS.map(([x, y]) => turned(x * w * INSET, y * h * INSET, d, angle)));
    }
  }
  const seen = shapes.map((points) => points.map((point) => project(box, camera, point)));
  if (seen.flat().some((pixel) => pixel === null)) return null;
  return s(
    "g", { class: "orbit", "data-testid": "orbit" },
    ...seen.flatMap((points) => ["casing", "alternative"].map((name) =>
      s("polygon", { class: name, points: joined(points) }))),
  );
}

// A point of the box's own frame in pixels; null behind the camera.
function project(box, camera, point) {
  const [x, y, z] = box.rotation.map((row, i) =>
    row.reduce((sum, r, j) => sum + r * point[j], box.translation_m[i]));
  return z > 0 ? [(camera.fx * x) / z + camera.cx, (camera.fy * y) / z + camera.cy] : null;
}
