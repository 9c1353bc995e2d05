"""ETH-80: does the nearest view of another instance show the same side of the object?

Pose: the level ring (polar angle 90°) has 16 azimuths, 22.5° apart, aligned across the instances
of a category. Each of its views is a query; the gallery is the level ring of the OTHER instances
of its category. Chance is 90°. Re-ID: every view queries all other views of all instances.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from index.evaluation.embeddings import EmbeddedViews
from index.evaluation.material import Angles, Material
from index.evaluation.metrics import azimuth_error_deg, by_category, mean_or_none, median_or_none
from index.evaluation.neighbours import Rows, nearest
from index.evaluation.reid import same_label, score_reid
from index.evaluation.sampling import sample_rows
from training.errors import DataError

LEVEL_POLAR_DEG = 90.0
AZIMUTH_STEP_DEG = 22.5


@dataclass(frozen=True)
class Eth80Result:
    """Azimuth errors over ``n_queries`` level views; re-ID over ``n_reid_queries`` views."""

    azimuth_error_mean_deg: float | None
    azimuth_error_median_deg: float | None
    share_within_22_5_deg: float | None
    reid_map: float | None
    rank1: float | None
    n_queries: int
    n_reid_queries: int
    azimuth_error_mean_deg_by_category: dict[str, float | None]
    reid_map_by_category: dict[str, float | None]


def evaluate_eth80(
    embedded: EmbeddedViews,
    pose_head: str,
    identity_head: str,
    max_queries: int | None = None,
    seed: int = 0,
    material: Material | None = None,
) -> Eth80Result:
    """Both parts of the protocol; views carry the attributes ``azimuth_deg`` and ``polar_deg``.

    Raises DataError where no view lies on the level ring.
    """
    rng = np.random.default_rng(seed)
    level = embedded.take(embedded.table.attribute("polar_deg") == LEVEL_POLAR_DEG)
    if not len(level):
        raise DataError("No view has polar angle 90°.", "Point --root at a folder of ETH-80.")
    queries = sample_rows(np.arange(len(level)), max_queries, rng)
    best, error = _azimuth_errors(level, level.vectors[pose_head], queries)
    if material is not None:
        material.angles = Angles(level.table, queries, best, error, "azimuth", AZIMUTH_STEP_DEG)

    table = embedded.table
    reid_queries = sample_rows(np.arange(len(table)), max_queries, rng)

    def others(rows: Rows) -> NDArray[np.bool_]:
        return reid_queries[rows][:, None] != np.arange(len(table))[None, :]

    reid = score_reid(table, embedded.vectors[identity_head], reid_queries, others, material)
    within = np.where(np.isnan(error), np.nan, error <= AZIMUTH_STEP_DEG)
    return Eth80Result(
        azimuth_error_mean_deg=mean_or_none(error),
        azimuth_error_median_deg=median_or_none(error),
        share_within_22_5_deg=mean_or_none(within),
        reid_map=reid.reid_map,
        rank1=reid.rank1,
        n_queries=int((~np.isnan(error)).sum()),
        n_reid_queries=reid.n_queries,
        azimuth_error_mean_deg_by_category=by_category(error, level.table.category[queries]),
        reid_map_by_category=reid.reid_map_by_category,
    )


def _azimuth_errors(
    level: EmbeddedViews, vectors: NDArray[np.float32], queries: Rows
) -> tuple[Rows, NDArray[np.float64]]:
    """(q,) the nearest view of each query and the degrees between them; -1 and NaN: no gallery."""
    same_category = same_label(level.table.category, queries)
    same_instance = same_label(level.table.instance, queries)
    best = nearest(
        vectors[queries], vectors, lambda rows: same_category(rows) & ~same_instance(rows)
    )
    # File names cut the half degrees off (022 for 22.5), which would put neighbours 23° apart.
    azimuth = np.round(level.table.attribute("azimuth_deg") / AZIMUTH_STEP_DEG) * AZIMUTH_STEP_DEG
    error = np.where(best >= 0, azimuth_error_deg(azimuth[queries], azimuth[best]), np.nan)
    return best, error
