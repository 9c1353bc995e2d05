"""A real tiny gallery of drawn boxes, and servers that answer over real sockets."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
import uvicorn

from index.build import build_index
from index.home import Home
from service.app import create_app
from service.listen import listen
from service.settings import Settings
from training.data.readers import ReadReport
from training.data.records import Box9, Camera, ImageRGB, Plane, Sequence, View
from training.encoder import Encoder

CAMERA = Camera(fx=300.0, fy=300.0, cx=159.5, cy=119.5, width=320, height=240)
PLANE = Plane(np.array([0.0, 0.25, 1.5]), np.array([0.0, -0.9, -np.sqrt(1 - 0.81)]))
FACES = ((5, 6, 8, 7), (1, 3, 4, 2), (3, 7, 8, 4), (1, 2, 6, 5), (2, 4, 8, 6), (1, 5, 7, 3))
PALETTES = {
    "cup": ["c83c28", "781e14", "f0b4a0", "32140a", "ffe63c", "5a0909"],
    "book": ["285ac8", "14286e", "aac8f0", "05143c", "50e65a", "09095a"],
}
"""One colour (RGB) for each of FACES."""
SCALES = {"cup": (0.2, 0.3, 0.2), "book": (0.35, 0.12, 0.25)}


@dataclass(frozen=True)
class Drawn:
    """A picture of one box on a plane, made when asked for."""

    box: Box9
    category: str

    @property
    def reference(self) -> str:
        return f"{self.category}@{self.box.translation[0]:.4f},{self.box.rotation[0, 0]:.6f}"

    def load(self) -> ImageRGB:
        image = np.full((CAMERA.height, CAMERA.width, 3), 128, np.uint8)
        image[::8] = 110
        corners = self.box.vertices
        pixels = (corners @ CAMERA.matrix.T)[:, :2] / corners[:, 2:]
        order = sorted(range(6), key=lambda f: -corners[list(FACES[f]), 2].mean())
        for face in order:
            polygon = np.rint(pixels[list(FACES[face])]).astype(np.int32)
            colour = tuple(bytes.fromhex(PALETTES[self.category][face]))
            cv2.fillConvexPoly(image, polygon, colour)
        return image


def box_at(category: str, yaw: float, x: float, size: float = 1.0) -> Box9:
    """A box of a category standing on PLANE, turned by ``yaw`` about its normal."""
    up = PLANE.normal
    side = np.cross(up, [0.0, 0.0, -1.0])
    side /= np.linalg.norm(side)
    front = np.cross(side, up)
    turned = np.cos(yaw) * side + np.sin(yaw) * front
    rotation = np.stack([turned, up, np.cross(turned, up)], axis=1)
    scale = np.array(SCALES[category]) * size
    return Box9(rotation, PLANE.center + x * side + up * scale[1] / 2, scale)


def view_of(box: Box9, category: str, instance: str, frame: int) -> View:
    """The annotated view of a box."""
    pixels = (box.vertices @ CAMERA.matrix.T)[:, :2] / box.vertices[:, 2:]
    return View(
        image=Drawn(box, category),
        bbox_xyxy=np.concatenate([pixels.min(axis=0), pixels.max(axis=0)]),
        instance=instance,
        category=category,
        frame=frame,
        camera=CAMERA,
        plane=PLANE,
        box9=box,
    )


@dataclass
class ToyReader:
    """Two instances of each category, one sequence each, turning a little every frame."""

    frames: int = 6
    root: Path = Path("toys")
    dataset: str = "toys"
    report: ReadReport = field(default_factory=ReadReport)

    def sequences(self, split: str | None = None) -> Iterator[Sequence]:
        for category in sorted(SCALES):
            for number in range(2):
                instance = f"{category}-{number}"
                boxes = [
                    box_at(category, 0.2 * frame, 0.1 * number, 1.0 + 0.2 * number)
                    for frame in range(self.frames)
                ]
                views = tuple(
                    view_of(box, category, instance, frame) for frame, box in enumerate(boxes)
                )
                self.report.read += 1
                yield Sequence(f"{category}/{number}", self.dataset, "train", 30.0, views)


@dataclass(frozen=True)
class Query:
    """An uploaded picture, the request that goes with it, and the true box."""

    jpeg: bytes
    request: dict[str, Any]
    box: Box9


def make_query(category: str = "cup", yaw: float = 0.25) -> Query:
    """A picture of a box that is in no gallery, seen by the gallery's camera."""
    box = box_at(category, yaw, 0.05)
    view = view_of(box, category, "new", 0)
    jpeg = cv2.imencode(".jpg", cv2.cvtColor(view.image.load(), cv2.COLOR_RGB2BGR))[1].tobytes()
    request: dict[str, Any] = {
        "bbox": view.bbox_xyxy.tolist(),
        "camera": {"fx": CAMERA.fx, "fy": CAMERA.fy, "cx": CAMERA.cx, "cy": CAMERA.cy},
        "plane": {"center": PLANE.center.tolist(), "normal": PLANE.normal.tolist()},
        "k": 5,
    }
    return Query(jpeg, request, box)


@pytest.fixture(scope="session")
def query() -> Query:
    return make_query()


BuildToys = Callable[..., str]


@pytest.fixture(scope="session")
def build_toys(tiny_encoder: Path) -> BuildToys:
    """``build_toys(home_folder, name, frames)`` builds and promotes; the version."""
    encoder = Encoder.load(tiny_encoder, threads=1)

    def build(folder: Path, name: str = "toys", frames: int = 6, **reader: object) -> str:
        home = Home.open(folder, f"sqlite:///{folder / 'posebank.sqlite'}")
        toys = ToyReader(frames=frames, **reader)  # type: ignore[arg-type]
        built = build_index(home, name, [toys], encoder, encoder_folder=tiny_encoder, fps=None)
        return built.version

    return build


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory, build_toys: BuildToys) -> Path:
    """A home whose one index, `toys`, holds 24 views."""
    folder = tmp_path_factory.mktemp("home")
    build_toys(folder)
    return folder


@dataclass
class Live:
    """A server in this process, reached over a socket."""

    url: str
    client: httpx.Client

    def ask(
        self, route: str, image: bytes, request: str | dict[str, object] | None = None
    ) -> httpx.Response:
        """Posts an image with a request, which a text gives word for word."""
        text = request if isinstance(request, str) else json.dumps(request)
        data = {} if request is None else {"request": text}
        return self.client.post(route, files={"image": ("q.jpg", image)}, data=data)


Start = Callable[..., Live]


@pytest.fixture(scope="module")
def start() -> Iterator[Start]:
    """``start(home, wait=True, **settings)`` runs a server until the module's tests are done."""
    running: list[tuple[uvicorn.Server, threading.Thread, httpx.Client]] = []

    def run(home: Path, wait: bool = True, **settings: object) -> Live:
        # However slow the machine is, nobody is late unless a test is about that.
        chosen = Settings(
            home=home,
            database_url=f"sqlite:///{home / 'posebank.sqlite'}",
            refresh_seconds=0.1,
            **{"deadline_seconds": 60, **settings},  # type: ignore[arg-type]
        )
        taken = listen("127.0.0.1", 0)
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        app = create_app(chosen, url=url)
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [taken]}, daemon=True)
        thread.start()
        client = httpx.Client(base_url=url, timeout=30)
        running.append((server, thread, client))
        wait_until(lambda: server.started)
        if wait:
            wait_until(lambda: client.get("/readyz").status_code == 200)
        return Live(url, client)

    yield run
    for server, _, client in running:
        client.close()
        server.should_exit = True
    for _, thread, _ in running:
        thread.join(20)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Clients that wait for their answers."""
    with ThreadPoolExecutor(64) as pool:
        yield pool


def ask_alone(url: str, query: Query) -> httpx.Response:
    """One question over a connection of its own."""
    with httpx.Client(base_url=url, timeout=30) as client:
        return Live(url, client).ask("/pose/estimate", query.jpeg, query.request)


def wait_until(met: Callable[[], bool], seconds: float = 20.0) -> None:
    """Returns when ``met()`` is true; fails after ``seconds``."""
    end = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def live(start: Start, home: Path) -> Live:
    """A server of the toys."""
    return start(home)


def assert_problem(answer: httpx.Response, status: int, slug: str) -> dict[str, object]:
    """Every refusal has one shape: problem+json with a title, a detail and a remedy."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["type"] == f"urn:posebank:problem:{slug}"
    for key in ("title", "detail", "remedy"):
        assert isinstance(problem[key], str)
        assert len(problem[key]) > 5
    assert problem["instance"] == f"urn:posebank:request:{answer.headers['x-request-id']}"
    assert "Traceback" not in answer.text
    return dict(problem)
