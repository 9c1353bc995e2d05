"""Which known instance a crop shows: neighbours grouped by instance."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from index.filters import NO_FILTERS, Filters
from index.gallery import Gallery, Neighbour

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
) -> ReidAnswer:
    """The ``k`` instances whose best view is nearest to the crop.

    ``embedding`` (dim,) float32 is the crop's, made by the head that ``gallery.resolve_head(head)``
    names. ``exclude_sequence`` leaves the query's own video out. Raises QueryError.
    """
    head, note = gallery.resolve_head(head)
    if exclude_sequence is not None:
        excluded = (*filters.exclude_sequence, exclude_sequence)
        filters = replace(filters, exclude_sequence=excluded)
    pool = max(FIRST_POOL, POOL_PER_MATCH * k)
    while True:
        neighbours = gallery.search(embedding, head, pool, filters)[0]
        groups: dict[tuple[str, str], list[Neighbour]] = {}
        for neighbour in neighbours:
            key = (neighbour.view.dataset, neighbour.view.instance)
            groups.setdefault(key, []).append(neighbour)
        if len(groups) >= k or len(neighbours) < pool:
            break
        pool *= 4
    matches = [
        InstanceMatch(
            dataset=dataset,
            instance=instance,
            category=views[0].view.category,
            similarity=views[0].similarity,
            count=len(views),
            views=tuple(views[:views_per_match]),
        )
        for (dataset, instance), views in groups.items()
    ]
    return ReidAnswer(tuple(matches[:k]), len(neighbours), head, note)
