"""The pinhole camera: points to pixels, pixels to rays. OpenCV frame, pixel centres at integers."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def project(K: ArrayLike, points: ArrayLike) -> Array:
    """Pixels (..., M, 2) of camera-frame points (..., M, 3) in metres, seen through K (..., 3, 3).

    The leading axes of K broadcast against those of the points; a single point is (3,) → (2,).
    A point at or behind the camera (z ≤ 0) has no image: its pixel is NaN.
    """
    X = np.asarray(points, dtype=np.float64)
    if X.ndim == 1:
        return project(K, X[None])[..., 0, :]
    homogeneous = X @ np.swapaxes(np.asarray(K, dtype=np.float64), -1, -2)
    z = homogeneous[..., 2:]
    return homogeneous[..., :2] / np.where(z > 0, z, np.nan)


def rays(K: ArrayLike, uv: ArrayLike) -> Array:
    """Directions (..., 3) with z = 1 from the camera through pixels (..., 2).

    K is (3, 3) or (..., 3, 3) with the leading axes of ``uv``; skew K[0, 1] is honoured.
    """
    K = np.asarray(K, dtype=np.float64)
    uv = np.asarray(uv, dtype=np.float64)
    y = (uv[..., 1] - K[..., 1, 2]) / K[..., 1, 1]
    x = (uv[..., 0] - K[..., 0, 2] - K[..., 0, 1] * y) / K[..., 0, 0]
    return np.stack([x, y, np.ones_like(x)], axis=-1)
