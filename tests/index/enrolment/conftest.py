"""Views to enrol, with random embeddings, and children that enrol, erase and compact."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from index.enrolment import NewView
from index.home import Home

HERE = Path(__file__).parent


def unit(random: np.random.Generator, dim: int) -> np.ndarray:
    vector = random.normal(size=dim)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def make_view(seed: int, heads: dict[str, int], **more: Any) -> NewView:
    """A view that differs from all others of another ``seed`` in every byte of its content."""
    random = np.random.default_rng([77, seed])
    named = {
        "dataset": "workshop",
        "instance": f"drill{seed}",
        "category": "drill",
        "sequence": f"shot{seed}",
    }
    return NewView(
        **(named | more),
        bbox_xyxy=np.array([1.0, 2.0, 30.0, 40.0]),
        image_width=64,
        image_height=48,
        vectors={head: unit(random, dim) for head, dim in heads.items()},
        thumbnail=b"\xff\xd8" + random.bytes(700),
    )


@pytest.fixture
def new_view(encoder) -> Callable[..., NewView]:
    """``new_view(seed, **fields)``: a view that fits the index of the painted data."""

    def make(seed: int, **more: Any) -> NewView:
        return make_view(seed, encoder.heads, **more)

    return make


@pytest.fixture
def act(painted) -> Callable[..., subprocess.Popen[str]]:
    """``act(home, what, *arguments)`` runs child_act.py, which says what it did and may die."""

    def start(home: Home, what: str, *arguments: object) -> subprocess.Popen[str]:
        script, conftest = str(HERE / "child_act.py"), str(HERE / "conftest.py")
        parts = [home.path, home.database_url, what, *arguments]
        return subprocess.Popen(
            [sys.executable, script, conftest, *map(str, parts)],
            stdout=subprocess.PIPE,
            cwd=HERE.parents[2],
            env={
                "PYTHONPATH": str(HERE.parents[2]),
                "PATH": "/usr/bin:/bin",
                "OMP_NUM_THREADS": "1",
            },
            text=True,
        )

    return start
