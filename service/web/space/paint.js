// Paints the items of a scene on a canvas, the farthest first.

import { pixelsPerUnit } from "./orbit.js";
import { between } from "./vectors.js";

// style → custom property of its colour, width in CSS pixels, dash, opacity
const STYLES = {
  grid: ["--grid", 1], camera: ["--ink", 1.5], ray: ["--soft", 1, [3, 5]], label: ["--soft"],
  answer: ["--edge", 2.5], neighbour: ["--edge", 2.5], hypothesis: ["--edge", 2, [5, 5]],
  agrees: ["--good", 1, [], 0.55], muted: ["--soft", 1, [], 0.35],
  face: ["--front", 0, [], 0.25], front: ["--front", 3], alternative: ["--front", 2, [4, 6]],
  x: ["--axis-x", 2], y: ["--axis-y", 2], z: ["--axis-z", 2],
};
const LABEL_ABOVE = 9; // pixels

// Cuts a line to what lies ahead of the eye; pieces of two points.
function ahead(points, near) {
  return points.slice(1).flatMap((to, i) => {
    const from = points[i];
    if (from[2] < near && to[2] < near) return [];
    const cut = (inside, outside) => between(inside, outside, (inside[2] - near) / (inside[2] - outside[2]));
    return [[from[2] < near ? cut(to, from) : from, to[2] < near ? cut(from, to) : to]];
  });
}

export function paint(canvas, items, orbit) {
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  const ratio = window.devicePixelRatio || 1;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  context.lineJoin = context.lineCap = "round";
  context.font = "600 12px system-ui, sans-serif";
  context.textAlign = "center";
  context.textBaseline = "middle";
  const theme = getComputedStyle(canvas);
  const unit = pixelsPerUnit([width, height]);
  const pixel = ([x, y, z]) => [width / 2 + (unit * x) / z, height / 2 - (unit * y) / z];
  const near = 0.01 * orbit.distance;
  const seen = orbit.viewer();

  const drawn = items.map((item) => {
    const points = item.points.map(seen);
    const depth = item.style === "grid" ? Infinity : item.style === "label" ? 0
      : points.reduce((sum, point) => sum + point[2], 0) / points.length;
    return { ...item, points, depth };
  });
  drawn.sort((a, b) => (a.depth === b.depth ? 0 : b.depth - a.depth));
  for (const { style, points, filled, label, like } of drawn) {
    const [colour, line, dash = [], alpha = 1] = STYLES[style];
    context.globalAlpha = alpha;
    context.strokeStyle = context.fillStyle = theme.getPropertyValue(STYLES[like]?.[0] ?? colour).trim();
    if (label) {
      if (points[0][2] < near) continue;
      const [x, y] = pixel(points[0]);
      context.fillText(label, x, y - LABEL_ABOVE);
      continue;
    }
    context.beginPath();
    if (filled) {
      if (points.some(([, , z]) => z < near)) continue;
      points.map(pixel).forEach((at) => context.lineTo(...at));
      context.fill();
      continue;
    }
    context.lineWidth = line;
    context.setLineDash(dash);
    let pen = null; // a line that goes on keeps its dashes
    for (const [from, to] of ahead(points, near)) {
      if (from !== pen) context.moveTo(...pixel(from));
      context.lineTo(...pixel(to));
      pen = to;
    }
    context.stroke();
  }
}
