"""The confidence of a version: its own views asked against the other things of the gallery."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from index.answers.held_out import OtherThings, Rows, calibrate, sample_queries
from index.answers.references import references_of
from index.building.plan import Plan
from index.building.progress import Observer
from index.building.shards import ShardFile, shard_path
from index.confidence import Confidence

HEADS: Final = ("pose", "identity")
"""What answers the question for a pose: the first of these that there is."""

SHARDS_AT_ONCE: Final = 16
"""Shards compared in one product, about 4,000 views."""


def fit_confidence(
    plan: Plan, work: Path, heads: tuple[str, ...], observer: Observer
) -> Confidence | None:
    """The calibrations of a finished plan, None where too few views have boxes.

    Raises BrokenShardError.
    """
    head = next((name for name in HEADS if name in heads), None)
    positions = np.concatenate(
        [ShardFile(shard_path(work, number)).positions()[0] for number in range(len(plan.shards))]
    )
    views = [plan.sequences[p].views[v] for p, v in positions.tolist()]
    annotated = np.array([v.box9 is not None and v.camera is not None for v in views], dtype=bool)
    rows = sample_queries(annotated)
    if head is None or not len(rows):
        return None
    observer.step(f"measuring the confidence on {len(rows)} held-out views")
    datasets = [plan.sequences[p].dataset for p in positions[:, 0].tolist()]
    things = list(zip(datasets, (view.instance for view in views), strict=True))
    instance = _codes(things)
    others = OtherThings(rows, _vectors_of(plan, work, head, rows), instance, positions[:, 0])
    for vectors in _parts(plan, work, head):
        others.add(vectors)
    wanted, place = np.unique(others.rows, return_inverse=True)
    references = references_of([views[max(row, 0)] for row in wanted.tolist()])
    references.rotation[wanted < 0] = np.nan  # there were fewer neighbours than are asked
    return calibrate(
        head,
        references_of([views[row] for row in rows.tolist()]),
        references.take(place.ravel()),
        others.similarity.astype(np.float64),
        instance[rows],
    )


def _codes(names: list[tuple[str, str]]) -> Rows:
    """(N,) numbers, equal where the names are; in the order of first sight."""
    seen: dict[tuple[str, str], int] = {}
    return np.array([seen.setdefault(name, len(seen)) for name in names], dtype=np.int64)


def _parts(plan: Plan, work: Path, head: str) -> Iterator[NDArray[np.float32]]:
    """The vectors of all views in row order, some shards at a time."""
    for first in range(0, len(plan.shards), SHARDS_AT_ONCE):
        numbers = range(first, min(first + SHARDS_AT_ONCE, len(plan.shards)))
        yield np.concatenate([ShardFile(shard_path(work, n)).vectors(head) for n in numbers])


def _vectors_of(plan: Plan, work: Path, head: str, rows: Rows) -> NDArray[np.float32]:
    """(n, dim) the vectors of these rows, which are sorted."""
    chosen, start = [], 0
    for vectors in _parts(plan, work, head):
        inside = rows[(rows >= start) & (rows < start + len(vectors))]
        chosen.append(vectors[inside - start])
        start += len(vectors)
    return np.concatenate(chosen)
