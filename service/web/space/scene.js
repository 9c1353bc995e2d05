// What stands in the space: the camera that took the image, the ground, boxes with their axes.
// Items are { style, points, label? }: a line through the points, or a filled face.

import { EDGES, FRONT, axis, bottom, otherTurns, placed, vertices } from "./box.js";
import { across, add, cross, dot, norm, sub, times, unit } from "./vectors.js";

const SQUARES = 12; // at least so many across the ground
const AXES = ["x", "y", "z"];

// The largest of 1, 2, 5, 10 … (and tenths) that is not above `length`.
function roundStep(length) {
  const power = 10 ** Math.floor(Math.log10(length));
  return power * [5, 2, 1].find((step) => step * power <= length);
}

const foot = (plane, point) =>
  sub(point, times(plane.normal, dot(plane.normal, sub(point, plane.center))));

// The grid around `middle`, reaching `radius` metres, drawn as lines of one square each so that
// those behind the eye can be left out.
function ground(plane, middle, radius) {
  const square = roundStep((2 * radius) / SQUARES);
  const along = across(plane.normal);
  const sides = [along, cross(plane.normal, along)];
  const start = foot(plane, middle);
  const count = Math.ceil(radius / square);
  const at = (i, j) => add(start, add(times(sides[0], i * square), times(sides[1], j * square)));
  const steps = Array.from({ length: 2 * count + 1 }, (_, i) => i - count);
  const items = steps.flatMap((i) => steps.slice(1).flatMap((j) => [
    { style: "grid", points: [at(i, j - 1), at(i, j)] },
    { style: "grid", points: [at(j - 1, i), at(j, i)] },
  ]));
  return { items, square };
}

// The pyramid of what the image shows, up to `depth` metres, a triangle on its upper side.
function frustum({ fx, fy, cx, cy }, [width, height], depth) {
  const at = (x, y) => [((x - cx) / fx) * depth, ((y - cy) / fy) * depth, depth];
  const [left, top, right, low] = [-0.5, -0.5, width - 0.5, height - 0.5];
  const rim = [at(left, top), at(right, top), at(right, low), at(left, low)];
  const upper = at(width / 2, -0.2 * height);
  return [
    ...rim.map((corner) => ({ style: "camera", points: [[0, 0, 0], corner] })),
    { style: "camera", points: [...rim, rim[0]] },
    { style: "camera", points: [at(0.35 * width, top), upper, at(0.65 * width, top)] },
    { style: "label", points: [upper], label: "camera" },
  ];
}

function edges(box, style) {
  const corners = vertices(box);
  return EDGES.map(([a, b]) => ({ style, points: [corners[a], corners[b]] }));
}

const axisEnd = (box, i) =>
  placed(box, AXES.map((_, j) => (i === j ? box.scale_m[i] / 2 + 0.3 * Math.max(...box.scale_m) : 0)));

function whole(box, style, symmetry) {
  const front = FRONT.map((corner) => vertices(box)[corner]);
  const axes = AXES.flatMap((name, i) => {
    const points = [box.translation_m, axisEnd(box, i)];
    return [{ style: name, points }, { style: "label", points: [points[1]], label: name, like: name }];
  });
  return [
    { style: "face", points: front, filled: true },
    ...edges(box, style),
    { style: style === "hypothesis" ? "alternative" : "front", points: [...front, front[0]] },
    ...otherTurns(box, symmetry).map((shape) => ({ style: "alternative", points: [...shape, shape[0]] })),
    ...axes,
  ];
}

// `box` is drawn whole in `style` (answer, hypothesis, neighbour), `others` as [box, style] by their
// edges. `plane` null: the ground is put under the box.
export function scene({ camera, size, plane, box, style, symmetry = null, others = [] }) {
  const focus = box.translation_m;
  const distance = norm(focus);
  const under = { center: bottom(box), normal: axis(box, 1) };
  const floor = plane ? { center: plane.center, normal: unit(plane.normal) } : under;
  const extent = Math.max(norm(box.scale_m), 0.45 * distance);
  const { items, square } = ground(floor, focus, extent);
  const view = frustum(camera, size, Math.max(0.12 * distance, 0.25 * norm(box.scale_m)));
  return {
    items: [
      ...items, ...view, { style: "ray", points: [[0, 0, 0], focus] },
      ...others.flatMap(([other, kind]) => edges(other, kind)),
      ...whole(box, style, symmetry),
    ],
    square, assumed: !plane,
    viewpoint: {
      focus, eye: [0, 0, 0], up: floor.normal,
      all: [...view.flatMap((item) => item.points), ...vertices(box), ...AXES.map((_, i) => axisEnd(box, i))],
    },
  };
}
