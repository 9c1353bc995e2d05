"""Seeded choices of what is shown: a fair share of every category."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from index.evaluation.views import ViewTable

Rows = NDArray[np.int64]


def by_turns(labels: NDArray[np.str_], rng: np.random.Generator) -> Rows:
    """All positions of ``labels`` (N,) in a random order that takes one of each label in turn."""
    order = rng.permutation(len(labels))
    shuffled = labels[order]
    turn = np.zeros(len(labels), dtype=np.int64)
    for label in np.unique(labels):
        mine = shuffled == label
        turn[mine] = np.arange(int(mine.sum()))
    return order[np.lexsort((shuffled, turn))]


def track_names(table: ViewTable) -> NDArray[np.str_]:
    """(N,) a name for each view that the views of its instance in its sequence share."""
    return np.char.add(np.char.add(table.sequence, "\n"), table.instance)


def first_of_each(ordered: Rows, labels: NDArray[np.str_]) -> Rows:
    """Those of ``ordered`` whose label, in ``labels`` (N,) by the same numbers, none has before."""
    firsts = np.unique(labels[ordered], return_index=True)[1]
    return ordered[np.sort(firsts)]


def sample_by_turns(labels: NDArray[np.str_], at_most: int, rng: np.random.Generator) -> Rows:
    """At most so many positions of ``labels``, of each label as many or one fewer, by label."""
    chosen = by_turns(labels, rng)[:at_most]
    return chosen[np.lexsort((chosen, labels[chosen]))]
