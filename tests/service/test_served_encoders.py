"""Encoders of the served indexes: loaded once, tried again where that fails, let go when unused."""

from __future__ import annotations

import gc
import shutil
from pathlib import Path
from weakref import ref

import pytest

from index.build import build_index
from index.home import Home
from service import serving as module
from service.serving import Serving
from service.settings import Settings
from tests.service.conftest import ToyReader, wait_until
from training.encoder import Encoder


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LEAST_WAIT_S", 0.0)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, database_url=f"sqlite:///{tmp_path / 'posebank.sqlite'}")


def build(settings: Settings, encoder: Path, name: str = "toys", frames: int = 2) -> None:
    home = Home.open(settings.home, settings.database_url)
    loaded = Encoder.load(encoder, threads=1)
    build_index(home, name, [ToyReader(frames=frames)], loaded, encoder_folder=encoder, fps=None)


def copied(encoder: Path, to: Path) -> Path:
    return Path(shutil.copytree(encoder, to))


def test_one_whose_files_come_later_is_taken_up(
    settings: Settings, tiny_encoder: Path, tmp_path: Path
) -> None:
    """As where its folder is still being copied, the description first."""
    folder = copied(tiny_encoder, tmp_path / "encoder")
    build(settings, folder)
    graph = next(folder.glob("*.onnx"))
    graph.rename(tmp_path / "later")
    serving = Serving(settings)
    serving.refresh()
    assert serving.not_ready is not None
    assert graph.name in serving.not_ready.message
    (tmp_path / "later").rename(graph)

    def ready() -> bool:
        serving.refresh()
        return serving.not_ready is None

    wait_until(ready)


def test_a_folder_put_right_is_looked_at_at_once(
    settings: Settings, tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long its broken state was not to be looked at again."""
    monkeypatch.setattr(module, "LEAST_WAIT_S", 3600.0)
    folder = copied(tiny_encoder, tmp_path / "encoder")
    build(settings, folder)
    (folder / "encoder.json").write_text("{}")
    serving = Serving(settings)
    for _ in range(2):
        serving.refresh()
        assert serving.not_ready is not None
    shutil.copy(tiny_encoder / "encoder.json", folder)
    serving.refresh()
    assert serving.not_ready is None


def test_the_error_that_is_kept_holds_nothing_else(
    settings: Settings, tiny_encoder: Path, tmp_path: Path
) -> None:
    """Its frames would hold galleries, and grow each time it is raised."""
    folder = copied(tiny_encoder, tmp_path / "encoder")
    build(settings, folder)
    shutil.rmtree(folder)
    serving = Serving(settings)
    for _ in range(3):
        serving.refresh()
        error = serving.unserved["toys"]
        assert error.__traceback__ is None
        assert error.__cause__ is error.__context__ is None


def test_one_that_fails_for_want_of_memory_fails_alone(
    settings: Settings, tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = copied(tiny_encoder, tmp_path / "large")
    build(settings, tiny_encoder, "small")
    build(settings, large, "large")
    load = Encoder.load

    def short_of_memory(folder: Path, **options: object) -> Encoder:
        if folder == large:
            raise MemoryError("cannot allocate")
        return load(folder, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Encoder, "load", short_of_memory)
    serving = Serving(settings)
    serving.refresh()
    assert list(serving.served) == ["small"]
    told = serving.unserved["large"].message
    assert told == f"The encoder {large} cannot be loaded: MemoryError: cannot allocate."


def test_one_that_no_index_needs_any_more_is_let_go(
    settings: Settings, tiny_encoder: Path, tmp_path: Path
) -> None:
    build(settings, tiny_encoder)
    serving = Serving(settings)
    serving.refresh()
    first = ref(serving.served["toys"].encoder)
    build(settings, copied(tiny_encoder, tmp_path / "other"), frames=3)
    serving.refresh()
    assert serving.served["toys"].encoder is not first()
    gc.collect()
    assert first() is None


def test_a_training_runs_folder_is_loaded_once(
    settings: Settings, tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    copied(tiny_encoder, run / "encoder")
    for name in ("one", "two"):
        build(settings, run, name)
    loaded = []
    load = Encoder.load
    monkeypatch.setattr(
        Encoder, "load", lambda *given, **more: loaded.append(given) or load(*given, **more)
    )
    serving = Serving(settings)
    serving.refresh()
    assert sorted(serving.served) == ["one", "two"]
    assert len(loaded) == 1
