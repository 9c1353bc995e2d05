"""From sequences to pairs of cache rows: windows, held-out part, order."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from training.cache import build_cache
from training.data.crop import crop_view
from training.dataset import Source, TrainingData, choose_held_out, load_source, plan_crops
from training.errors import DataError
from training.recipes import Recipe, load_recipe


def recipe(pairing: str, *overrides: str) -> Recipe:
    return load_recipe("small-nearby", [f"pairing={pairing}", "size=32", *overrides])


def prepare(root: Path, folder: Path, chosen: Recipe) -> TrainingData:
    loaded = [load_source(Source(root, "coil100"), chosen.data.fps)]
    return TrainingData(loaded, chosen, folder, lambda done, total: None)


def test_held_out_sequences_never_train(turntables: Path, tmp_path: Path) -> None:
    data = prepare(turntables, tmp_path, recipe("nearby", "heldout=0.2"))
    assert data.describe()["heldout_sequences"] == 1
    assert data.watched is not None
    queries = data.watched.rows[data.watched.views.is_query]
    assert len(queries) == 12
    assert not set(queries.tolist()) & set(data.pairs("pose", 0).ravel().tolist())
    assert len(data.pairs("pose", 0)) == 4 * 12  # closed rings: every view has a next one


def test_the_order_follows_from_seed_and_epoch(turntables: Path, tmp_path: Path) -> None:
    for pairing in ("nearby", "distant", "same-frame"):
        for crop in ("own", "first"):
            chosen = recipe(pairing, f"crop={crop}")
            once = prepare(turntables, tmp_path / "a", chosen)
            again = prepare(turntables, tmp_path / "b", chosen)
            np.testing.assert_array_equal(once.pairs("pose", 3), again.pairs("pose", 3))
            assert not np.array_equal(once.pairs("pose", 3), once.pairs("pose", 4))


def test_same_frame_pairs_are_one_crop(turntables: Path, tmp_path: Path) -> None:
    pairs = prepare(turntables, tmp_path, recipe("same-frame")).pairs("pose", 0)
    np.testing.assert_array_equal(pairs[:, 0], pairs[:, 1])


@pytest.mark.parametrize("partners", [[[0, 1], [1, 2]], [[0, 2], [2, 0], [1, 1]]])
def test_the_window_of_the_first_frame_cuts_both(
    turntables: Path, tmp_path: Path, partners: list[list[int]]
) -> None:
    (loaded,) = [load_source(Source(turntables, "coil100"), 5.0)]
    sequence = loaded.sequences[0]
    views = tuple(
        replace(view, bbox_xyxy=np.array([2.0 + i, 3.0, 30.0, 28.0 + i]))
        for i, view in enumerate(sequence.views[:3])
    )
    plan, base, (keys, rows) = plan_crops(
        [replace(sequence, views=views)], np.array(partners), size=24, margin=1.0
    )
    cached = build_cache(tmp_path, plan)
    for first, second in partners:
        row = rows[np.searchsorted(keys, first * 3 + second)]
        expected = crop_view(views[second].image.load(), views[first].bbox_xyxy, 24)
        np.testing.assert_array_equal(cached.rows(np.array([row]))[0], expected)
    for view, row in zip(views, base, strict=True):
        expected = crop_view(view.image.load(), view.bbox_xyxy, 24)
        np.testing.assert_array_equal(cached.rows(np.array([row]))[0], expected)


def test_too_few_pairs_are_refused(turntables: Path, tmp_path: Path) -> None:
    chosen = recipe("nearby")
    loaded = load_source(Source(turntables, "coil100"), 5.0)
    none = type(loaded)(loaded.dataset, loaded.kind, None, (), loaded.report)
    with pytest.raises(DataError):
        TrainingData([none], chosen, tmp_path, lambda done, total: None)


def test_how_much_is_held_out() -> None:
    assert [len(choose_held_out(n, 0.1, 0)) for n in (0, 3, 4, 20, 100)] == [0, 0, 1, 2, 10]
    assert choose_held_out(50, 0.0, 0) == frozenset()
    assert choose_held_out(50, 0.1, 1) == choose_held_out(50, 0.1, 1)
    assert choose_held_out(50, 0.1, 1) != choose_held_out(50, 0.1, 2)
