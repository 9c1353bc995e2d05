"""Boxes that agree, boxes that do not, and the average of those that do."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from index.geometry import box_vertices, project, projected_bbox
from index.geometry.agreement import (
    QUARTER_TURNS,
    Hypotheses,
    average_boxes,
    chordal_mean,
    concentrations,
    fill_scores,
    quarter_turns,
    spreads,
    spreads_about_y,
    squared_distances,
    turns_about_y,
)
from index.geometry.views import BOX_BEHIND_CAMERA, OK, FittedBoxes

K = np.array([[500.0, 0.0, 319.5], [0.0, 500.0, 239.5], [0.0, 0.0, 1.0]])
SIZE = np.array([640.0, 480.0])
UPRIGHT = np.diag([1.0, -1.0, -1.0])


def random_boxes(queries: int, k: int, seed: int = 0) -> Hypotheses:
    rng = np.random.default_rng(seed)
    rotation = Rotation.random(queries * k, rng=rng).as_matrix().reshape(queries, k, 3, 3)
    translation = rng.normal(size=(queries, k, 3)) * 0.2 + (0.0, 0.0, 4.0)
    scale = rng.uniform(0.2, 0.6, (queries, k, 3))
    return Hypotheses(rotation, translation, scale, np.ones((queries, k), dtype=bool))


def about_y(angle_deg: float) -> np.ndarray:
    return Rotation.from_euler("y", angle_deg, degrees=True).as_matrix()


def test_with_common_axes_the_distance_is_the_mean_squared_distance_of_corners():
    rng = np.random.default_rng(1)
    rotation = np.broadcast_to(Rotation.random(rng=rng).as_matrix(), (1, 2, 3, 3))
    translation, scale = rng.normal(size=(1, 2, 3)), rng.uniform(0.2, 1.0, (1, 2, 3))
    corners = box_vertices(rotation, translation, scale)[0, :, 1:]
    expected = np.square(corners[0] - corners[1]).sum(axis=1).mean()
    expected /= np.linalg.norm(scale[0, 0]) * np.linalg.norm(scale[0, 1])
    found = squared_distances(translation, spreads(rotation, scale), scale)[0]
    assert found[0, 1] == pytest.approx(expected)
    assert found[0, 0] == pytest.approx(0.0, abs=1e-12)


def test_the_distance_knows_no_front_and_no_order_of_axes():
    boxes = random_boxes(1, 1)
    swapped = boxes.scale[..., [2, 1, 0]]
    same = [(boxes.rotation @ QUARTER_TURNS[n], (boxes.scale, swapped)[n % 2]) for n in range(4)]
    same.append((boxes.rotation @ np.diag([1.0, -1.0, -1.0]), boxes.scale))
    rotation = np.concatenate([r for r, _ in same], axis=1)
    scale = np.concatenate([s for _, s in same], axis=1)
    translation = np.repeat(boxes.translation, len(same), axis=1)
    found = squared_distances(translation, spreads(rotation, scale), scale)
    np.testing.assert_allclose(found, 0.0, atol=1e-12)


def test_the_spread_about_y_is_the_mean_over_all_turns():
    boxes = random_boxes(2, 3)
    turns = np.stack([about_y(angle) for angle in np.arange(0.0, 360.0, 15.0)])
    turned = boxes.rotation[:, :, None] @ turns
    mean = spreads(turned, boxes.scale[:, :, None]).mean(axis=2)
    np.testing.assert_allclose(spreads_about_y(boxes.rotation, boxes.scale), mean, atol=1e-12)


@pytest.mark.parametrize("turn", range(4))
def test_quarter_turns_undo_how_the_axes_were_named(turn):
    boxes = random_boxes(5, 1)
    named = boxes.rotation @ QUARTER_TURNS[-turn % 4]
    scale = boxes.scale if turn % 2 == 0 else boxes.scale[..., [2, 1, 0]]
    both = Hypotheses(
        np.concatenate([boxes.rotation, named], axis=1),
        np.concatenate([boxes.translation] * 2, axis=1),
        np.concatenate([boxes.scale, scale], axis=1),
        np.ones((5, 2), dtype=bool),
    )
    found = quarter_turns(both, np.zeros(5, dtype=np.intp))
    assert found.tolist() == [[0, turn]] * 5
    rotation, translation, size = average_boxes(both, np.full((5, 2), 0.5), found)
    np.testing.assert_allclose(rotation, boxes.rotation[:, 0], atol=1e-9)
    np.testing.assert_allclose(translation, boxes.translation[:, 0])
    np.testing.assert_allclose(size, boxes.scale[:, 0])


def test_the_chordal_mean_is_a_rotation_and_agrees_with_scipy():
    rotation = random_boxes(4, 6, seed=3).rotation
    weights = np.random.default_rng(4).uniform(0.1, 1.0, (4, 6))
    found = chordal_mean(rotation, weights)
    np.testing.assert_allclose(np.linalg.det(found), 1.0)
    for query in range(4):
        expected = Rotation.from_matrix(rotation[query]).mean(weights[query]).as_matrix()
        np.testing.assert_allclose(found[query], expected, atol=1e-9)


def test_the_average_size_and_depth_are_geometric_means():
    scale = np.array([[[0.1, 0.2, 0.4], [0.4, 0.8, 0.1]]])
    translation = np.array([[[0.2, 0.0, 1.0], [0.0, 0.4, 4.0]]])
    boxes = Hypotheses(
        np.broadcast_to(UPRIGHT, (1, 2, 3, 3)), translation, scale, np.ones((1, 2), dtype=bool)
    )
    _, centre, size = average_boxes(boxes, np.full((1, 2), 0.5), np.zeros((1, 2), dtype=np.intp))
    np.testing.assert_allclose(size[0], [0.2, 0.4, 0.2])
    np.testing.assert_allclose(centre[0], [2.0 * 0.1, 2.0 * 0.05, 2.0])  # mean rays, depth √(1·4)


def test_a_box_fills_its_own_crop_and_half_of_one_twice_as_wide():
    rotation, scale = UPRIGHT[None, None], np.array([[[0.4, 0.2, 1e-6]]])
    translation = np.array([[[0.0, 0.0, 2.0]]])
    own = projected_bbox(K, box_vertices(rotation, translation, scale))[0, 0]
    for bbox, expected in (
        (own, 1.0),
        (own * [1, 1, 2, 1] - [0, 0, own[0], 0], 0.5),
        (own + 300.0, 0.0),
    ):
        found = fill_scores(rotation, translation, scale, bbox[None], K[None], SIZE[None])
        assert found[0, 0] == pytest.approx(expected, abs=1e-6)


def test_fill_scores_are_the_overlap_of_rectangles_clipped_to_the_image():
    boxes = random_boxes(3, 5, seed=5)
    bbox = np.tile([250.0, 200.0, 700.0, 300.0], (3, 1))
    found = fill_scores(
        boxes.rotation,
        boxes.translation,
        boxes.scale,
        bbox,
        np.tile(K, (3, 1, 1)),
        SIZE + [[0, 0]] * 3,
    )
    for query in range(3):
        for number in range(5):
            uv = project(
                K,
                box_vertices(
                    boxes.rotation[query, number],
                    boxes.translation[query, number],
                    boxes.scale[query, number],
                ),
            )
            a = np.clip([*uv.min(0), *uv.max(0)], -0.5, [*SIZE - 0.5, *SIZE - 0.5])
            b = np.array([250.0, 200.0, 639.5, 300.0])
            low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
            shared = np.prod(np.maximum(high - low, 0))
            total = np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - shared
            assert found[query, number] == pytest.approx(shared / total)


def test_a_box_behind_the_camera_fills_nothing():
    found = fill_scores(
        UPRIGHT[None, None],
        np.array([[[0.0, 0.0, 0.05]]]),
        np.full((1, 1, 3), 0.2),
        np.array([[0.0, 0.0, 640.0, 480.0]]),
        K[None],
        SIZE[None],
    )
    assert found.tolist() == [[0.0]]


def test_turns_about_y_are_signed_and_concentrate_by_their_fold():
    angles = np.array([0.0, 90.0, 180.0, -90.0])
    rotation = np.stack([UPRIGHT @ about_y(angle) for angle in angles])[None]
    boxes = Hypotheses(
        rotation, np.zeros((1, 4, 3)), np.ones((1, 4, 3)), np.ones((1, 4), dtype=bool)
    )
    found = turns_about_y(boxes, np.array([0]))
    np.testing.assert_allclose(np.cos(found[0]), np.cos(np.radians(angles)), atol=1e-12)
    np.testing.assert_allclose(np.sin(found[0]), np.sin(np.radians(angles)), atol=1e-12)
    quarter = np.full((1, 4), 0.25)
    np.testing.assert_allclose(concentrations(found, quarter, (1, 2, 4)), [[0, 0, 1]], atol=1e-12)
    half = np.array([[0.5, 0.0, 0.5, 0.0]])
    np.testing.assert_allclose(concentrations(found, half, (1, 2, 4)), [[0, 1, 1]], atol=1e-12)


def test_boxes_placed_by_their_size_are_left_out_where_others_stand_on_the_ground():
    count = 6
    fits = FittedBoxes(
        rotation=np.tile(np.eye(3), (count, 1, 1)),
        translation=np.tile([0.0, 0.0, 2.0], (count, 1)),
        scale=np.ones((count, 3)),
        reason=np.array([OK, OK, BOX_BEHIND_CAMERA, OK, OK, BOX_BEHIND_CAMERA]),
        grounded=np.array([True, False, False, False, False, False]),
    )
    boxes = Hypotheses.of(fits, 3)
    assert boxes.ok.tolist() == [[True, False, False], [True, True, False]]
    assert np.isfinite(boxes.scale).all()
    assert (boxes.scale > 0).all()
