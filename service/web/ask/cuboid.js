// Boxes over the image, in its pixels.

import { s } from "../elements.js";
import { EDGES, FRONT, otherTurns } from "../space/box.js";

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

// Where the front face may be as well, or null: where the turn is known or behind the camera.
export function orbit(box, camera, symmetry) {
  const shapes = otherTurns(box, symmetry);
  if (!shapes.length || shapes.flat().some(([, , z]) => z <= 0)) return null;
  const pixel = ([x, y, z]) => [(camera.fx * x) / z + camera.cx, (camera.fy * y) / z + camera.cy];
  return s(
    "g", { class: "orbit", "data-testid": "orbit" },
    ...shapes.map((shape) => shape.map(pixel)).flatMap((points) =>
      ["casing", "alternative"].map((name) =>
        s("polygon", { class: name, points: joined(points) }))),
  );
}
