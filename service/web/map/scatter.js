// Draws the points; the one looked at shows its sequence as a line through time.

const FADED = 0.12;
const radiusFor = (count) => (count < 400 ? 5 : count < 3000 ? 3.5 : 2.5);

export function trajectory(points, { dataset, sequence, instance }) {
  return points
    .filter((one) => one.dataset === dataset && one.sequence === sequence && one.instance === instance)
    .sort((a, b) => a.time_s - b.time_s || a.frame - b.frame);
}

const outline = ({ path }, [x, y], radius) => {
  const placed = new Path2D();
  placed.addPath(path, new DOMMatrix([radius, 0, 0, radius, x, y]));
  return placed;
};

// `colour(point)`, `shape(point)`; `stands(point)`: whether it is not faded; `looked`: a point or null.
export function drawPoints(canvas, plane, { colour, shape, stands, looked }) {
  const ratio = window.devicePixelRatio || 1;
  const [width, height] = (plane.size = [canvas.clientWidth, canvas.clientHeight]);
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  const context = canvas.getContext("2d");
  const theme = getComputedStyle(canvas);
  const [ink, ground] = ["--ink", "--surface"].map((name) => theme.getPropertyValue(name).trim());
  const path = looked ? trajectory(plane.points, looked) : [];
  const onPath = new Set(path);
  const radius = radiusFor(plane.points.length);

  for (const point of plane.points) {
    if (onPath.has(point)) continue;
    context.globalAlpha = !stands(point) ? FADED : looked ? 0.35 : 0.85;
    context.fillStyle = colour(point);
    const [x, y] = plane.pixel(point);
    context.setTransform(ratio * radius, 0, 0, ratio * radius, ratio * x, ratio * y);
    context.fill(shape(point).path);
  }
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  if (!looked) return;
  context.globalAlpha = 1;
  context.strokeStyle = ink;
  context.lineWidth = 1.5;
  context.lineJoin = "round";
  context.beginPath();
  path.forEach((point) => context.lineTo(...plane.pixel(point)));
  context.stroke();
  for (const point of path) {
    context.fillStyle = colour(point);
    context.strokeStyle = ground;
    const around = outline(shape(point), plane.pixel(point), radius + 0.5);
    context.fill(around);
    context.stroke(around);
  }
  context.fillStyle = colour(looked);
  context.strokeStyle = ink;
  context.lineWidth = 2.5;
  const around = outline(shape(looked), plane.pixel(looked), radius + 4);
  context.fill(around);
  context.stroke(around);
}
