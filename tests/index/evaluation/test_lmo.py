"""LM-O: rotations that are known, views that may not answer, boxes found again from keypoints."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from index.evaluation.embeddings import EmbeddedViews
from index.evaluation.lmo import (
    CROP_MARGIN,
    NOISES_PX,
    evaluate_lmo,
    refit,
    rotation_angle_deg,
    visible_crops,
)
from index.evaluation.views import ViewTable, view_table
from index.geometry import box_vertices, projected_bbox
from training.data.records import Box9, Camera, ImageRGB, Sequence, View
from training.errors import DataError

CAMERA = Camera(fx=572.4, fy=573.6, cx=325.3, cy=242.0, width=640, height=480)
SIZE = np.array([0.1, 0.06, 0.14])


class NoImage:
    """A picture that must not be needed."""

    reference = "none"

    def load(self) -> ImageRGB:
        raise AssertionError("this world has no pictures")


def about_y(degrees: float) -> np.ndarray:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def view(name: str, number: int, frame: int, degrees: float, visibility: float = 1.0) -> View:
    rotation, translation = about_y(degrees), np.array([0.05, 0.02, 0.9])
    bbox = projected_bbox(CAMERA.matrix, box_vertices(rotation, translation, SIZE))
    return View(
        image=NoImage(),
        bbox_xyxy=bbox,
        instance=name,
        category=name,
        frame=frame,
        camera=CAMERA,
        box9=Box9(rotation, translation, SIZE),
        visibility=visibility,
        attributes={"obj_id": float(number)},
    )


def world(visibility: float = 1.0) -> ViewTable:
    """A cat seen every 10 degrees, a duck every 10, and an eggbox of twofold symmetry."""
    views = [
        view(name, number, frame, 10.0 * frame, visibility)
        for name, number in (("cat", 6), ("duck", 9), ("eggbox", 10))
        for frame in range(12)
    ]
    return view_table([Sequence("scene", "lmo", "dev", 0.0, tuple(views))])


def by_rotation(table: ViewTable) -> EmbeddedViews:
    """The rotation alone: all objects look alike."""
    vectors = np.array([v.box9.rotation.ravel() for v in table.views if v.box9])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return EmbeddedViews(table, {"pose": vectors.astype(np.float32)})


def test_an_oracle_of_the_rotation_reaches_the_best_possible_error() -> None:
    result = evaluate_lmo(by_rotation(world()), "pose", "pose")
    assert result.rotation_error_mean_deg == pytest.approx(10.0)  # the view itself may not answer
    assert result.best_possible_rotation_error_deg == pytest.approx(10.0)
    assert result.n_queries == 24  # the eggbox is left out
    assert result.n_reid_queries == 36
    # 12 views in a row, 10 degrees apart: the mean distance of two of them is (12 + 1) / 3 steps.
    assert result.random_rotation_error_deg == pytest.approx(130.0 / 3.0)
    assert set(result.rotation_error_mean_deg_by_category) == {"cat", "duck", "mean"}


def test_another_object_never_answers_for_the_rotation() -> None:
    """An embedding by which a cat's nearest views are ducks; of cats, the furthest turned."""
    table = world().take(np.arange(24))
    vectors = np.zeros((24, 3), np.float32)
    angle = np.radians([7.5 * v.frame * (1 if v.category == "cat" else -1) for v in table.views])
    vectors[:, 0], vectors[:, 1] = np.cos(angle), np.sin(angle)
    result = evaluate_lmo(EmbeddedViews(table, {"pose": vectors}), "pose", "pose")
    assert result.rotation_error_mean_deg == pytest.approx(10.0)
    assert result.rank1 is not None
    assert result.rank1 < 1.0  # for re-ID they do answer


def test_hidden_views_are_left_out_and_boxes_grow_about_their_centre() -> None:
    table = world()
    views = list(table.views)
    views[3] = replace(views[3], visibility=0.59)
    kept = visible_crops(replace(table, views=tuple(views)))
    assert len(kept) == len(table) - 1
    before, after = views[0].bbox_xyxy, kept.views[0].bbox_xyxy
    np.testing.assert_allclose(after[2:] - after[:2], CROP_MARGIN * (before[2:] - before[:2]))
    np.testing.assert_allclose(after[2:] + after[:2], before[2:] + before[:2])
    with pytest.raises(DataError, match="visible to 60%"):
        visible_crops(world(visibility=0.5))


def test_boxes_are_found_again_from_exact_keypoints_and_worse_from_noisy_ones() -> None:
    rows = [refit(world(), noise, np.random.default_rng(0)) for noise in NOISES_PX]
    assert rows[0].mean_iou == pytest.approx(1.0, abs=1e-6)
    assert rows[0].rotation_error_mean_deg == pytest.approx(0.0, abs=1e-4)
    overlaps = [row.mean_iou or 0.0 for row in rows]
    assert overlaps == sorted(overlaps, reverse=True)
    assert rows[0].hit_rate == 1.0
    # No local optimum: with a pixel of noise on a box of 90 pixels nothing turns round.
    assert (rows[1].rotation_error_mean_deg or 0.0) < 3.0


def test_the_angle_between_rotations_is_the_one_they_were_made_with() -> None:
    for degrees in (0.0, 1e-4, 30.0, 90.0, 179.0, 180.0):
        found = rotation_angle_deg(about_y(20.0), about_y(20.0 + degrees))
        assert found == pytest.approx(degrees, abs=1e-5)


def test_a_view_without_a_box_is_refused() -> None:
    table = world()
    views = (replace(table.views[0], box9=None), *table.views[1:])
    with pytest.raises(DataError, match="no box or no camera"):
        evaluate_lmo(
            EmbeddedViews(replace(table, views=views), by_rotation(table).vectors), "pose", "pose"
        )
