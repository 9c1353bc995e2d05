"""What a vector index must do for the search."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class VectorIndex(Protocol):
    """L2-normalised vectors of ``dim`` dimensions in ``size`` rows, ranked by inner product."""

    @property
    def dim(self) -> int:
        """Dimensions of a vector."""
        ...

    @property
    def size(self) -> int:
        """Number of rows."""
        ...

    def vectors(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """(n, dim) float32 of these rows."""
        ...

    def search(
        self, queries: NDArray[np.float32], k: int, mask: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The ``k`` best rows of every query among those the mask (N,) allows.

        ``queries`` (Q, dim) float32. Returns similarities (Q, k) and rows (Q, k), best first;
        row −1 where fewer than ``k`` rows are allowed. Safe to call from several threads.
        """
        ...
