// A 9-DoF box in a camera's frame (x right, y down, z forward; metres): its corners, edges, faces
// and where its front may be as well.

// Vertices: the centre, then the corners x-major (---, --+, -+-, …).
const SIGNS = [-1, 1];
const CORNERS = SIGNS.flatMap((x) => SIGNS.flatMap((y) => SIGNS.map((z) => [x, y, z])));
export const EDGES = [
  [1, 5], [2, 6], [3, 7], [4, 8], // along x
  [1, 3], [5, 7], [2, 4], [6, 8], // along y (up)
  [1, 2], [3, 4], [5, 6], [7, 8], // along z (front)
];
export const FRONT = [2, 4, 8, 6]; // the +z face
const FRONT_SIGNS = [[-1, -1], [-1, 1], [1, 1], [1, -1]]; // its corners in x and y
const RING_STEPS = 72;
const INSET = 0.8; // of a face, so that what is drawn in it is not hidden by the box's edges

// A point of the box's own frame in the camera's.
export const placed = ({ rotation, translation_m: at }, point) =>
  rotation.map((row, i) => row.reduce((sum, r, j) => sum + r * point[j], at[i]));

// The direction of axis 0, 1 or 2 of the box.
export const axis = ({ rotation }, i) => rotation.map((row) => row[i]);

export const vertices = (box) =>
  [[0, 0, 0], ...CORNERS].map((signs) =>
    placed(box, signs.map((sign, i) => (sign * box.scale_m[i]) / 2)));

export const bottom = (box) => placed(box, [0, -box.scale_m[1] / 2, 0]);

// Where the front may be as well, as closed lines: rings where any turn about y looks alike, else a
// smaller front in the face of each other turn. Empty where the turn is known.
export function otherTurns(box, symmetry) {
  if (symmetry?.axis !== "y") return [];
  const [w, h, d] = box.scale_m.map((edge) => edge / 2);
  const turned = (x, y, z, angle) =>
    [x * Math.cos(angle) + z * Math.sin(angle), y, z * Math.cos(angle) - x * Math.sin(angle)];
  const turns = (count, first) =>
    Array.from({ length: count - first }, (_, i) => (2 * Math.PI * (i + first)) / count);
  const shapes = symmetry.fold === null
    ? [-h, h].map((y) => turns(RING_STEPS, 0).map((angle) => turned(0, y, (w + d) / 2, angle)))
    : turns(symmetry.fold, 1).map((angle) =>
        FRONT_SIGNS.map(([x, y]) => turned(x * w * INSET, y * h * INSET, d, angle)));
  return shapes.map((shape) => shape.map((point) => placed(box, point)));
}
