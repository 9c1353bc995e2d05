"""Hand-held orbits: smooth, above the ground, looking at the object."""

from __future__ import annotations

import numpy as np
import pytest

from training.data.render.camera_path import ELEVATION_DEG, orbit
from training.data.render.shapes import CATEGORIES

EXTENT = np.array([0.1, 0.25, 0.08])
CENTER = np.array([0.0, 0.125, 0.0])


def test_every_category_has_a_height() -> None:
    assert set(ELEVATION_DEG) == set(CATEGORIES)


@pytest.mark.parametrize("seed", range(6))
def test_an_orbit_is_a_smooth_walk_around_what_it_films(seed: int) -> None:
    rng = np.random.default_rng(seed)
    poses = orbit(rng, "bottle", CENTER, EXTENT, 180, 30.0, (480, 640))
    eyes, centers = [], []
    for pose in poses:
        R, t = pose.T_camera_world[:3, :3], pose.T_camera_world[:3, 3]
        assert np.allclose(R @ R.T, np.eye(3))
        assert np.linalg.det(R) == pytest.approx(1)
        assert R[1] @ (0, 1, 0) < 0  # the image is upright: its down is not the world's up
        eyes.append(-R.T @ t)
        x = R @ CENTER + t
        camera = pose.camera
        centers.append(x[:2] / x[2] * (camera.fx, camera.fy) + (camera.cx, camera.cy))
    walk, seen = np.array(eyes), np.array(centers)
    assert (walk[:, 1] > 0).all()
    assert ((seen > (100, 150)) & (seen < (380, 490))).all()
    azimuth = np.unwrap(np.arctan2(walk[:, 0], walk[:, 2]))
    assert 75 < np.degrees(np.ptp(azimuth)) < 400
    distance = np.linalg.norm(walk - CENTER, axis=1)
    step = np.linalg.norm(np.diff(walk, axis=0), axis=1) / distance[:-1]
    assert step.max() < np.radians(360) / 180 * 3
    focal = np.array([pose.camera.fx for pose in poses])
    assert 0 < np.ptp(focal) / focal.mean() < 0.03
