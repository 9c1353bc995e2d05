"""The same geometry one pair and one neighbour at a time, in the plainest Python there is.

The tests take it as an oracle, benchmarks/geometry.py as the yardstick.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.spatial import ConvexHull, HalfspaceIntersection

Array = NDArray[np.float64]


def naive_iou(axes_a: Array, center_a: Array, axes_b: Array, center_b: Array) -> float:
    """IoU of two parallelepipeds: the hull of the points where their twelve half-spaces meet."""
    halfspaces = []
    for axes, center in ((axes_a, center_a), (axes_b, center_b)):
        for row in np.linalg.inv(axes):
            for sign in (1.0, -1.0):
                n = sign * row / np.linalg.norm(row)
                halfspaces.append([*n, -n @ center - 0.5 / np.linalg.norm(row)])
    planes = np.array(halfspaces)
    # The centre and radius of the largest ball inside all half-spaces.
    ball = linprog(
        [0.0, 0.0, 0.0, -1.0],
        A_ub=np.column_stack([planes[:, :3], np.ones(12)]),
        b_ub=-planes[:, 3],
        bounds=[(None, None)] * 3 + [(0.0, None)],
    )
    if ball.status != 0 or ball.x[3] < 1e-7:
        return 0.0
    shared = ConvexHull(HalfspaceIntersection(planes, ball.x[:3]).intersections).volume
    return shared / (abs(np.linalg.det(axes_a)) + abs(np.linalg.det(axes_b)) - shared)


def naive_fit(
    query: dict[str, Array], reference: dict[str, Array], steps: int = 4
) -> tuple[Array, Array, Array]:
    """One neighbour's box fitted as the paper says: ``(rotation, translation, scale)``.

    Keys of both: ``bbox_xyxy``, ``K``, ``image_size``, ``plane_center``, ``plane_normal``; of the
    reference also ``rotation``, ``translation``, ``scale``.
    """
    K, n_q = query["K"], query["plane_normal"] / np.linalg.norm(query["plane_normal"])
    n_r = reference["plane_normal"] / np.linalg.norm(reference["plane_normal"])
    corners = [
        reference["rotation"] @ (reference["scale"] * np.array([x, y, z]))
        + reference["translation"]
        for x in (-0.5, 0.5)
        for y in (-0.5, 0.5)
        for z in (-0.5, 0.5)
    ]
    box_q = _clipped(query["bbox_xyxy"], query["image_size"])
    box_r = _clipped(reference["bbox_xyxy"], reference["image_size"])
    pixel = reference["K"] @ reference["translation"]
    pixel = pixel[:2] / pixel[2]
    offset = (pixel - (box_r[:2] + box_r[2:]) / 2) / (box_r[2:] - box_r[:2])
    pixel = (box_q[:2] + box_q[2:]) / 2 + offset * (box_q[2:] - box_q[:2])
    ray = np.linalg.inv(K) @ np.array([*pixel, 1.0])

    v, c = np.cross(n_r, n_q), n_r @ n_q
    turn = np.eye(3)
    if np.linalg.norm(v) > 0:
        skew = np.array([[0, -v[2], v[1]], [v[2], 0, -v[0]], [-v[1], v[0], 0]])
        turn = np.eye(3) + skew + skew @ skew * (1 - c) / (v @ v)
    center = np.array(reference["translation"])
    points = [turn @ (point - center) + center for point in corners]
    scale = np.array(reference["scale"])

    def snap(points: list[Array], center: Array, height: float) -> tuple[list[Array], Array]:
        raised = query["plane_center"] + height * n_q
        onto = ray * (raised @ n_q) / (ray @ n_q)
        return [point + onto - center for point in points], onto

    def half_step(points: list[Array]) -> float:
        pixels = [(K @ point)[:2] / (K @ point)[2] for point in points]
        extent = np.concatenate([np.min(pixels, axis=0), np.max(pixels, axis=0)])
        extent = _clipped(extent, query["image_size"])
        ratio = np.linalg.norm(box_q[2:] - box_q[:2]) / np.linalg.norm(extent[2:] - extent[:2])
        return 1 + (ratio - 1) / 2

    height = abs(n_r @ (center - reference["plane_center"]))
    points, center = snap(points, center, height)
    for _ in range(steps):
        s = half_step(points)
        height = abs(n_q @ (center - query["plane_center"]))
        points, scale = [(point - center) * s + center for point in points], scale * s
        points, center = snap(points, center, height * s)
    return turn @ reference["rotation"], center, scale


def _clipped(bbox: Array, image_size: Array) -> Array:
    width, height = image_size
    x0, y0, x1, y1 = bbox
    return np.array(
        [
            min(max(x0, -0.5), width - 0.5),
            min(max(y0, -0.5), height - 0.5),
            min(max(x1, -0.5), width - 0.5),
            min(max(y1, -0.5), height - 0.5),
        ]
    )
