"""The calibrations of a gallery, from its own views asked against all others. Ours.

A sample of annotated views plays the queries. Each is answered by the views of other instances
and other sequences, so that what is measured is how well the gallery answers for things it has not
seen; the annotation of the sample says which answers were right.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Final

import numpy as np
from numpy.typing import NDArray

from index.answers.confidence import fit_calibration
from index.answers.pooling import DEFAULTS
from index.answers.references import pool_neighbours
from index.confidence import FORMAT, Calibration, Confidence
from index.geometry import QueryView, ReferenceViews, iou_3d_pairs
from index.geometry.plane_noise import noisy_planes
from training.data.records import Array

HIT_IOU: Final = 0.5
SEED: Final = 0

MOST_QUERIES: Final = 2_000
"""Views asked of a gallery at most."""

MOST_PAIRS: Final = 400_000_000
"""Similarities computed at most, so that galleries above 200,000 views are asked less often."""

Rows = NDArray[np.int64]


def sample_queries(annotated: NDArray[np.bool_]) -> Rows:
    """Sorted rows of views (N,) to ask: all that are annotated, or as many as may be, drawn."""
    rows = np.flatnonzero(annotated)
    most = min(MOST_QUERIES, MOST_PAIRS // max(len(annotated), 1))
    if len(rows) <= most:
        return rows
    return np.sort(np.random.default_rng(SEED).choice(rows, size=most, replace=False))


class OtherThings:
    """The nearest views of n queries among those of other instances and sequences.

    ``rows`` (n,) are the queries' own among the N of ``instance`` and ``sequence``, integer codes;
    ``vectors`` (n, dim) float32 are theirs. The views are handed in parts, in order.
    """

    def __init__(
        self, rows: Rows, vectors: NDArray[np.float32], instance: Rows, sequence: Rows
    ) -> None:
        k = DEFAULTS.neighbours
        self.rows = np.full((len(rows), k), -1, dtype=np.int64)
        self.similarity = np.full((len(rows), k), -2.0, dtype=np.float32)
        self._queries = rows
        self._vectors = vectors
        self._instance = instance
        self._sequence = sequence
        self._seen = 0

    def add(self, vectors: NDArray[np.float32]) -> None:
        """The next views (m, dim)."""
        rows = np.arange(self._seen, self._seen + len(vectors))
        self._seen += len(vectors)
        similarity = self._vectors @ vectors.T
        for code in (self._instance, self._sequence):
            similarity[code[self._queries][:, None] == code[rows]] = -2.0
        every = np.concatenate([self.similarity, similarity], axis=1)
        names = np.concatenate([self.rows, np.broadcast_to(rows, similarity.shape)], axis=1)
        k = self.rows.shape[1]
        best = np.argpartition(-every, k - 1, axis=1)[:, :k]
        order = np.argsort(-np.take_along_axis(every, best, axis=1), axis=1, kind="stable")
        best = np.take_along_axis(best, order, axis=1)
        self.similarity = np.take_along_axis(every, best, axis=1)
        self.rows = np.where(self.similarity > -1.5, np.take_along_axis(names, best, axis=1), -1)


def calibrate(
    head: str, queries: ReferenceViews, references: ReferenceViews, similarity: Array, group: Rows
) -> Confidence | None:
    """The calibrations from n annotated ``queries`` and their neighbours, or None if none can be.

    ``references`` holds n · k rows, the neighbours of each query in turn, and ``similarity``
    (n, k); ``group`` (n,) is the queries' instance.
    """
    every = np.arange(len(similarity))
    known = np.flatnonzero(np.isfinite(queries.plane_normal).all(axis=1))
    found = Confidence(
        format=FORMAT,
        head=head,
        settings=asdict(DEFAULTS),
        exact=_calibration(queries, references, similarity, group, known, "exact"),
        measured=_calibration(queries, references, similarity, group, known, "measured"),
        none=_calibration(queries, references, similarity, group, every, "none"),
    )
    return found if found.exact or found.measured or found.none else None


def _calibration(
    queries: ReferenceViews,
    references: ReferenceViews,
    similarity: Array,
    group: Rows,
    rows: Rows,
    ground: str,
) -> Calibration | None:
    if not rows.size:
        return None
    own = queries.take(rows)
    plane = (own.plane_center, own.plane_normal)
    if ground == "measured":
        plane = noisy_planes(*plane, np.random.default_rng(SEED))
    k = similarity.shape[1]
    pooled = pool_neighbours(
        QueryView(own.bbox_xyxy, own.K, own.image_size, *(plane if ground != "none" else ())),
        references.take((rows[:, None] * k + np.arange(k)).ravel()),
        similarity[rows],
    )
    iou = iou_3d_pairs(
        pooled.rotation, pooled.translation, pooled.scale, own.rotation, own.translation, own.scale
    )
    ok = pooled.ok
    return fit_calibration(pooled.features[ok], iou[ok] > HIT_IOU, group[rows][ok])
