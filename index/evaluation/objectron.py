"""Objectron: the paper's zero-shot 9-DoF pose estimation, row by row of its Table 1.

Queries are views of the test split, the gallery those of the train split, both at about 5 frames
a second. For each query one gallery view is picked; its annotated box is fitted to the query's
2-D box and ground plane; it is a hit when the 3-D IoU with the annotated box is strictly above
0.5. The paper calls the share of hits "3D mAP @ 0.5"; it is a hit rate, one box a query without a
confidence. ``mean`` is the unweighted mean over categories.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from index.answers.pooling import Pooled
from index.evaluation.consensus import (
    CALIBRATION_OF,
    Asked,
    ConsensusFigures,
    calibration_for,
    figures,
    gallery_confidence,
)
from index.evaluation.embeddings import EmbeddedViews
from index.evaluation.material import Fits, Material
from index.evaluation.metrics import by_category, mean_or_none
from index.evaluation.objectron_picks import (
    GallerySize,
    nearest_rotation,
    pick_views,
    random_in_category,
)
from index.evaluation.objectron_pose import (
    AnnotatedPoses,
    PlaneGiven,
    fit_neighbours,
    has_pose,
    overlap,
)
from index.evaluation.reid import evaluate_reid
from index.evaluation.sampling import Rows, sample_rows
from index.geometry import REASONS, FittedBoxes
from index.geometry.plane_noise import DISTANCE_ERROR, NORMAL_TILT_DEG
from training.errors import DataError

HIT_IOU = 0.5
SYMMETRIC_CATEGORIES = ("bottle", "cup")
PLANE_SUFFIX: dict[PlaneGiven, str] = {"true": "", "noisy": "_noisy_plane", "none": "_no_plane"}
NO_BOX = "no neighbour gave a box"
NO_CANDIDATE = "the gallery has no view of the query's category"

ByCategory = dict[str, float | None]


@dataclass(frozen=True)
class ObjectronResult:
    """Table 1 (``hit_rate``: row → category → value) and Table 2 of the paper, and what is behind.

    ``*_symmetric`` rows turn fitted boxes of cups and bottles about their y axis in 5° steps and
    keep the best IoU (the released code's ``--symmetric``). ``oracle_rotation`` (ours) picks the
    view of the query's category whose rotation in the camera frame is nearest: what the fit
    reaches with an embedding that knows pose alone, and perfectly. ``failures`` counts, a row, the
    queries without a box and why; they count as misses with IoU 0. ``consensus`` rows (ours) pool
    twenty neighbours and answer every query, sure or not; how sure, and what abstaining would
    leave, is in ``consensus``, a row. ``random_in_category_consensus`` pools twenty views drawn
    from the query's category: what pooling reaches without an embedding.
    """

    hit_rate: dict[str, ByCategory]
    n_queries: int
    n_queries_by_category: dict[str, int]
    mean_iou: dict[str, ByCategory]
    failures: dict[str, dict[str, int]]
    gallery: dict[str, GallerySize]
    consensus: dict[str, ConsensusFigures]
    class_accuracy: float | None
    class_accuracy_micro: float | None
    reid_map: float | None
    reid_rank1: float | None
    reid_map_of_pose_head: float | None
    n_reid_queries: int
    n_views_without_pose: int
    iou_threshold: float = HIT_IOU
    plane_normal_noise_deg: float = NORMAL_TILT_DEG
    plane_distance_noise: float = DISTANCE_ERROR


def evaluate_objectron(
    queries: EmbeddedViews,
    gallery: EmbeddedViews,
    pose_head: str,
    identity_head: str,
    max_queries: int | None = None,
    seed: int = 0,
    material: Material | None = None,
) -> ObjectronResult:
    """All rows. ``queries`` are the embedded test views, ``gallery`` the embedded train views.

    Views without camera, plane or box are left out of the pose rows and counted. Raises DataError
    where the queries or the gallery have no pose at all.
    """
    posed, references = _with_pose(queries, "query"), _with_pose(gallery, "gallery")
    truth, boxes = AnnotatedPoses.of(posed.table), AnnotatedPoses.of(references.table)
    query_rows = sample_rows(np.arange(len(posed)), max_queries, np.random.default_rng(seed))
    categories = posed.table.category[query_rows]
    rows = _Rows(truth, query_rows, categories)
    picks, sizes = pick_views(posed, references, query_rows, pose_head, seed)
    picks["oracle_rotation"] = nearest_rotation(
        truth.rotation[query_rows], boxes.rotation, categories, references.table.category
    )
    sizes["oracle_rotation"] = sizes["nearest_neighbour"]
    for row, plane in _planes(picks):
        chosen = picks[row]
        found = chosen >= 0
        rng = np.random.default_rng([seed, 1])
        fitted = fit_neighbours(truth, boxes, query_rows[found], chosen[found], plane, rng)
        name = row + PLANE_SUFFIX[plane]
        rows.failures[name] = _failure_counts(fitted.reason, int((~found).sum()))
        iou, turned = rows.add(name, fitted, found)
        if material is not None:
            material.fits[name] = Fits(
                posed.table,
                references.table,
                query_rows[found],
                chosen[found],
                fitted,
                iou[found],
                turned[found],
            )

    asked = Asked.of(
        truth,
        query_rows,
        posed.vectors[pose_head][query_rows],
        boxes,
        references.vectors[pose_head],
    )
    control = _twenty_at_random(asked, categories, references.table.category, seed)
    confidence = gallery_confidence(references, boxes, pose_head)
    consensus: dict[str, ConsensusFigures] = {}
    for name, views, plane in (
        *(("consensus" + PLANE_SUFFIX[plane], asked, plane) for plane in CALIBRATION_OF),
        ("random_in_category_consensus", control, "true"),
    ):
        sizes[name] = sizes["nearest_neighbour"]
        pooled = views.pooled(plane, np.random.default_rng([seed, 1]))
        rows.failures[name] = {} if pooled.ok.all() else {NO_BOX: int((~pooled.ok).sum())}
        iou, turned = rows.add(name, pooled, np.ones(len(query_rows), np.bool_))
        if views is control:
            continue
        fitted_to = calibration_for(confidence, plane)
        consensus[name] = figures(pooled, iou > HIT_IOU, fitted_to)
        if material is not None:
            material.fits[name] = Fits(
                posed.table,
                references.table,
                query_rows,
                picks["nearest_neighbour"],
                pooled,
                iou,
                turned,
                None if fitted_to is None else fitted_to.probability(pooled.features),
            )

    best = picks["nearest_neighbour"]
    right = (references.table.category[best] == categories).astype(np.float64)
    reid = evaluate_reid(
        queries, identity_head, max_queries=max_queries, seed=seed, material=material
    )
    reid_of_pose = (
        reid
        if pose_head == identity_head
        else evaluate_reid(queries, pose_head, max_queries=max_queries, seed=seed)
    )
    return ObjectronResult(
        hit_rate=rows.hit_rate,
        n_queries=len(query_rows),
        n_queries_by_category=dict(sorted(Counter(categories.tolist()).items())),
        mean_iou=rows.mean_iou,
        failures=rows.failures,
        gallery=sizes,
        consensus=consensus,
        class_accuracy=by_category(right, categories)["mean"],
        class_accuracy_micro=mean_or_none(right),
        reid_map=reid.reid_map,
        reid_rank1=reid.rank1,
        reid_map_of_pose_head=reid_of_pose.reid_map,
        n_reid_queries=reid.n_queries,
        n_views_without_pose=len(queries) - len(posed) + len(gallery) - len(references),
    )


class _Rows:
    """The rows of the table so far; each is entered as it is and turned (``*_symmetric``)."""

    def __init__(
        self, truth: AnnotatedPoses, query_rows: Rows, categories: NDArray[np.str_]
    ) -> None:
        self.hit_rate: dict[str, ByCategory] = {}
        self.mean_iou: dict[str, ByCategory] = {}
        self.failures: dict[str, dict[str, int]] = {}
        self._truth, self._query_rows, self._categories = truth, query_rows, categories
        self._turns = np.isin(categories, SYMMETRIC_CATEGORIES)

    def add(
        self, name: str, fitted: FittedBoxes | Pooled, found: NDArray[np.bool_]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The (Q,) IoU of each query and the same turned; ``fitted`` has the ``found`` queries."""
        both = []
        for suffix, turns in (("", np.zeros_like(self._turns)), ("_symmetric", self._turns)):
            iou = np.zeros(len(found))
            iou[found] = overlap(fitted, self._truth, self._query_rows[found], turns[found])
            hits = (iou > HIT_IOU).astype(np.float64)
            self.hit_rate[name + suffix] = by_category(hits, self._categories)
            self.mean_iou[name + suffix] = by_category(iou, self._categories)
            both.append(iou)
        return both[0], both[1]


def _planes(picks: dict[str, Rows]) -> list[tuple[str, PlaneGiven]]:
    """Every row with the true plane; the nearest neighbour with a noisy one and with none too."""
    rows: list[tuple[str, PlaneGiven]] = [(row, "true") for row in picks]
    return [*rows, ("nearest_neighbour", "noisy"), ("nearest_neighbour", "none")]


def _twenty_at_random(
    asked: Asked, categories: NDArray[np.str_], offered: NDArray[np.str_], seed: int
) -> Asked:
    """The same queries, each with as many views of its category, drawn and equally alike."""
    rng = np.random.default_rng([seed, 2])
    drawn = [random_in_category(categories, offered, rng) for _ in range(asked.rows.shape[1])]
    return replace(asked, rows=np.stack(drawn, axis=1), similarity=np.zeros(asked.rows.shape))


def _failure_counts(reason: NDArray[np.int64], without_candidate: int) -> dict[str, int]:
    counts = {
        REASONS[code]: count for code, count in sorted(Counter(reason.tolist()).items()) if code
    }
    return counts | ({NO_CANDIDATE: without_candidate} if without_candidate else {})


def _with_pose(embedded: EmbeddedViews, role: str) -> EmbeddedViews:
    known = has_pose(embedded.table)
    posed = embedded if known.all() else embedded.take(known)
    if not len(posed):
        raise DataError(
            f"None of the {len(embedded)} {role} views has a camera, a ground plane and a box.",
            "This protocol needs annotated Objectron sequences in both splits.",
        )
    return posed
