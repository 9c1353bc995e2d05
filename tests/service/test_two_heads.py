"""Pose and identity from one forward pass: in the exported graph, in a build, in a request."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from index.build import build_index
from index.home import Home
from index.search import Filters, Gallery
from index.stopwatch import Stopwatch
from service.desk import Desk, Turn
from service.forms import Question
from service.metrics import Metrics
from service.questions import estimate_pose
from service.schemas.answers import PoseAnswer
from service.schemas.query import QueryRequest
from service.serving import ServedIndex, Serving
from service.settings import Settings
from tests.service.conftest import Live, Query, Start, ToyReader
from training.artifact import EncoderInfo, Preprocessing
from training.data.records import ImageRGB
from training.encoder import Encoder

HEADS = {"pose": 2, "identity": 1}


def export(folder: Path, pools: dict[str, int]) -> Path:
    """An encoder folder of random weights with these heads, the name and its pool's grid."""
    torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")
    from training.export import export_encoder
    from training.networks import EncoderNetwork

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        network = EncoderNetwork("resnet10_w8", pools, Preprocessing(size=64))
    info = EncoderInfo(
        method="random",
        recipe="joint",
        backbone=network.backbone_name,
        heads=network.heads,
        preprocessing=network.preprocessing,
    )
    export_encoder(network, folder, info)
    return folder


@pytest.fixture(scope="module")
def joint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(tmp_path_factory.mktemp("joint") / "encoder", HEADS)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(tmp_path_factory.mktemp("alone") / "encoder", {"pose": 2})


class Counting(Encoder):
    """An encoder that counts the calls of ``encode`` and the crops in them."""

    calls: int
    crops: int

    @classmethod
    def of(cls, folder: Path) -> Counting:
        counting = cls.load(folder, backend="onnx", threads=1)
        assert isinstance(counting, cls)
        counting.calls = counting.crops = 0
        return counting

    def encode(self, crops: ImageRGB, batch_size: int = 64) -> dict[str, NDArray[np.float32]]:
        self.calls += 1
        self.crops += len(crops)
        return super().encode(crops, batch_size)


@pytest.fixture(scope="module")
def home(joint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home of the toys, embedded by the encoder with both heads."""
    folder = tmp_path_factory.mktemp("home")
    encoder = Counting.of(joint)
    home = Home.open(folder, f"sqlite:///{folder / 'posebank.sqlite'}")
    build_index(home, "toys", [ToyReader()], encoder, encoder_folder=joint, fps=None)
    assert encoder.crops == 24 + 1  # every view went through the network once, and the canary
    return folder


def test_the_trunk_of_the_graph_is_there_once(joint: Path, alone: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="onnx is not installed (extra: train)")

    def operations(folder: Path) -> Counter[str]:
        graph = onnx.load(folder / "encoder.onnx").graph
        return Counter(node.op_type for node in graph.node)

    assert operations(joint)["Conv"] == operations(alone)["Conv"] > 0


def test_a_build_holds_both_heads_in_one_version(home: Path) -> None:
    opened = Home.open(home, f"sqlite:///{home / 'posebank.sqlite'}")
    gallery = Gallery.open(opened, "toys")
    assert set(gallery.heads) == {"pose", "identity"}
    assert gallery.heads["pose"] == 4 * gallery.heads["identity"]
    files = {stored.file for stored in gallery.manifest.heads.values()}
    assert len(files) == 2
    assert all((opened.version_folder("toys", gallery.version) / name).exists() for name in files)


def test_one_request_is_one_forward_pass(home: Path, joint: Path, query: Query) -> None:
    settings = Settings(home=home, database_url=f"sqlite:///{home / 'posebank.sqlite'}")
    gallery = Gallery.open(Home.open(home, settings.database_url), "toys")
    encoder = Counting.of(joint)
    desk = Desk(settings, Metrics(Serving(settings)))
    turn = Turn(desk, time.monotonic() + 60, Stopwatch())
    request = QueryRequest.model_validate({**query.request, "reid": True}, strict=False)
    question = Question(query.jpeg, request)
    told = asyncio.run(estimate_pose(turn, ServedIndex(gallery, encoder), question, Filters()))
    desk.close()
    answer = PoseAnswer.model_validate_json(told)
    assert (encoder.calls, encoder.crops) == (1, 1)
    assert answer.head == "pose"
    assert answer.reid is not None
    assert (answer.reid.head, answer.reid.note) == ("identity", None)


@pytest.fixture(scope="module")
def served(start: Start, home: Path) -> Live:
    return start(home)


def test_both_answers_are_those_of_the_two_routes(served: Live, query: Query) -> None:
    both = served.ask("/pose/estimate", query.jpeg, {**query.request, "reid": True}).json()
    pose = served.ask("/pose/estimate", query.jpeg, query.request).json()
    reid = served.ask("/reid/search", query.jpeg, query.request).json()
    assert pose["reid"] is None
    assert (pose["head"], reid["head"], reid["note"]) == ("pose", "identity", None)
    assert both["reid"] == {key: reid[key] for key in ("head", "note", "matches")}
    assert both["neighbours"] == pose["neighbours"]
    assert len(both["reid"]["matches"]) == 4


def test_without_an_identity_head_pose_answers_and_says_so(
    start: Start, query: Query, alone: Path, tmp_path: Path
) -> None:
    home = Home.open(tmp_path, f"sqlite:///{tmp_path / 'posebank.sqlite'}")
    encoder = Encoder.load(alone, threads=1)
    build_index(home, "toys", [ToyReader()], encoder, encoder_folder=alone, fps=None)
    live = start(tmp_path)
    both = live.ask("/pose/estimate", query.jpeg, {**query.request, "reid": True}).json()
    assert both["reid"]["head"] == "pose"
    assert "no 'identity' head" in both["reid"]["note"]
