"""The consensus of twenty neighbours, measured beside the single nearest one. Ours.

The calibration is fitted on the gallery alone (its views asked against the other instances and
sequences of it), as ``index build`` does; the test queries only judge it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from index.answers.confidence import Bools, reliability, reliability_bins
from index.answers.consensus import abstains
from index.answers.held_out import OtherThings, calibrate, sample_queries
from index.answers.pooling import ANY_TURN, DEFAULTS, Pooled
from index.answers.references import pool_neighbours
from index.confidence import Calibration, Confidence
from index.evaluation.embeddings import EmbeddedViews
from index.evaluation.neighbours import nearest_k
from index.evaluation.objectron_pose import (
    AnnotatedPoses,
    Floats,
    PlaneGiven,
    Rows,
    query_views,
)

CALIBRATION_OF: dict[PlaneGiven, str] = {"true": "exact", "noisy": "measured", "none": "none"}
MATRIX_ROWS = 4096


@dataclass(frozen=True)
class ConsensusFigures:
    """How sure the consensus was of its answers to all queries, and how right it was.

    ``coverage`` is the share of queries that get an answer; ``hit_rate_answered`` is over those,
    ``hit_rate_abstained`` over the others' hypotheses (None where there are none). ``brier``,
    ``ece`` and ``auroc`` judge the confidence over all queries with a box; ``bins`` is their
    reliability table. ``calibrated_on`` gallery views it was fitted; all of these are None or
    empty where the gallery is too small to fit one. ``symmetric`` is the share of queries whose
    neighbours leave the turn about y open, by fold (``any``, ``2``, ``4``). All shares are over
    queries, not over categories.
    """

    coverage: float
    hit_rate_answered: float | None
    hit_rate_abstained: float | None
    brier: float | None
    ece: float | None
    auroc: float | None
    bins: list[dict[str, float]]
    calibrated_on: int | None
    symmetric: dict[str, float]


@dataclass(frozen=True, eq=False)
class Asked:
    """Q queries and k gallery views for each: ``rows`` (Q, k), -1 for none, and ``similarity``."""

    truth: AnnotatedPoses
    query_rows: Rows
    gallery: AnnotatedPoses
    rows: Rows
    similarity: Floats

    @classmethod
    def of(
        cls,
        truth: AnnotatedPoses,
        query_rows: Rows,
        vectors: NDArray[np.float32],
        gallery: AnnotatedPoses,
        gallery_vectors: NDArray[np.float32],
    ) -> Asked:
        """The ``DEFAULTS.neighbours`` nearest of the gallery; fewer where it is smaller."""
        rows, similarity = nearest_k(vectors, gallery_vectors, DEFAULTS.neighbours)
        return cls(truth, query_rows, gallery, rows, similarity.astype(np.float64))

    def pooled(self, plane: PlaneGiven, rng: np.random.Generator) -> Pooled:
        """Their consensus, told this ground plane."""
        references = self.gallery.as_references(self.rows.ravel())
        references.rotation[self.rows.ravel() < 0] = np.nan
        return pool_neighbours(
            query_views(self.truth, self.query_rows, plane, rng), references, self.similarity
        )


def gallery_confidence(
    references: EmbeddedViews, boxes: AnnotatedPoses, head: str
) -> Confidence | None:
    """The calibrations that ``index build`` would store for a gallery of these views."""
    table, vectors = references.table, references.vectors[head]
    instance, sequence = (
        np.unique(names, return_inverse=True)[1] for names in (table.instance, table.sequence)
    )
    rows = sample_queries(np.ones(len(table), dtype=bool))
    others = OtherThings(rows, vectors[rows], instance, sequence)
    for start in range(0, len(vectors), MATRIX_ROWS):
        others.add(vectors[start : start + MATRIX_ROWS])
    neighbours = boxes.as_references(others.rows.ravel())
    neighbours.rotation[others.rows.ravel() < 0] = np.nan
    return calibrate(
        head,
        boxes.as_references(rows),
        neighbours,
        others.similarity.astype(np.float64),
        instance[rows],
    )


def calibration_for(confidence: Confidence | None, plane: PlaneGiven) -> Calibration | None:
    """The calibration of queries that are told this ground plane."""
    if confidence is None:
        return None
    found: Calibration | None = getattr(confidence, CALIBRATION_OF[plane])
    return found


def figures(pooled: Pooled, hit: Bools, calibration: Calibration | None) -> ConsensusFigures:
    """The figures of Q pooled queries, ``hit`` (Q,) telling which boxes were right."""
    confidence = None if calibration is None else calibration.probability(pooled.features)
    silent = abstains(pooled, confidence)
    judged, bins = None, []
    if confidence is not None and pooled.ok.any():
        judged = reliability(confidence[pooled.ok], hit[pooled.ok])
        bins = reliability_bins(confidence[pooled.ok], hit[pooled.ok])
    return ConsensusFigures(
        coverage=float(np.mean(~silent)),
        hit_rate_answered=_share(hit[~silent]),
        hit_rate_abstained=_share(hit[silent]),
        brier=None if judged is None else judged.brier,
        ece=None if judged is None else judged.ece,
        auroc=None if judged is None else judged.auroc,
        bins=bins,
        calibrated_on=None if calibration is None else calibration.queries,
        symmetric={
            name: float(np.mean(pooled.ok & (pooled.fold == fold)))
            for name, fold in (("any", ANY_TURN), ("2", 2), ("4", 4))
        },
    )


def _share(hit: Bools) -> float | None:
    return float(hit.mean()) if hit.size else None
