"""Exact nearest neighbours and rankings over embeddings, in chunks of one matrix product."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from index.evaluation.metrics import ranking_scores

Vectors = NDArray[np.float32]
Rows = NDArray[np.intp]
PairMask = Callable[[Rows], NDArray[np.bool_]]
"""Query rows (q,) to a (q, G) bool mask over the gallery."""

ENTRIES_AT_ONCE = 1 << 22
"""Similarities held at once: 16 MiB in float32, about 200 MiB while a chunk is ranked."""


def similarity_chunks(query: Vectors, gallery: Vectors) -> Iterator[tuple[Rows, Vectors]]:
    """Yields query rows (q,) and their inner products (q, G) float32 with the whole gallery."""
    step = max(1, ENTRIES_AT_ONCE // max(1, len(gallery)))
    for start in range(0, len(query), step):
        rows = np.arange(start, min(start + step, len(query)), dtype=np.intp)
        yield rows, query[rows] @ gallery.T


def nearest(query: Vectors, gallery: Vectors, allowed: PairMask | None = None) -> NDArray[np.int64]:
    """(Q,) gallery row of the most similar allowed view of each query; -1 where none is allowed.

    ``query`` (Q, dim) and ``gallery`` (G, dim) are L2-normalised. The first of equals wins.
    """
    best = np.full(len(query), -1, dtype=np.int64)
    if len(gallery) == 0:
        return best
    for rows, similarity in similarity_chunks(query, gallery):
        if allowed is None:
            best[rows] = similarity.argmax(axis=1)
            continue
        mask = allowed(rows)
        column = np.where(mask, similarity, -np.inf).argmax(axis=1)
        best[rows] = np.where(mask.any(axis=1), column, -1)
    return best


def nearest_k(query: Vectors, gallery: Vectors, k: int) -> tuple[NDArray[np.int64], Vectors]:
    """``(rows, similarity)`` (Q, k) of the ``k`` most similar views of each query, best first.

    All of the gallery where it has fewer. Arrays as for ``nearest``.
    """
    k = min(k, len(gallery))
    best = np.zeros((len(query), k), dtype=np.int64)
    values = np.zeros((len(query), k), dtype=np.float32)
    for rows, similarity in similarity_chunks(query, gallery):
        some = np.argpartition(-similarity, k - 1, axis=1)[:, :k]
        order = np.argsort(-np.take_along_axis(similarity, some, axis=1), axis=1, kind="stable")
        best[rows] = np.take_along_axis(some, order, axis=1)
        values[rows] = np.take_along_axis(similarity, best[rows], axis=1)
    return best, values


def rank_gallery(
    query: Vectors, gallery: Vectors, positive: PairMask, allowed: PairMask
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(Q,) average precision and (Q,) rank-1 of each query; NaN where it has no allowed positive.

    See ``metrics.ranking_scores`` for the formulas.
    """
    average_precision = np.full(len(query), np.nan)
    rank1 = np.full(len(query), np.nan)
    if len(gallery):
        for rows, similarity in similarity_chunks(query, gallery):
            average_precision[rows], rank1[rows] = ranking_scores(
                similarity, positive(rows), allowed(rows)
            )
    return average_precision, rank1
