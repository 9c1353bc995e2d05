"""The figures of the protocols as pure functions on arrays; no loop over pairs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def azimuth_error_deg(a_deg: NDArray[np.floating], b_deg: NDArray[np.floating]) -> Floats:
    """Angle between directions in degrees, wrapped to [0, 180]; broadcasts. NaN stays NaN."""
    difference = np.asarray(a_deg, np.float64) - np.asarray(b_deg, np.float64)
    return np.abs((difference + 180.0) % 360.0 - 180.0)


def ranking_scores(
    similarity: NDArray[np.floating], positive: NDArray[np.bool_], allowed: NDArray[np.bool_]
) -> tuple[Floats, Floats]:
    """Average precision and rank-1 of each query's ranking of the gallery.

    ``similarity`` (Q, G), ``positive`` and ``allowed`` (Q, G) bool: entries not allowed are taken
    out of the ranking and out of the totals. Returns (Q,) average precisions
    ``AP = (1/|P|) sum over p in P of precision at the rank of p`` and (Q,) rank-1 accuracies;
    NaN where a query has no allowed positive. Entries of equal similarity share the precision at
    the end of their tie, and rank-1 is then the share of positives among the tied best, so the
    order of the gallery cannot help: an encoder that has collapsed to one point scores chance.

    The released code sets the query's own similarity to 0 but counts it among the total, so there
    a perfect ranking of n views scores (n - 2) / n; here it scores 1 (ours).
    """
    ranked = np.where(allowed, similarity, -np.inf)
    order = np.argsort(-ranked, axis=1)
    values = np.take_along_axis(ranked, order, axis=1)
    hits = np.take_along_axis(positive & allowed, order, axis=1)
    found = np.cumsum(hits, axis=1)
    end = _end_of_tie(values)
    precision = np.take_along_axis(found, end, axis=1) / (end + 1)
    total = found[:, -1].astype(np.float64) if found.shape[1] else np.zeros(len(found))
    with np.errstate(invalid="ignore", divide="ignore"):
        average_precision = (precision * hits).sum(axis=1) / total
        rank1 = np.where(total > 0, precision[:, 0] if precision.shape[1] else np.nan, np.nan)
    return average_precision, rank1


def top_k_hits(
    similarity: NDArray[np.floating], positive: NDArray[np.bool_], ks: Sequence[int]
) -> Floats:
    """(len(ks), Q) whether a positive is among the k most similar entries of each query's row.

    ``similarity`` and ``positive`` are (Q, G). Where the k-th place is tied, the chance of a
    positive among the places the tie fills, if drawn at random, so the order of the gallery cannot
    help: with m entries tied, r of them positive, for s places, 1 - C(m - r, s) / C(m, s).
    """
    width = similarity.shape[1]
    if not width:
        return np.zeros((len(ks), len(similarity)))
    deepest = min(max(ks), width)
    top = -np.sort(np.partition(-similarity, deepest - 1, axis=1)[:, :deepest], axis=1)
    best = np.where(positive, similarity, -np.inf).max(axis=1)
    hits = np.zeros((len(ks), len(similarity)))
    for row, k in zip(hits, ks, strict=True):
        border = top[:, min(k, width) - 1]
        row[best > border] = 1.0
        for query in np.flatnonzero(best == border):
            tied = similarity[query] == border[query]
            places = min(k, width) - int((similarity[query] > border[query]).sum())
            count, wanted = int(tied.sum()), int((tied & positive[query]).sum())
            row[query] = 1.0 - math.comb(count - wanted, places) / math.comb(count, places)
    return hits


def _end_of_tie(values: NDArray[np.floating]) -> NDArray[np.intp]:
    """(Q, G) sorted rows to the last column that holds the same value as each column."""
    width = values.shape[1]
    columns = np.arange(width)
    last = np.ones(values.shape, dtype=bool)
    last[:, :-1] = values[:, 1:] != values[:, :-1]
    ends = np.where(last, columns, width)
    return np.minimum.accumulate(ends[:, ::-1], axis=1)[:, ::-1]


def mean_or_none(values: NDArray[np.floating]) -> float | None:
    """Mean of the values that are not NaN; None where there are none (JSON has no NaN)."""
    known = np.asarray(values, np.float64)
    known = known[~np.isnan(known)]
    return float(known.mean()) if known.size else None


def median_or_none(values: NDArray[np.floating]) -> float | None:
    """Median of the values that are not NaN; None where there are none."""
    known = np.asarray(values, np.float64)
    known = known[~np.isnan(known)]
    return float(np.median(known)) if known.size else None


def by_category(
    values: NDArray[np.floating], categories: NDArray[np.str_]
) -> dict[str, float | None]:
    """Mean of ``values`` (Q,) within each category, sorted by name, and their macro ``mean``.

    The macro mean weighs every category the same, as the paper's "overall" column does.
    """
    means: dict[str, float | None] = {
        str(name): mean_or_none(values[categories == name]) for name in np.unique(categories)
    }
    return {**means, "mean": macro_mean(means)}


def macro_mean(means: Mapping[str, float | None]) -> float | None:
    """Unweighted mean of the categories that have a value."""
    known = [value for value in means.values() if value is not None]
    return float(np.mean(known)) if known else None
