"""From what a consensus looks like to the probability that it is right: fitting and judging it.

Logistic regression with a little ridge, by Newton's method; ours. Everything is deterministic, and
the numbers are rounded, so that a build repeated ends in the same bytes.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from index.answers.pooling import FEATURES
from index.confidence import Calibration, Reliability

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

RIDGE: Final = 1.0
"""Penalty on the squared weights of standardised features, in units of one query."""

LEAST_OF_EACH: Final = 20
"""Hits and misses needed to fit: fewer say nothing about ten features."""

FOLDS: Final = 5
BINS: Final = 10
STEPS: Final = 25
DIGITS: Final = 4


def fit_calibration(features: Floats, hit: Bools, group: NDArray[np.integer]) -> Calibration | None:
    """The calibration of N answers with ``features`` (N, 10), or None where they are too few.

    ``hit`` (N,) says which were right. Answers of one ``group`` (N,), an instance, are held out
    together when its reliability is measured.
    """
    if min(hit.sum(), (~hit).sum()) < LEAST_OF_EACH:
        return None
    held_out = np.full(len(hit), hit.mean())
    _, number = np.unique(group, return_inverse=True)
    for fold in range(FOLDS):
        rest = number % FOLDS != fold
        if rest.any() and not rest.all():
            mean, deviation, coefficients = _fit(features[rest], hit[rest])
            standard = (features[~rest] - mean) / deviation
            held_out[~rest] = _sigmoid(coefficients[0] + standard @ coefficients[1:])
    mean, deviation, coefficients = _fit(features, hit)
    return Calibration(
        features=FEATURES,
        mean=_rounded(mean),
        deviation=tuple(max(value, 10.0**-DIGITS) for value in _rounded(deviation)),
        weight=_rounded(coefficients[1:]),
        intercept=_rounded(coefficients[:1])[0],
        queries=len(hit),
        hits=int(hit.sum()),
        held_out=reliability(held_out, hit),
    )


def reliability(probability: Floats, hit: Bools) -> Reliability:
    """How good ``probability`` (N,) of ``hit`` (N,) was; N > 0."""
    brier = float(np.mean((probability - hit) ** 2))
    ece = sum(
        row["share"] * abs(row["confidence"] - row["hit_rate"])
        for row in reliability_bins(probability, hit)
    )
    ranked = auroc(probability, hit)
    return Reliability(
        brier=round(brier, DIGITS),
        ece=round(ece, DIGITS),
        auroc=None if ranked is None else round(ranked, DIGITS),
    )


def reliability_bins(probability: Floats, hit: Bools) -> list[dict[str, float]]:
    """Ten equal bins of probability, empty ones left out: the ``low`` end, the ``share`` of the
    answers, their mean ``confidence`` and their ``hit_rate``."""
    where = np.minimum((probability * BINS).astype(np.int64), BINS - 1)
    return [
        {
            "low": number / BINS,
            "share": float(np.mean(where == number)),
            "confidence": float(probability[where == number].mean()),
            "hit_rate": float(hit[where == number].mean()),
        }
        for number in np.unique(where).tolist()
    ]


def auroc(score: Floats, hit: Bools) -> float | None:
    """The chance that a hit scores above a miss, ties half (Mann & Whitney 1947); None where all
    are hits or all are misses."""
    hits, misses = int(hit.sum()), int((~hit).sum())
    if not hits or not misses:
        return None
    _, place, count = np.unique(score, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(count) - (count - 1) / 2.0
    return float((mean_rank[place][hit].sum() - hits * (hits + 1) / 2.0) / (hits * misses))


def _fit(features: Floats, hit: Bools) -> tuple[Floats, Floats, Floats]:
    """``(mean (F,), deviation (F,), coefficients (1 + F,))`` of the logistic regression."""
    mean, deviation = features.mean(axis=0), features.std(axis=0)
    deviation = np.where(deviation > 10.0**-DIGITS, deviation, 1.0)
    X = np.column_stack([np.ones(len(hit)), (features - mean) / deviation])
    penalty = np.full(X.shape[1], RIDGE)
    penalty[0] = 10.0**-DIGITS  # only to have a solution where all are hits
    b = np.zeros(X.shape[1])
    for _ in range(STEPS):
        p = _sigmoid(X @ b)
        gradient = X.T @ (hit - p) - penalty * b
        hessian = (X * (p * (1.0 - p))[:, None]).T @ X + np.diag(penalty)
        b += np.linalg.solve(hessian, gradient)
    return mean, deviation, b


def _sigmoid(logit: Floats) -> Floats:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * logit)))


def _rounded(values: Floats) -> tuple[float, ...]:
    return tuple(np.round(values, DIGITS).tolist())
