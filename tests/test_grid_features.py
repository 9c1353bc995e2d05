"""benchmarks/grid_features.py: one trunk under three grids, brought to one dimension."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    pytest.importorskip("torch")
    spec = importlib.util.spec_from_file_location(
        "grid_features", ROOT / "benchmarks" / "grid_features.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules["grid_features"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_the_grids_of_a_trained_trunk_are_those_of_its_encoder(benchmark: ModuleType) -> None:
    """The 2×2 grid, put through the bundled encoder's own whitening, is the bundled encoder."""
    from training.artifact import read_weights
    from training.encoder import Encoder

    folder = ROOT / "examples" / "encoder"
    crops = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    grids = benchmark.GridEncoder(str(folder)).encode(crops)
    assert {name: y.shape[1] for name, y in grids.items()} == {
        "pooled": 192,
        "2×2 grid": 768,
        "3×3 grid": 1728,
    }
    weights = read_weights(folder)
    (weight,) = (w for name, w in weights.items() if "whiten" in name and w.ndim == 2)
    (bias,) = (w for name, w in weights.items() if "whiten" in name and w.ndim == 1)
    y = grids["2×2 grid"] @ weight.T + bias
    y /= np.linalg.norm(y, axis=1, keepdims=True)
    expected = Encoder.load(folder).encode(crops)["pose"]
    np.testing.assert_allclose(y, expected, atol=2e-4)


def test_all_forms_have_the_dimension_asked_for_and_unit_length(benchmark: ModuleType) -> None:
    rows = np.random.default_rng(1).normal(size=(60, 20)).astype(np.float32)
    found = benchmark.forms(rows, {"these": rows}, 8)
    assert [y.shape[1] for y in found.values()] == [20, 8, 8, 8]
    for form, y in list(found.items())[1:]:
        assert "8, fitted on these" in form
        np.testing.assert_allclose(np.linalg.norm(y, axis=1), 1.0, rtol=1e-5)
