"""Precision against recall of a ranking, so that the area under a curve is its mAP exactly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from index.evaluation.material import Floats, Ranking
from index.evaluation.neighbours import similarity_chunks
from index.evaluation.reid import same_label

BINS = 100


@dataclass(frozen=True, eq=False)
class Curve:
    """The mean of the queries' curves: ``precision`` (BINS,) over equal parts of the recall."""

    label: str
    n_queries: int
    precision: Floats

    @property
    def mean_average_precision(self) -> float:
        """The area under the curve."""
        return float(self.precision.mean())


def precision_by_recall(ranking: Ranking) -> Floats:
    """(Q, BINS) precision of each query in each part of the recall; NaN without a positive.

    The k-th of P positives, at the end of its tie, gives its precision to the recalls from
    (k - 1) / P to k / P; a part of the recall has the mean over its width. A row's mean is
    therefore the query's average precision as ``metrics.ranking_scores`` defines it.
    """
    table, queries = ranking.table, ranking.queries
    positive = same_label(table.instance, queries)
    curves = np.full((len(queries), BINS), np.nan)
    for rows, similarity in similarity_chunks(ranking.vectors[queries], ranking.vectors):
        allowed = ranking.allowed(rows)
        hits = positive(rows) & allowed
        for row, values, reach, hit in zip(rows, similarity, allowed, hits, strict=True):
            if hit.any():
                curves[row] = _curve(values[reach], values[hit])
    return curves


def _curve(ranked: NDArray[np.float32], found: NDArray[np.float32]) -> Floats:
    """(BINS,) from the similarities of all views that are ranked, and those of the positives."""
    ranked, found = np.sort(ranked), np.sort(found)
    at_or_above = len(ranked) - np.searchsorted(ranked, found)
    found_at_or_above = len(found) - np.searchsorted(found, found)
    precision = (found_at_or_above / at_or_above)[::-1]
    area = np.concatenate([[0.0], np.cumsum(precision)]) / len(found)
    recall = np.linspace(0.0, 1.0, len(found) + 1)
    return np.diff(np.interp(np.linspace(0.0, 1.0, BINS + 1), recall, area)) * BINS


def curves_by_label(curves: Floats, labels: NDArray[np.str_]) -> list[Curve]:
    """The mean curve of each label's queries, sorted by label; labels without any left out."""
    answered = ~np.isnan(curves[:, 0])
    return [
        Curve(str(label), int(mine.sum()), curves[mine].mean(axis=0))
        for label in np.unique(labels)
        if (mine := answered & (labels == label)).any()
    ]


def overall_curve(curves: Floats, label: str) -> Curve | None:
    """The mean curve of all queries; None where no query has a positive."""
    answered = curves[~np.isnan(curves[:, 0])]
    return Curve(label, len(answered), answered.mean(axis=0)) if len(answered) else None
