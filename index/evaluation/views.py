"""The views a protocol works on, as one table: records beside arrays of their labels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from training.data.records import Sequence, View
from training.errors import DataError

Texts = NDArray[np.str_]


@dataclass(frozen=True, eq=False)
class ViewTable:
    """N views and, row by row, the sequence and split they come from.

    ``has_clock`` (N,) bool: the view's sequence has a frame rate, so ``time_s`` means seconds.
    """

    views: tuple[View, ...]
    sequence: Texts
    split: Texts
    has_clock: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.views)

    def take(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> ViewTable:
        """The table of these rows: (n,) numbers, or an (N,) mask."""
        chosen = np.arange(len(self))[rows]
        return ViewTable(
            views=tuple(self.views[row] for row in chosen),
            sequence=self.sequence[chosen],
            split=self.split[chosen],
            has_clock=self.has_clock[chosen],
        )

    @cached_property
    def instance(self) -> Texts:
        """(N,) identity of each view."""
        return np.array([view.instance for view in self.views], dtype=np.str_)

    @cached_property
    def category(self) -> Texts:
        """(N,) category of each view."""
        return np.array([view.category for view in self.views], dtype=np.str_)

    @cached_property
    def frame(self) -> NDArray[np.int64]:
        """(N,) native frame number of each view in its sequence."""
        return np.array([view.frame for view in self.views], dtype=np.int64)

    @cached_property
    def time_s(self) -> NDArray[np.float64]:
        """(N,) seconds since the start of the sequence."""
        return np.array([view.time_s for view in self.views], dtype=np.float64)

    def attribute(self, name: str) -> NDArray[np.float64]:
        """(N,) a number that every view's dataset knows. Raises DataError where one lacks it."""
        values = [view.attributes.get(name) for view in self.views]
        for view, value in zip(self.views, values, strict=True):
            if value is None:
                raise DataError(
                    f"The view {view.image.reference} has no attribute '{name}'.",
                    "Use the dataset this protocol is made for, or --kind to name its reader.",
                )
        return np.array(values, dtype=np.float64)


def view_table(sequences: Iterable[Sequence]) -> ViewTable:
    """All views of the sequences, in their order. Raises DataError where there is none."""
    views: list[View] = []
    names: list[str] = []
    splits: list[str] = []
    clocks: list[bool] = []
    for sequence in sequences:
        count = len(sequence.views)
        views += sequence.views
        names += [sequence.id] * count
        splits += [sequence.split] * count
        clocks += [sequence.fps > 0] * count
    if not views:
        raise DataError(
            "No view was found to evaluate.", "Check --root, --split and the reader's report."
        )
    return ViewTable(
        views=tuple(views),
        sequence=np.array(names, dtype=np.str_),
        split=np.array(splits, dtype=np.str_),
        has_clock=np.array(clocks, dtype=np.bool_),
    )
