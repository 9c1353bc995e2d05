"""Numbers that others computed: Objectron's printed IoU and a real fit of the released code."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray

from index.geometry import (
    affine_iou_3d,
    affine_iou_3d_pairs,
    fit_axes_to_vertices,
    fit_box_to_vertices,
    iou_3d_pairs,
    projected_bbox,
    signed_distance,
)
from index.geometry.box import EDGES
from index.geometry.placement import HangingBoxes, scale_and_snap

Array = NDArray[np.float64]

# The focal length is recovered from the printed numbers, 1576.46 px at 1920 × 1440; they do not
# depend on the principal point, as no box is clipped.
FOCAL = 1576.459 / 4
K = np.array([[FOCAL, 0.0, 179.5], [0.0, FOCAL, 239.5], [0.0, 0.0, 1.0]])


def opencv(points: ArrayLike) -> Array:
    """Objectron's camera frame (x down, y right, z to the viewer) to OpenCV's."""
    x, y, z = np.moveaxis(np.asarray(points, dtype=np.float64), -1, 0)
    return np.stack([y, x, -z], axis=-1)


@pytest.fixture(scope="module")
def golden(shared_data: Callable[[str], Path]) -> dict:
    return json.loads(shared_data("objectron/golden_fit.json").read_text())


def test_objectrons_own_iou_of_two_affine_boxes(golden: dict) -> None:
    vector = golden["iou_only_vectors"][0]
    boxes = []
    for name, scale in (("v1", [3.0, 1.0, 0.5]), ("v2_gt", [1.9, 1.6, 0.7])):
        vertices = opencv(vector[name])
        axes, center = fit_axes_to_vertices(vertices)
        edges = [vertices[list(e[1::2])] - vertices[list(e[::2])] for e in EDGES]
        length = np.array([np.linalg.norm(edge, axis=1).mean() for edge in edges])
        # The notebook keeps the fitted "rotation", shear and all, and sets another scale.
        boxes.append(((axes / length * scale)[None], center[None]))
    iou = affine_iou_3d(*boxes[0], *boxes[1])
    assert iou[0, 0] == pytest.approx(vector["iou_exact"], abs=1e-12)
    assert iou[0, 0] == pytest.approx(0.3404659405048507, abs=1e-12)


@pytest.mark.parametrize(
    ("rounds", "iou"),
    [(0, 0.6524187577), (1, 0.7854928287), (2, 0.8131235878), (3, 0.8180783931), (4, 0.8191050179)],
)
def test_the_released_fit_after_each_round(golden: dict, rounds: int, iou: float) -> None:
    truth = opencv(golden["query_points_3d_gt"])
    plane, up = opencv(golden["query_plane_center"]), opencv(golden["query_plane_normal"])
    up /= np.linalg.norm(up)
    snapped = opencv(golden["snapped_points_3d"])
    center = snapped[0]
    ray = center / center[2]
    crop = projected_bbox(K, truth)
    factor, depth = scale_and_snap(
        HangingBoxes.of((snapped[1:] - center)[None], ray[None], K[None], None),
        target_diagonal=np.array([np.hypot(*(crop[2:] - crop[:2]))]),
        plane_offset=np.array([plane @ up]),
        ray_up=np.array([ray @ up]),
        height=np.array([golden["obj_radius"]]),
        steps=rounds,
    )
    fitted = (snapped - center) * factor[0] + ray * depth[0]
    box, truth_box = fit_axes_to_vertices(fitted), fit_axes_to_vertices(truth)
    found = affine_iou_3d_pairs(box[0][None], box[1][None], truth_box[0][None], truth_box[1][None])
    assert found[0] == pytest.approx(iou, abs=2e-6)
    # The same boxes as rotation, translation, scale.
    rigid = [x[None] for vertices in (fitted, truth) for x in fit_box_to_vertices(vertices)]
    assert iou_3d_pairs(*rigid)[0] == pytest.approx(iou, abs=1e-5)
    if rounds == 1:
        printed = opencv(golden["points_after_scale_snap_1"])
        assert np.abs(fitted - printed).max() < 2e-7
        assert factor[0] == pytest.approx(golden["smooth_scale_0"], abs=1e-6)
    if rounds == 4:
        radius = golden["loop"][-1]["obj_radius_before"] * golden["loop"][-2]["smooth_scale_after"]
        assert golden["obj_radius"] * factor[0] == pytest.approx(radius, abs=1e-6)


def test_the_annotated_plane_lies_under_the_annotated_box(golden: dict) -> None:
    truth = opencv(golden["query_points_3d_gt"])
    heights = signed_distance(
        truth, opencv(golden["query_plane_center"]), opencv(golden["query_plane_normal"])
    )
    assert np.abs(heights[[1, 2, 5, 6]]).max() < 1e-6
    assert (heights[[0, 3, 4, 7, 8]] > 0).all()
