"""Seeded draws: which queries are asked, which sequences are kept."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]


def sample_rows(candidates: Rows, at_most: int | None, rng: np.random.Generator) -> Rows:
    """All candidates, or ``at_most`` of them drawn without replacement; sorted."""
    if at_most is None or at_most >= len(candidates):
        return candidates
    return np.sort(rng.choice(candidates, size=at_most, replace=False))


def sequence_subset(
    sequence: NDArray[np.str_], share: float, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """(N,) bool: the view's sequence is among a random ``share`` of the sequences.

    The number kept is ``max(1, round(share * sequences))``: where the share is less than one
    sequence, one sequence stays, whichever category it films. Sequences are drawn over all
    categories at once, as in the released code.
    """
    names = np.unique(sequence)
    count = max(1, round(share * len(names)))
    return np.isin(sequence, rng.choice(names, size=count, replace=False))
