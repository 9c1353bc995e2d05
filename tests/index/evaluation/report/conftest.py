"""Small datasets on disk for every protocol, and a reader of the page that comes out.

Names are hostile on purpose: markup, formulas, signs that turn text around.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from index.evaluation.cli import app
from index.geometry import box_vertices, project

SCRIPT = "<script>alert(1)</script>"
IMAGE = '"><img src=x onerror=alert(2)>'
FORMULA = "$x_{1}$ _a_ & \u202egnp\u0007"
CATEGORIES = {SCRIPT: (0.5, 0.9, 0.5), FORMULA: (0.1, 0.12, 0.28), "cup": (0.09, 0.1, 0.09)}
FRAMES = 5


@dataclass
class Page(HTMLParser):
    """What a browser would find: elements with their attributes, and the text."""

    folder: Path
    elements: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    text: str = ""

    def __post_init__(self) -> None:
        super().__init__()
        self.source = (self.folder / "index.html").read_text("utf-8")
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def sections(self) -> list[str]:
        return [attributes["id"] for attributes in self.all("section")]


def paint(path: Path, seed: int, size: tuple[int, int] = (48, 64)) -> None:
    """A photograph that no other seed gives."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (4, 4, 3)).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC))


def boxed_line(category: str, size: np.ndarray, yaw: float, width: int, height: int) -> Any:
    """Camera, plane and box of a thing on the floor, its front turned by ``yaw``."""
    pitch, distance = 0.6, 2.7 * float(np.linalg.norm(size))
    turn = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    sine, cosine = np.sin(pitch), np.cos(pitch)
    rotation = np.array([[1, 0, 0], [0, -cosine, sine], [0, -sine, -cosine]]) @ turn
    translation = np.array([0.0, 0.0, distance])
    up = rotation[:, 1]
    K = np.array([[1.3 * width, 0, width / 2], [0, 1.3 * width, height / 2], [0, 0, 1.0]])
    uv = project(K, box_vertices(rotation, translation, size))
    return {
        "category": category,
        "bbox_xyxy": [*uv.min(axis=0).tolist(), *uv.max(axis=0).tolist()],
        "camera": {
            "fx": K[0, 0],
            "fy": K[1, 1],
            "cx": K[0, 2],
            "cy": K[1, 2],
            "width": width,
            "height": height,
        },
        "plane": {"center": (translation - up * size[1] / 2).tolist(), "normal": up.tolist()},
        "box9": {
            "rotation": rotation.tolist(),
            "translation": translation.tolist(),
            "scale": size.tolist(),
        },
    }


def filmed(root: Path) -> Path:
    """Boxes filmed in two splits, as a manifest: for `objectron` and for `reid`."""
    rng = np.random.default_rng(4)
    lines, width, height = [], 64, 48
    for split, count in (("train", 2), ("test", 2)):
        for kind, (category, size) in enumerate(CATEGORIES.items()):
            for number in range(count):
                own = np.array(size) * rng.uniform(0.9, 1.1, size=3)
                instance = f"{split}-{kind}-{number}{IMAGE}"
                for sequence in range(2):
                    for frame in range(FRAMES):
                        name = f"{split}/{kind}-{number}-{sequence}-{frame} '&.png"
                        yaw = 0.4 * frame + sequence
                        paint(root / name, seed=100 * len(split) + 30 * kind + 7 * number + frame)
                        lines.append(
                            {
                                "sequence": f"{split}-{kind}-{number}-{sequence}",
                                "image": name,
                                "frame": 6 * frame,
                                "fps": 30,
                                "split": split,
                                "instance": instance,
                                **boxed_line(category, own, yaw, width, height),
                            }
                        )
    (root / "manifest.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n", "utf-8")
    return root


def turntables(root: Path, protocol: str) -> Path:
    """Rings of photographs named as the protocol's dataset names them."""
    if protocol == "coil100":
        for number in range(1, 5):
            for angle in range(0, 360, 15):
                paint(root / f"obj{number}__{angle}.png", seed=100 * number + angle // 40)
        return root
    for kind in ("cow", "cup"):
        for number in range(1, 4):
            for step in range(16):
                name = f"{kind}{number}-090-{int(22.5 * step):03d}.png"
                paint(root / name, seed=100 * number + step)
            paint(root / f"{kind}{number}-035-045.png", seed=999)
    return root


Datasets = Callable[[str], Path]


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Datasets:
    """The folder of a tiny dataset for each protocol, made once."""
    made: dict[str, Path] = {}

    def find(protocol: str) -> Path:
        name = "filmed" if protocol in ("objectron", "reid") else protocol
        if name not in made:
            root = tmp_path_factory.mktemp(name)
            made[name] = filmed(root) if name == "filmed" else turntables(root, name)
        return made[name]

    return find


@dataclass(frozen=True)
class Reported:
    """A page and the object of ``--json`` of the same run."""

    folder: Path
    page: Page
    figures: dict[str, Any]


Report = Callable[..., Reported]


@pytest.fixture(scope="session")
def report(dataset: Datasets, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Runs `evaluate PROTOCOL … --json --report` as a person would."""

    def run(
        protocol: str, folder: Path | None = None, encoder: str = "baseline:pixels16", *more: str
    ) -> Reported:
        folder = folder or tmp_path_factory.mktemp("report") / protocol
        arguments = [protocol, "--root", str(dataset(protocol)), "--encoder", encoder, "--json"]
        kind = ["--kind", "manifest"] if protocol in ("objectron", "reid") else []
        result = CliRunner().invoke(
            app, [*arguments, *kind, "--report", str(folder), *more], catch_exceptions=False
        )
        assert result.exit_code == 0, result.output
        return Reported(folder, Page(folder), json.loads(result.stdout.splitlines()[-1]))

    return run


@pytest.fixture(scope="session")
def reported(report: Report) -> Callable[[str], Reported]:
    """The report of a protocol, made once."""
    done: dict[str, Reported] = {}

    def find(protocol: str) -> Reported:
        if protocol not in done:
            done[protocol] = report(protocol)
        return done[protocol]

    return find


@pytest.fixture(scope="session")
def hostile() -> SimpleNamespace:
    """The names in the filmed dataset: ``script``, ``image``, ``formula``."""
    return SimpleNamespace(script=SCRIPT, image=IMAGE, formula=FORMULA)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file under ``folder`` by its path."""
    files: Iterable[Path] = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture(scope="session")
def files() -> Callable[[Path], dict[str, bytes]]:
    """Every file under a folder by its path."""
    return contents
