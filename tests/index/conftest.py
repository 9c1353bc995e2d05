"""A small world for the index: painted sequences in a manifest, an encoder without a network."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from index.build import BuildResult, build_index
from index.home import Home
from index.store.database import close_database
from training.data.crop import crop_view

HERE = Path(__file__).parent


class FakeEncoder:
    """A fixed random projection of 16-pixel crops; two heads, L2-normalised."""

    def __init__(self, seed: int = 0) -> None:
        self.identity = hashlib.sha256(b"fake" + bytes([seed])).hexdigest()
        self.heads = {"pose": 24, "identity": 8}
        random = np.random.default_rng(seed)
        self._maps = {
            head: random.normal(size=(16 * 16 * 3, dim)) for head, dim in self.heads.items()
        }

    def crop(self, image: np.ndarray, bbox_xyxy: np.ndarray) -> np.ndarray:
        return crop_view(image, bbox_xyxy, 16)

    def encode(self, crops: np.ndarray, batch_size: int = 64) -> dict[str, np.ndarray]:
        flat = crops.reshape(len(crops), -1).astype(np.float64) - 127
        found = {}
        for head, weights in self._maps.items():
            rows = np.stack([row @ weights for row in flat])
            found[head] = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
        return found


def line(sequence: str, frame: int, **more: Any) -> dict[str, Any]:
    """One line of manifest.jsonl with camera, plane and box."""
    return {
        "sequence": sequence,
        "image": f"{sequence}-{frame}.png",
        "frame": frame,
        "bbox_xyxy": [8.0, 10.0, 52.0, 40.0],
        "camera": {"fx": 60.0, "fy": 60.0, "cx": 31.5, "cy": 23.5, "width": 64, "height": 48},
        "plane": {"center": [0.0, 0.2, 1.0], "normal": [0.0, -1.0, 0.0]},
        "box9": {
            "rotation": [[1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, -1.0]],
            "translation": [0.0, 0.1, 1.0],
            "scale": [0.3, 0.2, 0.25],
        },
        "attributes": {"turn": float(frame)},
    } | more


def paint(root: Path, sequences: int = 6, frames: int = 5) -> list[dict[str, Any]]:
    """Write noise images and a manifest; each sequence films one thing of one of 3 categories."""
    root.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(7)
    lines = []
    for number in range(sequences):
        base = random.integers(0, 256, (48, 64, 3))
        for frame in range(frames):
            image = np.clip(base + random.normal(0, 25, base.shape), 0, 255).astype(np.uint8)
            name = f"s{number}"
            cv2.imwrite(str(root / f"{name}-{frame}.png"), image)
            more = {
                "category": ("cup", "shoe", "book")[number % 3],
                "instance": f"thing{number // 2}",
                "split": "train" if number % 2 else "test",
            }
            lines.append(line(name, frame, **more))
    write_lines(root, lines)
    return lines


def paint_turning(root: Path, things: int = 16, frames: int = 6) -> None:
    """Like ``paint``, but each thing is turned by each frame and no two are of one shape.

    Enough annotated views, some answered right and some wrong, to measure a confidence.
    """
    lines = paint(root, things, frames)
    random = np.random.default_rng(11)
    shapes = np.exp(random.normal(0.0, 0.3, (things, 3))) * (0.3, 0.2, 0.25)
    for number, item in enumerate(lines):
        thing, turn = number // frames, np.radians(60.0 * (number % frames))
        scale = shapes[thing]
        c, s = float(np.cos(turn)), float(np.sin(turn))
        item["instance"] = f"thing{thing}"
        item["box9"] = {
            "rotation": [[c, 0.0, s], [0.0, -1.0, 0.0], [s, 0.0, -c]],
            "translation": [0.0, 0.2 - scale[1] / 2, 1.0],
            "scale": scale.tolist(),
        }
        wide, high = 36.0 * max(scale[0], scale[2]), 36.0 * scale[1]
        item["bbox_xyxy"] = [31.5 - wide, 23.5 - high, 31.5 + wide, 23.5 + high]
    write_lines(root, lines)


def write_lines(root: Path, lines: list[dict[str, Any]]) -> None:
    (root / "manifest.jsonl").write_text("\n".join(json.dumps(item) for item in lines) + "\n")


@pytest.fixture(scope="session")
def painted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A read-only data set of 6 sequences with 5 frames each."""
    root = tmp_path_factory.mktemp("painted") / "things"
    paint(root)
    return root


@pytest.fixture(scope="session")
def turning(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A read-only data set of 16 things with 6 frames each, every one turned."""
    root = tmp_path_factory.mktemp("turning") / "things"
    paint_turning(root)
    return root


@pytest.fixture
def paint_at() -> Callable[..., list[dict[str, Any]]]:
    """``paint``: writes a data set into a folder and returns the lines of its manifest."""
    return paint


@pytest.fixture
def rewrite() -> Callable[[Path, list[dict[str, Any]]], None]:
    """``write_lines``: replaces the manifest of a data set."""
    return write_lines


@pytest.fixture(scope="session")
def child() -> Callable[..., subprocess.Popen[str]]:
    """``child(home, data, stage)`` runs child_build.py, which kills itself at that stage."""

    def start(home: Home, data: Path, stage: str) -> subprocess.Popen[str]:
        script, conftest = str(HERE / "child_build.py"), str(HERE / "conftest.py")
        return subprocess.Popen(
            [sys.executable, script, conftest, str(home.path), home.database_url, str(data), stage],
            stdout=subprocess.PIPE,
            cwd=HERE.parents[1],
            env={
                "PYTHONPATH": str(HERE.parents[1]),
                "PATH": "/usr/bin:/bin",
                "OMP_NUM_THREADS": "1",
            },
            text=True,
        )

    return start


@pytest.fixture(scope="session")
def encoder() -> FakeEncoder:
    return FakeEncoder()


@pytest.fixture(scope="session")
def other_encoder() -> FakeEncoder:
    return FakeEncoder(seed=1)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A fresh home on SQLite."""
    home = Home.open(tmp_path / "home", f"sqlite:///{tmp_path / 'home.sqlite'}")
    yield home
    close_database(home)


@pytest.fixture(params=["sqlite", "postgres"])
def any_home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Home]:
    """A fresh home on each of the two databases."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'home.sqlite'}"
    else:
        url = request.getfixturevalue("postgres_url")
    home = Home.open(tmp_path / "home", url)
    yield home
    close_database(home)


@pytest.fixture
def build(home: Home, painted: Path, encoder: FakeEncoder) -> Callable[..., BuildResult]:
    """``build(name)`` builds the painted data into ``home``."""

    def run(name: str = "things", root: Path = painted, **options: Any) -> BuildResult:
        return build_index(home, name, [(root, "manifest")], encoder, **options)

    return run
