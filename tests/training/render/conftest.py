"""One small rendered data set that several tests look at."""

from __future__ import annotations

from pathlib import Path

import pytest

from training.data.render import render_objectron

SETTINGS = {"seconds": 0.4, "fps": 10.0, "size": (120, 160), "seed": 3, "processes": 1}


@pytest.fixture(scope="session")
def rendered(gl: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cups and shoes, two instances filmed twice, four frames each."""
    root = tmp_path_factory.mktemp("rendered")
    render_objectron(
        root, ["cup", "shoe"], instances=2, sequences_per_instance=2, test_share=0.5, **SETTINGS
    )
    return root
