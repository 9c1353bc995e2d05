"""What a run saw on the way to its figures, kept only when a report is to show it.

A protocol that is handed a ``Material`` puts in what it has: the report draws what it finds.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from index.answers.pooling import Pooled
from index.evaluation.embeddings import EmbeddedViews
from index.evaluation.neighbours import PairMask, Rows
from index.evaluation.views import ViewTable
from index.geometry import FittedBoxes

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Ranking:
    """One re-ID question: the views of a table ranked for Q of its rows.

    ``vectors`` (N, dim) are those of the head that was asked; ``allowed`` takes positions in
    ``queries`` (Q,); ``average_precision`` and ``rank1`` (Q,) are NaN without a positive.
    """

    table: ViewTable
    vectors: NDArray[np.float32]
    queries: Rows
    allowed: PairMask
    average_precision: Floats
    rank1: Floats


@dataclass(frozen=True, eq=False)
class Fits:
    """One row of Objectron's table: Q queries, the gallery view each picked, the box it gave.

    A consensus has its boxes from many views; ``picks`` are then the nearest, and ``confidence``
    (Q,) is what it stated where it was calibrated.

    ``query_rows`` and ``picks`` (Q,) are rows of ``queries`` and ``gallery``; ``boxes``, ``iou``
    (Q,) and ``iou_turned`` (Q,), which has the rule of symmetry, belong to them row by row.
    """

    queries: ViewTable
    gallery: ViewTable
    query_rows: Rows
    picks: Rows
    boxes: FittedBoxes | Pooled
    iou: Floats
    iou_turned: Floats
    confidence: Floats | None = None


@dataclass(frozen=True, eq=False)
class Angles:
    """The directions of a protocol: Q queries, the nearest view of each, how far it is turned.

    ``best`` (Q,) is a row of ``table``, -1 where there is no gallery; ``error_deg`` (Q,) is NaN
    there. Above ``limit_deg`` an answer counts among the failures, under ``heading``.
    """

    table: ViewTable
    queries: Rows
    best: Rows
    error_deg: Floats
    heading: str
    limit_deg: float


@dataclass(eq=False)
class Material:
    """Filled by a run: splits by name, rankings, fits and angles by their headings in a report."""

    embedded: dict[str, EmbeddedViews] = field(default_factory=dict)
    rankings: dict[str, Ranking] = field(default_factory=dict)
    fits: dict[str, Fits] = field(default_factory=dict)
    angles: Angles | None = None
