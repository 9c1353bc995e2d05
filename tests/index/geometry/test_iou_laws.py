"""What holds for the IoU of any two boxes, whatever computes it."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from index.geometry import iou_3d_pairs

Array = NDArray[np.float64]

# Multiples of a half and of a quarter turn make shared faces, edges and corners common.
coordinates = st.one_of(st.floats(-1.5, 1.5), st.sampled_from([-1.0, -0.5, 0.0, 0.5, 1.0]))
lengths = st.one_of(st.floats(0.05, 3.0), st.sampled_from([0.5, 1.0, 2.0]))
angles = st.one_of(
    st.floats(-np.pi, np.pi), st.sampled_from([0.0, np.pi / 4, np.pi / 2, np.pi, -np.pi / 2])
)
rotations = st.tuples(angles, angles, angles).map(
    lambda a: Rotation.from_euler("xyz", a).as_matrix()
)
vectors = st.tuples(coordinates, coordinates, coordinates).map(np.array)


@dataclass
class Box:
    R: Array
    t: Array
    s: Array

    def iou(self, other: "Box") -> float:
        return float(
            iou_3d_pairs(
                self.R[None], self.t[None], self.s[None],
                other.R[None], other.t[None], other.s[None],
            )[0]
        )  # fmt: skip


boxes = st.builds(Box, rotations, vectors, st.tuples(lengths, lengths, lengths).map(np.array))


@given(boxes, boxes)
def test_symmetric_and_between_zero_and_one(a: Box, b: Box) -> None:
    iou = a.iou(b)
    assert iou == pytest.approx(b.iou(a), abs=1e-9)
    assert 0.0 <= iou <= 1.0


@given(boxes)
def test_a_box_is_itself(a: Box) -> None:
    assert a.iou(a) == pytest.approx(1.0, abs=1e-9)


@given(boxes, boxes, rotations, vectors)
def test_moving_both_changes_nothing(a: Box, b: Box, R: Array, t: Array) -> None:
    moved = [Box(R @ x.R, R @ x.t + 10.0 * t, x.s) for x in (a, b)]
    assert moved[0].iou(moved[1]) == pytest.approx(a.iou(b), abs=1e-9)


@given(boxes, boxes, st.sampled_from([1e-4, 1e-2, 30.0, 1e5]))
def test_scaling_both_changes_nothing(a: Box, b: Box, factor: float) -> None:
    scaled = [Box(x.R, factor * x.t, factor * x.s) for x in (a, b)]
    assert scaled[0].iou(scaled[1]) == pytest.approx(a.iou(b), abs=1e-9)


@given(boxes, st.tuples(*[st.floats(0.05, 1.0)] * 3), st.tuples(*[st.floats(-1.0, 1.0)] * 3))
def test_a_box_inside_another_shares_its_own_volume(
    a: Box, share: tuple[float, ...], place: tuple[float, ...]
) -> None:
    s = a.s * share
    inside = Box(a.R, a.t + a.R @ ((a.s - s) / 2 * place), s)
    assert a.iou(inside) == pytest.approx(np.prod(share), abs=1e-9)


@given(boxes, boxes, st.integers(0, 23))
def test_naming_the_axes_of_a_box_anew_changes_nothing(a: Box, b: Box, which: int) -> None:
    # The 24 rotations of a cube permute and flip the axes; the box stays the same set of points.
    turn = np.round(Rotation.create_group("O").as_matrix()[which])
    renamed = Box(a.R @ turn, a.t, np.abs(turn.T @ a.s))
    assert renamed.iou(b) == pytest.approx(a.iou(b), abs=1e-9)


@given(boxes, boxes, st.floats(1.0, 3.0))
def test_two_slabs_of_a_box_share_as_much_as_the_box(a: Box, b: Box, cut: float) -> None:
    # Volume adds up: cutting A in two parts cuts its overlap with B in two parts.
    def shared(x: Box) -> float:
        iou = x.iou(b)
        return iou * (x.s.prod() + b.s.prod()) / (1.0 + iou)

    low, high = a.s.copy(), a.s.copy()
    low[0], high[0] = a.s[0] / (1 + cut), a.s[0] * cut / (1 + cut)
    parts = (
        Box(a.R, a.t + a.R[:, 0] * (low[0] - a.s[0]) / 2, low),
        Box(a.R, a.t + a.R[:, 0] * (a.s[0] - high[0]) / 2, high),
    )
    whole = shared(a)
    assert shared(parts[0]) + shared(parts[1]) == pytest.approx(whole, abs=1e-9)
