"""The exact index of what arrives while it is searched: rows in memory that others append to."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

FIRST_CAPACITY = 64
PRODUCTS_AT_ONCE = 1 << 24
"""Inner products held at a time: 64 MiB."""


class GrowingIndex:
    """Exact inner-product search over rows that are appended and wiped by one thread at a time.

    A search sees the rows its mask knows; what is appended meanwhile does not disturb it.
    """

    def __init__(self, dim: int) -> None:
        self._buffer = np.zeros((FIRST_CAPACITY, dim), np.float32)
        self._size = 0
        self._lock = threading.Lock()

    @property
    def dim(self) -> int:
        """Dimensions of a vector."""
        return int(self._buffer.shape[1])

    @property
    def size(self) -> int:
        """Number of rows."""
        return self._size

    def append(self, vectors: NDArray[np.float32]) -> None:
        """Add rows (n, dim) float32 at the end."""
        with self._lock:
            end = self._size + len(vectors)
            if end > len(self._buffer):
                grown = np.zeros((max(end, 2 * len(self._buffer)), self.dim), np.float32)
                grown[: self._size] = self._buffer[: self._size]
                self._buffer = grown  # who searches the old one keeps it
            self._buffer[self._size : end] = vectors
            self._size = end

    def wipe(self, rows: NDArray[np.int64]) -> None:
        """Overwrite rows with zeros; who may find them is the mask's business."""
        with self._lock:
            self._buffer[rows] = 0.0

    def vectors(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """(n, dim) float32 of these rows."""
        return self._buffer[rows]

    def search(
        self, queries: NDArray[np.float32], k: int, mask: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The ``k`` best rows of every query; see ``VectorIndex.search``."""
        known = self._buffer[: self._size if mask is None else len(mask)]
        k = min(k, len(known))
        similarity = np.full((len(queries), k), -np.inf, np.float32)
        rows = np.full((len(queries), k), -1, np.int64)
        step = max(1, PRODUCTS_AT_ONCE // max(1, len(known)))
        for start in range(0, len(queries), step) if k else ():
            part = slice(start, start + step)
            product = queries[part] @ known.T
            if mask is not None:
                product[:, ~mask] = -np.inf
            best = np.argpartition(-product, k - 1, axis=1)[:, :k]
            found = np.take_along_axis(product, best, axis=1)
            order = np.argsort(-found, axis=1, kind="stable")
            similarity[part] = np.take_along_axis(found, order, axis=1)
            rows[part] = np.take_along_axis(best, order, axis=1)
        rows[np.isneginf(similarity)] = -1
        return similarity, rows
