"""The columns that filters look at, integer-coded once per gallery."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from index.store.tables import sequences, version_rows, views


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """``codes`` (N,) int32 as ``code_of`` gives them; −1 where the row's metadata is gone."""

    code_of: dict[str, int]
    codes: NDArray[np.int32]

    @property
    def values(self) -> tuple[str, ...]:
        """The distinct values, in the order of their codes."""
        return tuple(self.code_of)

    def mask(self, wanted: tuple[str, ...]) -> NDArray[np.bool_]:
        """(N,) bool: the row's value is one of ``wanted``."""
        chosen = np.zeros(len(self.code_of) + 1, dtype=bool)  # the last place serves code −1
        chosen[[self.code_of[value] for value in wanted if value in self.code_of]] = True
        return chosen[self.codes]


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Dataset, split, sequence, instance and category of N rows, and which are annotated.

    ``known`` (N,) bool: the row's metadata was there when the columns were loaded.
    """

    text: dict[str, Column]
    has_box9: NDArray[np.bool_]
    known: NDArray[np.bool_]


NAMES = ("dataset", "split", "sequence", "instance", "category")


def load_columns(connection: sa.Connection, version_id: int, count: int) -> Columns:
    """The filter columns of a version of ``count`` rows, in row order."""
    statement = (
        sa.select(
            version_rows.c.row,
            sequences.c.dataset,
            sequences.c.split,
            sequences.c.name,
            views.c.instance,
            views.c.category,
            views.c.has_box9,
        )
        .join(views, views.c.id == version_rows.c.view_id)
        .join(sequences, sequences.c.id == views.c.sequence_id)
        .where(version_rows.c.version_id == version_id)
    )
    seen: dict[str, dict[str, int]] = {name: {} for name in NAMES}
    codes = {name: np.full(count, -1, dtype=np.int32) for name in NAMES}
    has_box9 = np.zeros(count, dtype=bool)
    known = np.zeros(count, dtype=bool)
    for row, *texts, annotated in connection.execute(statement):
        for name, text in zip(NAMES, texts, strict=True):
            codes[name][row] = seen[name].setdefault(text, len(seen[name]))
        has_box9[row] = annotated
        known[row] = True
    text = {name: Column(seen[name], codes[name]) for name in NAMES}
    return Columns(text, has_box9, known)
