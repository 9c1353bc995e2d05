"""An index is served only where its encoder embeds as it did at the build."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from index.building import assemble
from index.manifest import Manifest
from service import serving as module
from service.doctor import examine
from service.serving import Serving
from service.settings import Settings
from tests.service.conftest import BuildToys, Live, Query, Start, assert_problem, wait_until
from training.encoder import Encoder


@pytest.fixture
def settings(home: Path) -> Settings:
    return Settings(home=home, database_url=f"sqlite:///{home / 'posebank.sqlite'}")


def first_axis(encoder: Encoder) -> dict[str, np.ndarray]:
    """What no encoder gives."""
    return {head: np.eye(1, dim)[0] for head, dim in encoder.heads.items()}


class Astray:
    """Crops as the encoder does, with red and blue swapped, as another library might."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        right = Encoder.encode

        def wrong(encoder: Encoder, crops: np.ndarray, batch_size: int = 64) -> object:
            return right(encoder, np.ascontiguousarray(crops[..., ::-1]), batch_size)

        monkeypatch.setattr(Encoder, "encode", wrong)


def test_the_encoder_of_the_build_is_taken(settings: Settings) -> None:
    serving = Serving(settings)
    serving.refresh()
    assert serving.not_ready is None
    assert serving.served["toys"].gallery.manifest.canary is not None


def test_one_that_embeds_otherwise_is_not_served(
    start: Start, home: Path, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    Astray(monkeypatch)
    server = start(home, wait=False)
    wait_until(lambda: "fixed image" in server.client.get("/readyz").text)
    problem = assert_problem(server.client.get("/readyz"), 503, "not-ready")
    assert "'toys' does not embed here" in str(problem["detail"])
    assert "constraints.txt" in str(problem["remedy"])
    assert_problem(server.ask("/pose/estimate", query.jpeg), 503, "not-ready")
    (index,) = server.client.get("/indexes").json()["indexes"]
    assert not index["served"]
    assert "fixed image" in index["reason"]
    text = server.client.get("/metrics").text
    assert "posebank_ready 0.0" in text
    assert 'posebank_index_unserved{index="toys"} 1.0' in text


def test_the_doctor_names_it(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    Astray(monkeypatch)
    report = examine(settings)
    (finding,) = (one for one in report.findings if one.what == "index toys")
    assert finding.state == "wrong"
    assert "fixed image" in finding.detail
    assert not report.ok


def test_a_new_version_that_fails_leaves_the_old_one_served(
    start: Start,
    tmp_path: Path,
    build_toys: BuildToys,
    query: Query,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = build_toys(tmp_path)
    server = start(tmp_path)
    with monkeypatch.context() as context:
        context.setattr("index.build.embed_canary", first_axis)
        build_toys(tmp_path, frames=4)

    def described() -> dict[str, object]:
        (index,) = server.client.get("/indexes").json()["indexes"]
        return dict(index)

    wait_until(lambda: described()["reason"] is not None)
    assert described()["version"] == first
    assert server.ask("/pose/estimate", query.jpeg).json()["index"]["version"] == first


def test_the_image_is_embedded_once_an_encoder(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedded = []
    embed = module.embed_canary

    def counted(encoder: Encoder) -> object:
        embedded.append(encoder.identity)
        return embed(encoder)

    monkeypatch.setattr(module, "embed_canary", counted)
    serving = Serving(settings)
    for _ in range(3):
        serving.refresh()
    assert len(embedded) == 1


def test_a_version_from_before_it_is_served(
    start: Start, tmp_path: Path, build_toys: BuildToys, monkeypatch: pytest.MonkeyPatch
) -> None:
    def before(**fields: Any) -> Manifest:
        return Manifest(**{**fields, "canary": None})

    with monkeypatch.context() as context:
        context.setattr(assemble, "Manifest", before)
        build_toys(tmp_path)
    server: Live = start(tmp_path)
    version = server.client.get("/version").json()["indexes"][0]["version"]
    text = (tmp_path / "indexes" / "toys" / version / "manifest.json").read_text("utf-8")
    assert "canary" not in text
