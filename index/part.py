"""A run of rows of a gallery: those of its snapshot, or those enrolled since."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from index.filters import Filters
from index.manifest import Counts
from index.store.columns import Columns
from index.vectors import GrowingIndex, VectorIndex


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """n rows, counted from ``first``.

    ``view_ids`` (n,); ``columns`` of the n rows; ``vectors`` head → index. ``alive`` (n,) bool is
    shared by all threads: a row only ever goes from alive to gone.
    """

    first: int
    view_ids: NDArray[np.int64]
    columns: Columns
    alive: NDArray[np.bool_]
    vectors: Mapping[str, VectorIndex]

    @classmethod
    def of(
        cls,
        first: int,
        view_ids: NDArray[np.int64],
        columns: Columns,
        vectors: Mapping[str, VectorIndex],
    ) -> Part:
        """The rows whose metadata is known are alive."""
        return cls(first, view_ids, columns, columns.known.copy(), vectors)

    @property
    def end(self) -> int:
        """The row after the last."""
        return self.first + len(self.view_ids)

    def left(self, filters: Filters) -> NDArray[np.bool_]:
        """(n,) bool: what the filters leave of the living rows."""
        return filters.mask(self.columns) & self.alive

    def rank(
        self, queries: NDArray[np.float32], head: str, k: int, filters: Filters
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Similarities (Q, k) and rows of the gallery (Q, k), −1 where there are no more."""
        mask, index = self.left(filters), self.vectors[head]
        # A growing index may hold more rows by now than this part knows of.
        whole = not isinstance(index, GrowingIndex) and bool(mask.all())
        similarity, rows = index.search(queries, k, None if whole else mask)
        return similarity, np.where(rows < 0, -1, rows + self.first)

    def places(self, view_ids: Sequence[int]) -> NDArray[np.int64]:
        """Where in the part, from 0, these views are."""
        return np.flatnonzero(np.isin(self.view_ids, np.array(view_ids, dtype=np.int64)))

    def extended(
        self,
        view_ids: NDArray[np.int64],
        texts: Mapping[str, Sequence[str]],
        has_box9: NDArray[np.bool_],
    ) -> Part:
        """This part with more living rows at its end; their vectors are in the index already."""
        return Part(
            self.first,
            np.append(self.view_ids, view_ids),
            self.columns.extended(texts, has_box9),
            np.append(self.alive, np.ones(len(view_ids), dtype=bool)),
            self.vectors,
        )


def best_of(
    ranked: Sequence[tuple[NDArray[np.float32], NDArray[np.int64]]], k: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The ``k`` best of what several parts found, best first; row −1 where there are no more."""
    similarity = np.concatenate([values for values, _ in ranked], axis=1)
    rows = np.concatenate([found for _, found in ranked], axis=1)
    similarity[rows < 0] = -np.inf
    order = np.argsort(-similarity, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(similarity, order, axis=1), np.take_along_axis(rows, order, axis=1)


def gather(
    parts: Sequence[Part],
    rows: NDArray[np.int64],
    values: Callable[[Part, NDArray[np.int64]], NDArray],
) -> NDArray:
    """(n, …) what each part says of its own among ``rows`` (n,), given as places from 0."""
    order = np.argsort(rows, kind="stable")
    found = []
    for part in parts:
        here = order[(rows[order] >= part.first) & (rows[order] < part.end)]
        found.append(values(part, rows[here] - part.first))
    joined = np.concatenate(found)
    back = np.empty_like(joined)
    back[order] = joined
    return back


def count_rows(held: Sequence[tuple[Columns, NDArray[np.bool_]]]) -> Counts:
    """How much is in the rows (n,) bool of columns that share their codes."""

    def codes(name: str) -> NDArray[np.int64]:
        parts = [columns.text[name].codes[rows] for columns, rows in held]
        return np.concatenate(parts).astype(np.int64)

    dataset = codes("dataset") << 32
    return Counts(
        views=len(dataset),
        sequences=len(np.unique(dataset | codes("sequence"))),
        instances=len(np.unique(dataset | codes("instance"))),
        categories=len(np.unique(codes("category"))),
        annotated=sum(int(np.count_nonzero(c.has_box9[rows])) for c, rows in held),
    )
