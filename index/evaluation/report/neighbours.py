"""Figure 3 of the paper: the nearest views of a query, with and without its own sequence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from index.evaluation.neighbours import PairMask, Rows
from index.evaluation.reid import same_label
from index.evaluation.report.pictures import Picture, Pictures
from index.evaluation.report.sampling import sample_by_turns
from index.evaluation.views import ViewTable

QUERIES = 10
SHOWN = 8

ANY = "own sequence included"
OTHER = "other sequences"


@dataclass(frozen=True)
class Neighbour:
    """A crop that was found: ``verdict`` is ``instance``, ``category`` or ``wrong``."""

    picture: Picture
    similarity: str
    instance: str
    category: str
    verdict: str
    own_sequence: bool


@dataclass(frozen=True)
class Line:
    """What one head found in one gallery, best first."""

    heading: str
    neighbours: tuple[Neighbour, ...]


@dataclass(frozen=True)
class Shown:
    """A query and its lines."""

    picture: Picture
    instance: str
    category: str
    lines: tuple[Line, ...]


def show_neighbours(
    table: ViewTable,
    heads: Mapping[str, NDArray[np.float32]],
    queries: Rows,
    allowed: PairMask,
    pictures: Pictures,
    rng: np.random.Generator,
) -> list[Shown]:
    """QUERIES of the ``queries`` (Q,) rows with the SHOWN nearest views of every head.

    ``heads[name]`` is (N, dim); ``allowed`` takes positions in ``queries``.
    """
    positions = sample_by_turns(table.category[queries], QUERIES, rng).astype(np.intp)
    reach = allowed(positions)
    own = same_label(table.sequence, queries)(positions)
    return [
        _show(table, heads, int(row), reach[at], own[at], pictures)
        for at, row in enumerate(queries[positions])
    ]


def _show(
    table: ViewTable,
    heads: Mapping[str, NDArray[np.float32]],
    row: int,
    reach: NDArray[np.bool_],
    own: NDArray[np.bool_],
    pictures: Pictures,
) -> Shown:
    """One query; ``reach`` (N,) may answer it, ``own`` (N,) are of its sequence."""
    lines = []
    for head, vectors in heads.items():
        similarity = vectors @ vectors[row]
        galleries = {ANY: reach, OTHER: reach & ~own}
        if (table.sequence == table.sequence[0]).all():
            del galleries[OTHER]
        for gallery, mask in galleries.items():
            order = np.argsort(np.where(mask, -similarity, np.inf), kind="stable")
            best = order[: min(SHOWN, int(mask.sum()))]
            found = [_neighbour(table, row, one, similarity[one], pictures) for one in best]
            lines.append(Line(f"{head}: {gallery}" if len(heads) > 1 else gallery, tuple(found)))
    view = table.views[row]
    picture = pictures.crop(view, f"Query: {view.category}, {view.instance}")
    return Shown(picture, view.instance, view.category, tuple(lines))


def _neighbour(
    table: ViewTable, query: int, row: int, similarity: float, pictures: Pictures
) -> Neighbour:
    view, asked = table.views[row], table.views[query]
    if view.instance == asked.instance:
        verdict = "instance"
    else:
        verdict = "category" if view.category == asked.category else "wrong"
    return Neighbour(
        picture=pictures.crop(view),
        similarity=f"{similarity:.3f}",
        instance=view.instance,
        category=view.category,
        verdict=verdict,
        own_sequence=bool(table.sequence[row] == table.sequence[query]),
    )
