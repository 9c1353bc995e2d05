"""Which known instance a crop shows: neighbours grouped by instance."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from index.filters import NO_FILTERS, Filters
from index.gallery import Gallery, Neighbour
from index.stopwatch import Stopwatch

FIRST_POOL = 50
POOL_PER_MATCH = 10
"""Views ranked at first, at least and per match; more follow until enough instances are in."""


@dataclass(frozen=True, slots=True, eq=False)
class InstanceMatch:
    """One instance among the neighbours; ``views`` best first, ``similarity`` of the best.

    ``count`` is how many of the views searched show this instance.
    """

    dataset: str
    instance: str
    category: str
    similarity: float
    count: int
    views: tuple[Neighbour, ...]


@dataclass(frozen=True, slots=True, eq=False)
class ReidAnswer:
    """Instances by their best view, best first; ``searched`` views were looked at.

    ``note`` says where another head than the one wanted answered.
    """

    matches: tuple[InstanceMatch, ...]
    searched: int
    head: str
    note: str | None


def answer_reid(
    gallery: Gallery,
    embedding: NDArray[np.float32],
    k: int = 10,
    filters: Filters = NO_FILTERS,
    exclude_sequence: str | None = None,
    head: str = "identity",
    views_per_match: int = 5,
    watch: Stopwatch | None = None,
) -> ReidAnswer:
    """The ``k`` instances whose best view is nearest to the crop.

    ``embedding`` (dim,) float32 is the crop's, made by the head that ``gallery.resolve_head(head)``
    names. ``exclude_sequence`` leaves the query's own video out. ``watch`` gets the
    stages search and fetch. Raises QueryError.
    """
    watch = watch or Stopwatch()
    head, note = gallery.resolve_head(head)
    if exclude_sequence is not None:
        excluded = (*filters.exclude_sequence, exclude_sequence)
        filters = replace(filters, exclude_sequence=excluded)
    pool = max(FIRST_POOL, POOL_PER_MATCH * k)
    there_are: int | None = None
    while True:
        with watch.stage("search"):
            similarity, rows = gallery.rank(embedding, head, pool, filters)
            ranked = {int(row): float(s) for row, s in zip(rows[0], similarity[0], strict=True)}
            ranked.pop(-1, None)
            groups = _by_instance(gallery, list(ranked))
        if len(groups) < k and len(ranked) == pool:
            if there_are is None:
                there_are = gallery.count_instances(filters)
            if len(groups) < there_are:
                pool *= 4
                continue
        shown = [group[:views_per_match] for group in groups[:k]]
        with watch.stage("fetch"):
            views = gallery.views(np.array([row for group in shown for row in group], np.int64))
        if len(views) == sum(len(group) for group in shown):
            break  # else some view was deleted since: the next ranking leaves it out
    matches = [
        _match([Neighbour(ranked[row], views[row]) for row in group], len(groups[i]))
        for i, group in enumerate(shown)
    ]
    return ReidAnswer(tuple(matches), len(ranked), head, note)


def _by_instance(gallery: Gallery, rows: list[int]) -> list[list[int]]:
    """Rows, best first, gathered by instance; instances by their best row."""
    groups: dict[tuple[int, int], list[int]] = {}
    codes = gallery.instance_codes(np.array(rows, dtype=np.int64))
    for row, code in zip(rows, codes, strict=True):
        groups.setdefault(code, []).append(row)
    return list(groups.values())


def _match(views: list[Neighbour], count: int) -> InstanceMatch:
    best = views[0]
    return InstanceMatch(
        dataset=best.view.dataset,
        instance=best.view.instance,
        category=best.view.category,
        similarity=best.similarity,
        count=count,
        views=tuple(views),
    )
