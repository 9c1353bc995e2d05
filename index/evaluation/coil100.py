"""COIL-100: turntables as video; identity across views, and the angle within an object.

Re-ID: every view is a query against all others, less the views of its own object within 45°, so
that neighbours in time cannot answer. Pose: the gallery is angles 0°, 30°, 60°…, the queries are
15°, 45°…; a query is compared with its own object alone, because each object's zero is arbitrary.
The best possible mean error is 15°, the mean of a random answer is 90°.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from index.evaluation.embeddings import EmbeddedViews
from index.evaluation.material import Angles, Material
from index.evaluation.metrics import azimuth_error_deg, mean_or_none, median_or_none
from index.evaluation.neighbours import Rows, nearest
from index.evaluation.reid import same_label, score_reid
from index.evaluation.sampling import sample_rows
from training.errors import DataError

REMOVED_WITHIN_DEG = 45.0
GALLERY_STEP_DEG = 30.0
BEST_POSSIBLE_DEG = 15.0
BARELY_CHANGING_OBJECTS = (47, 50, 94)
"""Objects whose appearance barely changes as they turn; the scores are repeated without them."""


@dataclass(frozen=True)
class Coil100Scores:
    """Re-ID over ``n_queries`` views; azimuth errors over ``n_pose_queries`` views."""

    reid_map: float | None
    rank1: float | None
    azimuth_error_mean_deg: float | None
    azimuth_error_median_deg: float | None
    n_queries: int
    n_pose_queries: int


@dataclass(frozen=True)
class Coil100Result(Coil100Scores):
    """The scores over all objects, and repeated without the objects that barely change.

    ``without_barely_changing`` takes objects 47, 50 and 94 out of the queries and the gallery.
    """

    best_possible_azimuth_error_deg: float
    barely_changing_objects: tuple[int, ...]
    without_barely_changing: Coil100Scores


def evaluate_coil100(
    embedded: EmbeddedViews,
    pose_head: str,
    identity_head: str,
    max_queries: int | None = None,
    seed: int = 0,
    material: Material | None = None,
) -> Coil100Result:
    """Both parts of the protocol; views carry the attribute ``azimuth_deg``.

    Raises DataError where no view has one of the query angles.
    """
    everything = _scores(embedded, pose_head, identity_head, max_queries, seed, material)
    barely = np.isin(_object_numbers(embedded.table.instance), BARELY_CHANGING_OBJECTS)
    lively = _scores(embedded.take(~barely), pose_head, identity_head, max_queries, seed)
    return Coil100Result(
        **vars(everything),
        best_possible_azimuth_error_deg=BEST_POSSIBLE_DEG,
        barely_changing_objects=BARELY_CHANGING_OBJECTS,
        without_barely_changing=lively,
    )


def _scores(
    embedded: EmbeddedViews,
    pose_head: str,
    identity_head: str,
    max_queries: int | None,
    seed: int,
    material: Material | None = None,
) -> Coil100Scores:
    rng = np.random.default_rng(seed)
    table = embedded.table
    azimuth = table.attribute("azimuth_deg")
    queries = sample_rows(np.arange(len(table)), max_queries, rng)
    same_object = same_label(table.instance, queries)

    def out_of_reach(rows: Rows) -> NDArray[np.bool_]:
        apart = azimuth_error_deg(azimuth[queries[rows], None], azimuth[None, :])
        return ~(same_object(rows) & (apart <= REMOVED_WITHIN_DEG))

    reid = score_reid(table, embedded.vectors[identity_head], queries, out_of_reach, material)
    angles = _angles(embedded, embedded.vectors[pose_head], azimuth, max_queries, rng)
    error = angles.error_deg
    if material is not None:
        material.angles = angles
    return Coil100Scores(
        reid_map=reid.reid_map,
        rank1=reid.rank1,
        azimuth_error_mean_deg=mean_or_none(error),
        azimuth_error_median_deg=median_or_none(error),
        n_queries=reid.n_queries,
        n_pose_queries=int((~np.isnan(error)).sum()),
    )


def _angles(
    embedded: EmbeddedViews,
    vectors: NDArray[np.float32],
    azimuth: NDArray[np.float64],
    max_queries: int | None,
    rng: np.random.Generator,
) -> Angles:
    between = np.flatnonzero(azimuth % GALLERY_STEP_DEG == GALLERY_STEP_DEG / 2)
    if not len(between):
        raise DataError(
            "No view has one of the query angles 15°, 45°, 75°…",
            "Point --root at a folder of COIL-100.",
        )
    queries = sample_rows(between, max_queries, rng)
    in_gallery = azimuth % GALLERY_STEP_DEG == 0
    same_object = same_label(embedded.table.instance, queries)
    best = nearest(vectors[queries], vectors, lambda rows: same_object(rows) & in_gallery)
    error = np.where(best >= 0, azimuth_error_deg(azimuth[queries], azimuth[best]), np.nan)
    return Angles(embedded.table, queries, best, error, "azimuth", GALLERY_STEP_DEG)


def _object_numbers(instances: NDArray[np.str_]) -> NDArray[np.int64]:
    """The number at the end of each instance's name, -1 where there is none."""
    found = [re.search(r"(\d+)$", name) for name in instances]
    return np.array([int(match.group(1)) if match else -1 for match in found], dtype=np.int64)
