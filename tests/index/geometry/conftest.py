"""Random boxes, views of them over a ground plane, and the naive oracle the benchmark times too."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

Array = NDArray[np.float64]
Boxes = tuple[Array, Array, Array]


@pytest.fixture(scope="session")
def naive() -> ModuleType:
    """benchmarks/naive_geometry.py: one pair, one neighbour at a time."""
    path = Path(__file__).resolve().parents[3] / "benchmarks" / "naive_geometry.py"
    spec = importlib.util.spec_from_file_location("naive_geometry", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def boxes() -> Callable[..., Boxes]:
    """``boxes(n, seed, spread)``: rotations, translations, scales; most pairs overlap at 0.4."""

    def make(count: int, seed: int, spread: float = 0.4) -> Boxes:
        rng = np.random.default_rng(seed)
        return (
            Rotation.random(count, rng=rng).as_matrix(),
            rng.normal(size=(count, 3)) * spread,
            rng.uniform(0.3, 2.0, (count, 3)),
        )

    return make
