// What a point is drawn as: outlines about the origin, as wide as a disc of radius 1.

const shape = (name, d) => ({ name, d, path: new Path2D(d) });

export const SHAPES = [
  shape("disc", "M-1 0A1 1 0 0 1 1 0A1 1 0 0 1 -1 0Z"),
  shape("square", "M-.9 -.9H.9V.9H-.9Z"),
  shape("triangle", "M0 -1L1 .8H-1Z"),
  shape("cross", "M-.35 -1H.35V-.35H1V.35H.35V1H-.35V.35H-1V-.35H-.35Z"),
];
