"""The columns that filters look at, integer-coded once per gallery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from index.store.tables import sequences, version_rows, views


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """``codes`` (N,) int32 as ``code_of`` gives them; −1 where the row's metadata is gone.

    ``code_of`` is shared by the columns of one gallery and may grow while it is read.
    """

    code_of: dict[str, int]
    codes: NDArray[np.int32]

    @property
    def values(self) -> tuple[str, ...]:
        """The distinct values, in the order of their codes."""
        return tuple(self.code_of)

    def mask(self, wanted: tuple[str, ...]) -> NDArray[np.bool_]:
        """(N,) bool: the row's value is one of ``wanted``."""
        known = len(self.code_of)
        codes = (self.code_of.get(value, known) for value in wanted)
        chosen = np.zeros(known + 1, dtype=bool)  # the last place serves code −1
        chosen[[code for code in codes if code < known]] = True
        return chosen[self.codes]

    def extended(self, values: Sequence[str]) -> Column:
        """This column with more rows at its end."""
        codes = [self.code_of.setdefault(value, len(self.code_of)) for value in values]
        return Column(self.code_of, np.append(self.codes, np.array(codes, dtype=np.int32)))


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Dataset, split, sequence, instance and category of N rows, and which are annotated.

    ``known`` (N,) bool: the row's metadata was there when the columns were loaded.
    """

    text: dict[str, Column]
    has_box9: NDArray[np.bool_]
    known: NDArray[np.bool_]

    def without_rows(self) -> Columns:
        """Columns of no rows that share the codes of these."""
        none = np.zeros(0, dtype=bool)
        text = {
            name: Column(column.code_of, np.zeros(0, dtype=np.int32))
            for name, column in self.text.items()
        }
        return Columns(text, none, none)

    def extended(self, texts: Mapping[str, Sequence[str]], has_box9: NDArray[np.bool_]) -> Columns:
        """These columns with more rows at their end, all known."""
        return Columns(
            {name: column.extended(texts[name]) for name, column in self.text.items()},
            np.append(self.has_box9, has_box9),
            np.append(self.known, np.ones(len(has_box9), dtype=bool)),
        )


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
