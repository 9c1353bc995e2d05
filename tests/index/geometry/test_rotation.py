"""A rotation has no defect; what is scaled, sheared or mirrored has one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from index.geometry import rotation_defect


def test_rotations_have_none() -> None:
    R = Rotation.random(100, rng=np.random.default_rng(0)).as_matrix()
    assert rotation_defect(R).shape == (100,)
    assert rotation_defect(R).max() < 1e-12
    assert rotation_defect(np.round(R, 4)).max() < 1e-3


@pytest.mark.parametrize(
    ("matrix", "defect"),
    [
        (2 * np.eye(3), 3.0),
        (np.diag([1.0, 1.0, 0.0]), np.inf),
        (np.diag([1.0, 1.0, -1.0]), np.inf),
        ([[1, 0.5, 0], [0, 1, 0], [0, 0, 1]], 0.5),
    ],
    ids=["scaled", "flat", "mirrored", "sheared"],
)
def test_others_have_one(matrix: np.ndarray, defect: float) -> None:
    assert rotation_defect(matrix) == defect
