"""Whether a matrix is a rotation."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def rotation_defect(rotation: ArrayLike) -> NDArray[np.float64]:
    """How far (..., 3, 3) is from a rotation: (...,) the largest entry of \\|R Rᵀ − I\\|.

    Infinite where the determinant is not positive, as of a reflection.
    """
    R = np.asarray(rotation, dtype=np.float64)
    defect = np.abs(R @ np.swapaxes(R, -1, -2) - np.eye(3)).max(axis=(-2, -1))
    return np.where(np.linalg.det(R) > 0, defect, np.inf)
