import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.geometry import project, rays

K = np.array([[500.0, 0.0, 319.5], [0.0, 510.0, 239.5], [0.0, 0.0, 1.0]])


def test_the_optical_axis_meets_the_middle_of_an_image_whose_pixel_centres_are_integers() -> None:
    assert project(K, [0.0, 0.0, 2.0]).tolist() == [319.5, 239.5]


def test_right_is_positive_x_and_down_is_positive_y() -> None:
    u, v = project(K, [0.1, 0.2, 1.0])
    assert u == pytest.approx(319.5 + 50.0)
    assert v == pytest.approx(239.5 + 102.0)


def test_points_at_or_behind_the_camera_have_no_image() -> None:
    assert np.isnan(project(K, [[1.0, 1.0, 0.0], [1.0, 1.0, -1.0]])).all()


@given(st.floats(-1000, 2000), st.floats(-1000, 2000), st.floats(0.01, 100.0), st.floats(-3.0, 3.0))
def test_a_point_on_the_ray_of_a_pixel_projects_to_that_pixel(
    u: float, v: float, depth: float, skew: float
) -> None:
    skewed = K + np.array([[0.0, skew, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    ray = rays(skewed, [u, v])
    assert ray[2] == 1.0
    assert project(skewed, depth * ray) == pytest.approx([u, v], abs=1e-8)


def test_every_view_has_its_own_camera() -> None:
    Ks = np.stack([K, 2 * K])
    Ks[1, 2, 2] = 1.0
    uv = np.array([[10.0, 20.0], [10.0, 20.0]])
    points = 3.0 * rays(Ks, uv)
    assert np.allclose(project(Ks, points[:, None])[:, 0], uv)
    assert not np.allclose(points[0], points[1])
