from collections.abc import Callable
from itertools import product

import numpy as np
import pytest

from index.geometry import (
    UNIT_BOX,
    box_vertices,
    clip_bbox,
    fit_axes_to_vertices,
    fit_box_to_vertices,
    project,
    projected_bbox,
)
from training.data import records

K = np.array([[500.0, 0.0, 319.5], [0.0, 500.0, 239.5], [0.0, 0.0, 1.0]])


def test_the_vertex_order_is_objectrons() -> None:
    signs = [(0, 0, 0), *product((-1, 1), repeat=3)]
    assert (2 * UNIT_BOX).tolist() == [list(map(float, row)) for row in signs]
    assert (UNIT_BOX == records.UNIT_BOX).all()


def test_vertices_are_those_of_the_records(boxes: Callable) -> None:
    R, t, s = boxes(5, seed=0)
    vertices = box_vertices(R, t, s)
    for i in range(5):
        assert np.allclose(vertices[i], records.Box9(R[i], t[i], s[i]).vertices, atol=1e-14)


def test_a_box_is_found_again_from_its_vertices(boxes: Callable) -> None:
    R, t, s = boxes(100, seed=1)
    for found, true in zip(fit_box_to_vertices(box_vertices(R, t, s)), (R, t, s), strict=True):
        assert np.allclose(found, true, atol=1e-12)


def test_noisy_vertices_still_give_a_rotation(boxes: Callable) -> None:
    R, t, s = boxes(50, seed=2)
    noise = np.random.default_rng(3).normal(size=(50, 9, 3)) * 0.01
    found, _, _ = fit_box_to_vertices(box_vertices(R, t, s) + noise)
    assert np.allclose(found @ found.transpose(0, 2, 1), np.eye(3), atol=1e-12)
    assert np.allclose(np.linalg.det(found), 1.0)
    assert np.abs(found - R).max() < 0.15


def test_a_flat_box_keeps_its_place_and_size() -> None:
    vertices = box_vertices(np.eye(3), [1.0, 2.0, 3.0], [2.0, 0.0, 1.0])
    R, t, s = fit_box_to_vertices(vertices)
    assert t == pytest.approx([1.0, 2.0, 3.0])
    assert s == pytest.approx([2.0, 0.0, 1.0])
    assert np.allclose(R @ R.T, np.eye(3))


def test_sheared_axes_survive_the_affine_fit() -> None:
    axes = np.array([[1.0, 0.3, 0.0], [0.0, 1.0, 0.2], [0.0, 0.0, 0.7]])
    found, center = fit_axes_to_vertices(UNIT_BOX @ axes.T + [1.0, 2.0, 3.0])
    assert np.allclose(found, axes)
    assert np.allclose(center, [1.0, 2.0, 3.0])


def test_the_2d_box_is_the_extent_of_the_projected_corners(boxes: Callable) -> None:
    R, t, s = boxes(20, seed=4)
    ahead = np.array([0.0, 0.0, 6.0])
    vertices = box_vertices(R, t + ahead, s)
    bbox = projected_bbox(K, vertices)
    uv = project(K, vertices)
    assert (uv >= bbox[:, None, :2]).all()
    assert (uv <= bbox[:, None, 2:]).all()
    assert np.isnan(projected_bbox(K, vertices - ahead)).all(axis=1).any()


def test_clipping_keeps_to_the_outer_borders_of_the_border_pixels() -> None:
    assert clip_bbox([-9.0, 4.0, 700.0, 500.0], [640, 480]).tolist() == [-0.5, 4.0, 639.5, 479.5]
    assert clip_bbox([-9.0, 4.0, -3.0, 500.0], [640, 480])[[0, 2]].tolist() == [-0.5, -0.5]
