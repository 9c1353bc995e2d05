import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from index.geometry import intersect_rays, rotation_between, signed_distance
from index.geometry.plane import BEHIND, MEETS, PARALLEL

directions = st.tuples(*[st.floats(-1.0, 1.0)] * 3).filter(lambda v: np.linalg.norm(v) > 0.01)


@given(directions, directions)
def test_the_rotation_takes_one_direction_to_the_other_and_is_the_smallest(
    a: tuple[float, ...], b: tuple[float, ...]
) -> None:
    R, opposite = rotation_between(a, b)
    a_unit, b_unit = a / np.linalg.norm(a), b / np.linalg.norm(b)
    assert np.allclose(R @ R.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(R) == pytest.approx(1.0, abs=1e-9)
    assert np.allclose(R @ a_unit, b_unit, atol=2e-5 if opposite else 1e-9)
    between = np.arctan2(np.linalg.norm(np.cross(a_unit, b_unit)), a_unit @ b_unit)
    assert Rotation.from_matrix(R).magnitude() == pytest.approx(between, abs=2e-5)


@pytest.mark.parametrize("off", [1e-2, 1e-3, 1e-4, 3e-5])
def test_nearly_opposite_directions_still_give_a_rotation(off: float) -> None:
    a, b = np.array([0.0, 0.6, 0.8]), np.array([off, -0.6, -0.8])
    R, opposite = rotation_between(a, b)
    assert not opposite
    assert np.allclose(R @ R.T, np.eye(3), atol=1e-9)
    assert np.allclose(R @ a, b / np.linalg.norm(b), atol=1e-9)


@given(directions)
def test_parallel_directions_need_no_rotation(a: tuple[float, ...]) -> None:
    R, opposite = rotation_between(a, 7.0 * np.array(a))
    assert np.allclose(R, np.eye(3), atol=1e-12)
    assert not opposite


@given(directions)
def test_opposite_directions_take_a_half_turn_and_are_flagged(a: tuple[float, ...]) -> None:
    R, opposite = rotation_between(a, -np.array(a))
    assert opposite
    assert Rotation.from_matrix(R).magnitude() == pytest.approx(np.pi)
    assert np.allclose(R @ a, -np.array(a))


def test_rows_are_independent_of_each_other() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 20, 3))
    b[3], b[4] = a[3], -a[4]
    together, flags = rotation_between(a, b)
    for i in range(20):
        alone, flag = rotation_between(a[i], b[i])
        assert np.allclose(alone, together[i], atol=1e-15)
        assert flag == flags[i] == (i == 4)


@pytest.mark.parametrize("broken", [(0.0, 0.0, 0.0), (np.nan, 0.0, 1.0), (np.inf, 0.0, 0.0)])
def test_what_is_no_direction_is_refused(broken: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="direction"):
        rotation_between(broken, (0.0, 0.0, 1.0))


def test_height_is_positive_on_the_side_the_normal_points_to() -> None:
    heights = signed_distance(
        [[0.0, -1.0, 5.0], [9.0, 3.0, 5.0]], [0.0, 1.0, 0.0], [0.0, -2.0, 0.0]
    )
    assert heights.tolist() == [2.0, -2.0]


def test_rays_meet_pass_and_miss_a_floor_below_the_camera() -> None:
    floor, up = np.array([0.0, 1.5, 0.0]), np.array([0.0, -1.0, 0.0])
    points, status = intersect_rays([[0.0, 0.5, 1.0], [0.3, 0.0, 1.0], [0.0, -0.5, 1.0]], floor, up)
    assert status.tolist() == [MEETS, PARALLEL, BEHIND]
    assert points.tolist() == [[0.0, 1.5, 3.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
