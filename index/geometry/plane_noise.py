"""Ground planes with the errors that a plane detector makes. Ours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

NORMAL_TILT_DEG = 3.0
"""Standard deviation of the angle by which the normal is tilted."""

DISTANCE_ERROR = 0.05
"""Standard deviation of the relative error of the plane's distance to the camera."""


def noisy_planes(center: Floats, normal: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """(N, 3) plane points and unit normals with the errors a plane detector makes.

    The normal is tilted by an angle drawn from N(0, 3°) towards a random direction in the plane;
    the point then moves along its ray, so that the plane's distance to the camera changes by a
    relative error drawn from N(0, 5 %).
    """
    count = len(normal)
    towards = rng.normal(size=(count, 3))
    towards -= (towards * normal).sum(axis=1, keepdims=True) * normal
    towards /= np.linalg.norm(towards, axis=1, keepdims=True)
    angle = np.radians(rng.normal(0.0, NORMAL_TILT_DEG, size=(count, 1)))
    tilted = np.cos(angle) * normal + np.sin(angle) * towards
    distance = 1.0 + rng.normal(0.0, DISTANCE_ERROR, size=(count, 1))
    return center * distance, tilted
