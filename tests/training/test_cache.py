"""The crop cache: what it holds, what it survives, what it refuses."""

from __future__ import annotations

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from training import appearing, cache
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
        if done == 5:
            raise Killed

    first: list[int] = []
    with pytest.raises(Killed):
        build_cache(tmp_path / "cut", plan(first), stop, workers=1)
    (tmp_path / "cut" / "shard-00001.npy.partial").write_bytes(b"left by a kill")
    second: list[int] = []
    resumed = build_cache(tmp_path / "cut", plan(second))
    np.testing.assert_array_equal(every_row(resumed), whole)
    assert sorted(second) == [3, 4, 5, 6, 7, 8]
    assert not list((tmp_path / "cut").glob("*.partial"))
    third: list[int] = []
    build_cache(tmp_path / "cut", plan(third))
    assert third == []


def test_another_plan_replaces_the_cache(tmp_path: Path) -> None:
    build_cache(tmp_path, plan([]))
    other = CropPlan(plan([]).sequences, size=8, margin=1.0)
    assert every_row(build_cache(tmp_path, other)).shape == (9, 8, 8, 3)


def test_files_of_others_are_not_deleted(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    (tmp_path / "folder").mkdir()
    build_cache(tmp_path, plan([]))
    build_cache(tmp_path, CropPlan(plan([]).sequences, size=8, margin=1.0))
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_a_run_that_goes_on_refuses_other_data(tmp_path: Path) -> None:
    build_cache(tmp_path, plan([]))
    build_cache(tmp_path, plan([]), replace=False)
    other = CropPlan(plan([]).sequences[:2], size=16, margin=1.2)
    with pytest.raises(DataError, match="holds 9 crops of other data; this run has 6"):
        build_cache(tmp_path, other, replace=False)
    assert len(build_cache(tmp_path, plan([]), replace=False)) == 9


def test_progress_counts_every_crop_to_the_end(tmp_path: Path) -> None:
    heard: list[tuple[int, int]] = []
    build_cache(tmp_path, plan([], broken=4), lambda *counts: heard.append(counts))
    assert heard == [(n, 9) for n in range(10)]


def test_two_processes_of_a_run_cut_once(tmp_path: Path) -> None:
    decoded: list[int] = []
    with ThreadPoolExecutor(2) as pool:
        built = list(pool.map(lambda _: build_cache(tmp_path, plan(decoded)), range(2)))
    assert sorted(decoded) == list(range(9))
    np.testing.assert_array_equal(*map(every_row, built))


def test_a_disk_that_fills_up_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    build_cache(tmp_path, plan([]))
    (tmp_path / "shard-00001.npy").unlink()
    monkeypatch.setattr(appearing.os, "fsync", full)
    with pytest.raises(DataError, match="No space left"):
        build_cache(tmp_path, plan([]))


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
