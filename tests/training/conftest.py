"""A small real dataset on disk: five painted objects on a turntable, as COIL-100 has them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

VIEWS = 12


@pytest.fixture(scope="session")
def turntables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("turntables")
    rng = np.random.default_rng(0)
    for thing in range(1, 6):
        body, spot = rng.integers(60, 256, (2, 3)).tolist()
        for step in range(VIEWS):
            image = np.zeros((40, 40, 3), np.uint8)
            cv2.ellipse(image, (20, 20), (8 + 2 * thing, 14), 0, 0, 360, body, -1)
            x = 20 + round(10 * np.cos(2 * np.pi * step / VIEWS))
            cv2.circle(image, (x, 12 + thing), 4, spot, -1)
            cv2.imwrite(str(root / f"obj{thing}__{step * 360 // VIEWS}.png"), image)
    return root
