"""PCA of an embedding, whitened or not, fitted on the training crops without any label (ours).

Pooled features share one large common direction and a few loud ones, so cosines crowd near 1 and
those directions decide every neighbour. Whitening gives each of the kept directions equal weight;
plain PCA only centres and shortens, so that embeddings can be compared at equal dimension.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FLOOR = 1e-6
"""Variances below this share of the largest are raised to it: noise is not blown up."""


def fit_whitening(
    embeddings: NDArray[np.float32], dim: int, power: float = 1.0
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """``weight`` (d, D) and ``bias`` (d,) with weight @ y + bias centred and decorrelated.

    A direction of variance v ends with the variance v^(1 − power): 1 for ``power`` = 1
    (whitening), v for 0 (plain PCA). ``embeddings`` (N, D); d is ``dim``, or less where D or
    N − 1 allow no more. Directions come in order of falling variance, each with its largest entry
    positive, so the result is unique.
    """
    y = embeddings.astype(np.float64)
    mean = y.mean(axis=0)
    dim = min(dim, y.shape[1], len(y) - 1)
    variance, directions = _principal(y - mean, dim)
    signs = np.sign(directions[np.abs(directions).argmax(axis=0), np.arange(dim)])
    scale = np.maximum(variance, FLOOR * variance[0]) ** (power / 2)
    weight = (directions * signs / scale).T
    return weight.astype(np.float32), (-weight @ mean).astype(np.float32)


def _principal(
    centred: NDArray[np.float64], dim: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The ``dim`` largest variances of (N, D) rows, falling, and their directions (D, dim).

    By way of the smaller of the two product matrices, (D, D) or (N, N).
    """
    count, width = centred.shape
    if width <= count:
        variance, directions = np.linalg.eigh(centred.T @ centred / (count - 1))
        return variance[::-1][:dim], directions[:, ::-1][:, :dim]
    variance, weights = np.linalg.eigh(centred @ centred.T / (count - 1))
    directions = centred.T @ weights[:, ::-1][:, :dim]
    norms = np.linalg.norm(directions, axis=0)
    return variance[::-1][:dim], directions / np.maximum(norms, np.finfo(np.float64).tiny)
