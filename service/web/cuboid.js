// The fitted box over the image. Vertices: centre, then corners x-major (---, --+, -+-, …).

import { s } from "./elements.js";

const EDGES = [
  [1, 5], [2, 6], [3, 7], [4, 8], // along x
  [1, 3], [5, 7], [2, 4], [6, 8], // along y (up)
  [1, 2], [3, 4], [5, 6], [7, 8], // along z (front)
];
const FRONT = [2, 4, 8, 6]; // the +z face

export function cuboid(vertices) {
  const lines = (name) =>
    EDGES.map(([a, b]) =>
      s("line", {
        class: name,
        x1: vertices[a][0], y1: vertices[a][1], x2: vertices[b][0], y2: vertices[b][1],
      }),
    );
  const front = FRONT.map((corner) => vertices[corner].join(",")).join(" ");
  return s(
    "g",
    { class: "cuboid", "data-testid": "cuboid" },
    ...lines("casing"), ...lines("edge"), s("polygon", { class: "front", points: front }),
  );
}
