"""The pieces of a report: fair draws, reasons of misses, pictures that are gone, maps."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import pytest

from index.evaluation.material import Fits
from index.evaluation.report.boxes import box_cards, reasons, rotation_error_deg
from index.evaluation.report.failures import WITHOUT_BOX, worst_fits
from index.evaluation.report.maps import all_tracks, neighbour_map, principal_components
from index.evaluation.report.names import plain
from index.evaluation.report.pictures import Pictures, region_around
from index.evaluation.report.sampling import by_turns, first_of_each, sample_by_turns
from index.evaluation.views import ViewTable
from index.geometry import UNIT_BOX, FittedBoxes, project
from training.errors import DataError


def test_draws_take_each_label_in_turn() -> None:
    labels = np.array(["a"] * 50 + ["b"] * 3 + ["c"] * 7)
    order = by_turns(labels, np.random.default_rng(0))
    assert sorted(order.tolist()) == list(range(60))
    assert Counter(labels[order[:9]].tolist()) == {"a": 3, "b": 3, "c": 3}
    assert Counter(labels[order[9:17]].tolist()) == {"a": 4, "c": 4}
    sampled = sample_by_turns(labels, 10, np.random.default_rng(0))
    assert set(sampled.tolist()) == set(order[:10].tolist())
    assert labels[sampled].tolist() == sorted(labels[sampled].tolist())


def test_of_each_label_the_first_is_kept() -> None:
    labels = np.array(["x", "y", "x", "z", "y"])
    assert first_of_each(np.array([4, 2, 1, 0, 3]), labels).tolist() == [4, 2, 3]


def test_names_lose_what_breaks_a_page_and_nothing_else() -> None:
    assert plain("häuser 图 <b> $x$ – ½") == "häuser 图 <b> $x$ – ½"
    assert plain("a\x00b\u202ec\ud800d\n") == "a�b�c�d�"


def fits_of(table: ViewTable, rows: np.ndarray, **changes: np.ndarray) -> Fits:
    """The true boxes of these rows, changed; IoU as given."""
    boxes = [table.views[row].box9 for row in rows]
    iou = changes.pop("iou", np.zeros(len(rows)))
    truth = FittedBoxes(
        rotation=np.array([box.rotation for box in boxes if box]),
        translation=np.array([box.translation for box in boxes if box]),
        scale=np.array([box.scale for box in boxes if box]),
        reason=np.zeros(len(rows), dtype=np.int64),
        grounded=np.ones(len(rows), dtype=bool),
    )
    picks = changes.pop("picks", rows)
    return Fits(table, table, rows, picks, replace(truth, **changes), iou, iou)


def test_a_miss_is_explained_by_what_is_wrong_with_it(query_world: ViewTable) -> None:
    rows = np.array([0])
    box = query_world.views[0].box9
    assert box is not None
    turn = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])
    turned = fits_of(query_world, rows, rotation=(box.rotation @ turn)[None])
    assert reasons(turned, 0) == ["rotation 90° off"]
    stretched = fits_of(query_world, rows, scale=(box.scale * (1.0, 1.0, 0.5))[None])
    assert reasons(stretched, 0) == ["z side 0.50 times the true one"]
    away = box.translation + np.linalg.norm(box.scale) * np.eye(3)[0]
    assert reasons(fits_of(query_world, rows, translation=away[None]), 0) == [
        "centre 100% of the diagonal away"
    ]
    other = int(np.flatnonzero(query_world.category != query_world.category[0])[0])
    wrong = fits_of(query_world, rows, picks=np.array([other]), reason=np.array([6]))
    assert reasons(wrong, 0) == [
        "no box: a corner of the fitted box lies at or behind the camera",
        f"wrong category: its nearest view is of {query_world.category[other]}",
    ]
    assert reasons(fits_of(query_world, rows), 0)[0].startswith("small errors together")


def test_the_drawn_lines_are_the_edges_of_the_boxes(query_world: ViewTable) -> None:
    rows = np.array([3])
    box, camera = query_world.views[3].box9, query_world.views[3].camera
    assert box is not None
    assert camera is not None
    fits = fits_of(query_world, rows, scale=(box.scale * 0.9)[None])
    (card,) = box_cards([("nearest view", "nearest", fits)], [0], Pictures())
    assert [outline.kind for outline in card.outlines] == ["truth", "nearest"]
    for outline, scale in zip(card.outlines, (box.scale, box.scale * 0.9), strict=True):
        corners = (UNIT_BOX[1:] * scale) @ box.rotation.T + box.translation
        uv = project(camera.matrix, corners)
        edges = [
            (uv[one], uv[two])
            for one, two in combinations(range(8), 2)
            if np.count_nonzero(UNIT_BOX[one + 1] != UNIT_BOX[two + 1]) == 1
        ]
        drawn = np.array(outline.lines).reshape(12, 2, 2)
        # The scene starts at a whole pixel, and pixel centres lie at its halves.
        offset = drawn.min(axis=(0, 1)) - uv.min(axis=0)
        assert (offset - 0.5) == pytest.approx(np.round(offset - 0.5), abs=0.06)
        wanted = sorted(
            (np.round(np.sort(np.array(edge), axis=0) + offset).tolist()) for edge in edges
        )
        found = sorted(np.round(np.sort(line, axis=0)).tolist() for line in drawn)
        assert np.array(found) == pytest.approx(np.array(wanted), abs=1.0)


def test_the_angle_between_rotations() -> None:
    half = np.diag([-1.0, 1.0, -1.0])
    assert rotation_error_deg(np.eye(3), np.eye(3)) == 0.0
    assert rotation_error_deg(np.eye(3), half) == pytest.approx(180.0)


def test_the_worst_come_first_and_hits_not_at_all(query_world: ViewTable) -> None:
    rows = np.arange(len(query_world))
    iou = np.random.default_rng(0).uniform(size=len(rows))
    reason = np.where(rows % 7 == 0, 6, 0)
    iou[reason > 0] = 0.0
    fits = fits_of(query_world, rows, iou=iou, reason=reason)
    shown, count = worst_fits(fits, np.random.default_rng(1))
    assert count == int((iou <= 0.5).sum())
    without = [row for row in shown if reason[row]]
    assert shown[: len(without)] == without
    assert len(without) <= WITHOUT_BOX
    errors = iou[shown[len(without) :]]
    assert (np.diff(errors) >= 0).all()
    assert errors.max() <= 0.5
    assert errors.min() == iou[(reason == 0)].min()


class Gone:
    """An image that was there once."""

    reference = "gone#1"

    def load(self) -> np.ndarray:
        raise DataError("The file is gone.", "Bring it back.")


def test_a_picture_that_is_gone_is_grey_and_told(query_world: ViewTable, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    pictures = Pictures()
    view = replace(query_world.views[0], image=Gone())
    crop = pictures.crop(view)
    scene = pictures.scene(view, (0, 0, 960, 480), "all of it")
    assert pictures.crop(view).file == crop.file  # asked twice, written once
    assert (scene.width, scene.height) == (480, 240)
    assert pictures.write(tmp_path) == ["gone#1: The file is gone."]
    for one in (crop, scene):
        image = cv2.imread(str(tmp_path / one.file))
        assert image.shape == (one.height, one.width, 3)
        assert np.abs(image.astype(int) - 128).max() <= 1


def test_a_region_stays_inside_its_image() -> None:
    points = np.array([[-50.0, 10.0], [30.0, 900.0], [np.nan, 0.0]])
    assert region_around(points, (100, 80)) == (0, 0, 100, 80)
    assert region_around(np.array([[20.0, 20.0], [70.0, 60.0]]), (100, 80)) == (14, 14, 77, 67)
    assert region_around(np.full((8, 2), np.nan), (100, 80)) == (0, 0, 100, 80)


def test_tracks_follow_the_frames_and_rings_are_closed(query_world: ViewTable, rings) -> None:
    shuffled = np.random.default_rng(0).permutation(len(query_world))
    tracks = all_tracks(query_world.take(shuffled))
    assert len(tracks) == len(np.unique(query_world.sequence))
    frames = query_world.frame[shuffled]
    assert all((np.diff(frames[track.rows]) > 0).all() for track in tracks)
    assert not any(track.closed for track in tracks)
    level = all_tracks(rings({"cow": 2}, 22.5, 90.0))
    assert [len(track.rows) for track in level] == [16, 16]
    assert all(track.closed for track in level)
    assert all_tracks(rings({"cow": 2}, 22.5, 45.0)) == []


def test_two_components_hold_a_flat_ring() -> None:
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    basis = np.linalg.qr(np.random.default_rng(0).normal(size=(16, 2)))[0]
    vectors = (np.column_stack([np.cos(angle), np.sin(angle)]) @ basis.T).astype(np.float32)
    points, share = principal_components(vectors)
    assert share == pytest.approx(1.0)
    assert np.linalg.norm(points, axis=1) == pytest.approx(1.0, abs=1e-5)


def test_a_collapsed_encoder_has_a_map_too() -> None:
    vectors = np.ones((20, 8), np.float32)
    points, share = principal_components(vectors)
    assert not points.any()
    assert share == 0.0
    assert np.isfinite(neighbour_map(vectors, seed=0)).all()


def test_the_map_keeps_groups_together() -> None:
    rng = np.random.default_rng(0)
    centres = np.repeat(np.eye(3, 16) * 4, 20, axis=0)
    vectors = (centres + 0.1 * rng.normal(size=(60, 16))).astype(np.float32)
    points = neighbour_map(vectors, seed=0)
    apart = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    assert (apart.argmin(axis=1) // 20 == np.arange(60) // 20).all()
