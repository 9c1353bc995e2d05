"""The crop cache: what it holds, what it survives, what it refuses."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from training import cache
from training.cache import CropPlan, build_cache
from training.data.crop import crop_view
from training.data.records import ImageRGB, View
from training.errors import DataError


@dataclass(frozen=True)
class Painted:
    """An image made of its seed; counts how often it is decoded."""

    seed: int
    decoded: list[int]
    broken: bool = False

    @property
    def reference(self) -> str:
        return f"painted#{self.seed}"

    def load(self) -> ImageRGB:
        self.decoded.append(self.seed)
        if self.broken:
            raise DataError(f"{self.reference} is broken.", "Paint it again.")
        return np.random.default_rng(self.seed).integers(0, 256, (30, 40, 3), dtype=np.uint8)


def plan(decoded: list[int], broken: int | None = None) -> CropPlan:
    sequences = [
        [
            View(
                Painted(seed, decoded, seed == broken),
                np.array([5.0, 4.0, 25.0, 24.0 + seed % 3]),
                "thing",
                "things",
                frame,
            )
            for frame, seed in enumerate(range(first, first + 3))
        ]
        for first in (0, 3, 6)
    ]
    return CropPlan(sequences, size=16, margin=1.2)


def every_row(built: cache.CropCache) -> ImageRGB:
    return built.rows(np.arange(len(built)))


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "SHARD_CROPS", 3)


@pytest.mark.parametrize("in_memory", [True, False])
def test_rows_are_the_crops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_memory: bool
) -> None:
    if not in_memory:
        monkeypatch.setattr(cache, "IN_MEMORY_BYTES", 0)
    wanted = plan([])
    built = build_cache(tmp_path / "c", wanted)
    views = [view for sequence in wanted.sequences for view in sequence]
    order = np.array([8, 0, 4, 4, 1])
    for row, crop in zip(order, built.rows(order), strict=True):
        expected = crop_view(views[row].image.load(), views[row].bbox_xyxy, 16, 1.2)
        np.testing.assert_array_equal(crop, expected)


def test_an_interrupted_build_goes_on_and_ends_the_same(tmp_path: Path) -> None:
    whole = every_row(build_cache(tmp_path / "whole", plan([])))

    class Killed(BaseException):
        pass

    def stop(done: int, total: int) -> None:
        raise Killed

    first: list[int] = []
    with pytest.raises(Killed):
        build_cache(tmp_path / "cut", plan(first), stop, workers=1)
    missing = tmp_path / "cut" / "shard-00002.npy"
    missing.unlink(missing_ok=True)
    second: list[int] = []
    resumed = build_cache(tmp_path / "cut", plan(second))
    np.testing.assert_array_equal(every_row(resumed), whole)
    assert len(second) < 9
    third: list[int] = []
    build_cache(tmp_path / "cut", plan(third))
    assert third == []


def test_another_plan_replaces_the_cache(tmp_path: Path) -> None:
    build_cache(tmp_path, plan([]))
    other = CropPlan(plan([]).sequences, size=8, margin=1.0)
    assert every_row(build_cache(tmp_path, other)).shape == (9, 8, 8, 3)


def test_a_broken_image_fails_alone_with_its_reason(tmp_path: Path) -> None:
    for _ in range(2):  # built, then opened
        built = build_cache(tmp_path, plan([], broken=4))
        assert built.failed == {4: "painted#4 is broken."}


def test_nothing_to_cut_is_an_error(tmp_path: Path) -> None:
    decoded: list[int] = []
    view = View(Painted(0, decoded, broken=True), np.array([0.0, 0, 9, 9]), "a", "b")
    with pytest.raises(DataError, match="None of the 1 views"):
        build_cache(tmp_path, CropPlan([[view]], 8, 1.0))


def test_a_full_disk_is_named_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from types import SimpleNamespace

    monkeypatch.setattr(cache.shutil, "disk_usage", lambda path: SimpleNamespace(free=10))
    decoded: list[int] = []
    with pytest.raises(DataError, match="crop cache needs"):
        build_cache(tmp_path, plan(decoded))
    assert decoded == []
