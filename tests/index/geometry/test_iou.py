"""Exact IoU against a naive oracle, sampled volumes and cases known by hand."""

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from index.geometry import (
    affine_iou_3d,
    affine_iou_3d_pairs,
    iou_3d,
    iou_3d_pairs,
    symmetric_iou,
)

EYE = np.eye(3)
TILTED = Rotation.from_euler("xyz", [0.3, -0.7, 1.1]).as_matrix()


def iou(
    translation: tuple[float, ...],
    scale: tuple[float, ...],
    turn: NDArray[np.float64] = EYE,
    frame: NDArray[np.float64] = EYE,
) -> float:
    """The unit cube with another box, both then carried into ``frame``."""
    return float(
        iou_3d_pairs(
            frame[None], np.zeros((1, 3)), np.ones((1, 3)),
            (frame @ turn)[None], (frame @ np.array(translation))[None], np.array([scale]),
        )[0]
    )  # fmt: skip


@pytest.mark.parametrize("frame", [EYE, TILTED], ids=["aligned", "tilted"])
@pytest.mark.parametrize(
    ("translation", "scale", "turn", "expected"),
    [
        ((0, 0, 0), (1, 1, 1), EYE, 1.0),
        ((0.5, 0, 0), (1, 1, 1), EYE, 1 / 3),
        ((0.5, 0.5, 0), (1, 1, 1), EYE, 1 / 7),
        ((0.5, 0.5, 0.5), (1, 1, 1), EYE, 1 / 15),
        ((0, 0, 0), (0.5, 0.5, 0.5), EYE, 1 / 8),  # inside
        ((0.25, 0.25, 0.25), (0.5, 0.5, 0.5), EYE, 1 / 8),  # inside, three faces shared
        ((0, 0, 0), (2, 3, 4), EYE, 1 / 24),  # around
        ((0, 0.25, 0), (1, 0.5, 1), EYE, 1 / 2),  # five faces shared
        ((0, 0, 0), (3, 0.2, 0.2), EYE, 0.04 / (1 + 0.12 - 0.04)),  # through
        ((1, 0, 0), (1, 1, 1), EYE, 0.0),  # a face touches
        ((1, 1, 0), (1, 1, 1), EYE, 0.0),  # an edge touches
        ((1, 1, 1), (1, 1, 1), EYE, 0.0),  # a corner touches
        ((1 + 1e-6, 0, 0), (1, 1, 1), EYE, 0.0),
        # The octagonal prism of two squares at 45°: area 2 (√2 − 1).
        (
            (0, 0, 0), (1, 1, 1), Rotation.from_euler("y", 45, degrees=True).as_matrix(),
            (np.sqrt(2) - 1) / (2 - np.sqrt(2)),
        ),
        # A cube standing on its corner's edge, touching from above along one line.
        (
            (0, 0.5 + np.sqrt(0.5), 0), (1, 1, 1),
            Rotation.from_euler("z", 45, degrees=True).as_matrix(), 0.0,
        ),
    ],
)  # fmt: skip
def test_known_overlaps(
    translation: tuple[float, ...],
    scale: tuple[float, ...],
    turn: NDArray[np.float64],
    expected: float,
    frame: NDArray[np.float64],
) -> None:
    assert iou(translation, scale, turn, frame) == pytest.approx(expected, abs=1e-9)


def test_volumes_vanish_smoothly_as_boxes_part() -> None:
    for gap in (1e-3, 1e-6, 1e-9):
        assert iou((1 - gap, 0, 0), (1, 1, 1)) == pytest.approx(gap / (2 - gap), abs=1e-12)


@pytest.mark.parametrize("spread", [0.1, 0.4, 0.9])
def test_random_boxes_agree_with_the_naive_oracle(
    boxes: Callable, naive: ModuleType, spread: float
) -> None:
    (Ra, ta, sa), (Rb, tb, sb) = boxes(60, seed=1, spread=spread), boxes(60, seed=2, spread=spread)
    A, B = Ra * sa[:, None], Rb * sb[:, None]
    expected = [naive.naive_iou(*pair) for pair in zip(A, ta, B, tb, strict=True)]
    assert np.abs(iou_3d_pairs(Ra, ta, sa, Rb, tb, sb) - expected).max() < 1e-9
    assert np.mean(np.array(expected) > 0) > 0.2


def test_sheared_and_mirrored_boxes_agree_with_the_naive_oracle(naive: ModuleType) -> None:
    rng = np.random.default_rng(5)
    A, B = rng.normal(size=(2, 60, 3, 3))
    a, b = rng.normal(size=(2, 60, 3)) * 0.3
    expected = [naive.naive_iou(*pair) for pair in zip(A, a, B, b, strict=True)]
    assert np.abs(affine_iou_3d_pairs(A, a, B, b) - expected).max() < 1e-8
    assert np.linalg.det(A).min() < 0 < np.linalg.det(A).max()


def test_elongated_and_flat_boxes_agree_with_the_naive_oracle(naive: ModuleType) -> None:
    rng = np.random.default_rng(6)
    R = Rotation.random(60, rng=rng).as_matrix().reshape(2, 30, 3, 3)
    s = 10.0 ** rng.uniform(-2, 1, (2, 30, 3))
    A, B = R[0] * s[0][:, None], R[1] * s[1][:, None]
    a, b = rng.normal(size=(2, 30, 3)) * 0.05
    expected = [naive.naive_iou(*pair) for pair in zip(A, a, B, b, strict=True)]
    assert affine_iou_3d_pairs(A, a, B, b) == pytest.approx(expected, abs=1e-7)


def test_the_volume_is_the_share_of_random_points_that_lie_in_both(boxes: Callable) -> None:
    (Ra, ta, sa), (Rb, tb, sb) = boxes(10, seed=7), boxes(10, seed=8)
    exact = iou_3d_pairs(Ra, ta, sa, Rb, tb, sb)
    points = np.random.default_rng(9).uniform(-0.5, 0.5, (200_000, 3))
    for i in range(10):
        world = (points * sa[i]) @ Ra[i].T + ta[i]
        inside = (np.abs((world - tb[i]) @ Rb[i]) <= sb[i] / 2).all(axis=1)
        shared = inside.mean() * sa[i].prod()
        sampled = shared / (sa[i].prod() + sb[i].prod() - shared)
        assert exact[i] == pytest.approx(sampled, abs=0.01)


def test_all_pairs_are_the_pairs_one_by_one(boxes: Callable) -> None:
    (Ra, ta, sa), (Rb, tb, sb) = boxes(70, seed=10, spread=1.0), boxes(50, seed=11, spread=1.0)
    i, j = np.indices((70, 50)).reshape(2, -1)
    pairs = iou_3d_pairs(Ra[i], ta[i], sa[i], Rb[j], tb[j], sb[j])
    assert (iou_3d(Ra, ta, sa, Rb, tb, sb) == pairs.reshape(70, 50)).all()
    assert 0.1 < (pairs > 0).mean() < 0.9


def test_none_with_some_is_empty(boxes: Callable) -> None:
    none, some = boxes(0, seed=0), boxes(3, seed=0)
    assert iou_3d(*none, *some).shape == (0, 3)
    assert iou_3d(*some, *none).shape == (3, 0)
    assert iou_3d_pairs(*none, *none).shape == (0,)


def test_a_box_without_volume_overlaps_nothing(boxes: Callable) -> None:
    R, t, s = boxes(3, seed=12)
    flat = s.copy()
    flat[0, 1] = 0.0
    flat[1] = 0.0
    assert iou_3d_pairs(R, t, flat, R, t, s)[:2].tolist() == [0.0, 0.0]
    assert iou_3d_pairs(R, t, flat, R, t, flat)[:2].tolist() == [0.0, 0.0]
    singular = np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0], [0.3, 0.3, 1.0]])[None]
    zero = np.zeros((1, 3))
    assert affine_iou_3d(singular, zero, np.eye(3)[None], zero)[0, 0] == 0.0


def test_what_is_not_finite_or_not_paired_is_refused(boxes: Callable) -> None:
    R, t, s = boxes(3, seed=13)
    with pytest.raises(ValueError, match="finite"):
        iou_3d(R, t * np.nan, s, R, t, s)
    with pytest.raises(ValueError, match="paired"):
        iou_3d_pairs(R, t, s, R[:2], t[:2], s[:2])
    with pytest.raises(ValueError, match=r"\(N, 3, 3\)"):
        iou_3d(R[0], t[0], s[0], R, t, s)


def test_a_round_object_is_right_at_any_turn_about_its_axis(boxes: Callable) -> None:
    R, t, s = boxes(20, seed=14)
    turns = Rotation.from_euler("y", np.arange(20)[:, None] * 35, degrees=True).as_matrix()
    assert np.abs(symmetric_iou(R @ turns, t, s, R, t, s) - 1.0).max() < 1e-9
    assert iou_3d_pairs(R @ turns, t, s, R, t, s).min() < 0.9


def test_the_symmetric_iou_is_the_best_of_the_single_turns(boxes: Callable) -> None:
    (Ra, ta, sa), (Rb, tb, sb) = boxes(15, seed=15), boxes(15, seed=16)
    best = np.max(
        [
            iou_3d_pairs(
                Ra @ Rotation.from_euler("y", turn, degrees=True).as_matrix(), ta, sa, Rb, tb, sb
            )
            for turn in range(0, 360, 5)
        ],
        axis=0,
    )
    assert np.abs(symmetric_iou(Ra, ta, sa, Rb, tb, sb) - best).max() < 1e-12
    coarse = symmetric_iou(Ra, ta, sa, Rb, tb, sb, step_degrees=360.0)
    assert np.abs(coarse - iou_3d_pairs(Ra, ta, sa, Rb, tb, sb)).max() < 1e-12
    with pytest.raises(ValueError, match="step_degrees"):
        symmetric_iou(Ra, ta, sa, Rb, tb, sb, step_degrees=0.0)
