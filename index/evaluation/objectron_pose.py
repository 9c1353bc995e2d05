"""The annotated poses of a table of views as arrays, and the fit of one gallery view a query."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from index.answers.pooling import Pooled
from index.evaluation.views import ViewTable
from index.geometry import (
    FittedBoxes,
    QueryView,
    ReferenceViews,
    fit_boxes,
    iou_3d_pairs,
    symmetric_iou,
)
from index.geometry.plane_noise import noisy_planes

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
PlaneGiven = Literal["true", "noisy", "none"]

SYMMETRY_STEP_DEG = 5.0
"""Released code: fitted boxes of symmetric categories are turned about their y axis by this."""


@dataclass(frozen=True, eq=False)
class AnnotatedPoses:
    """N views with camera, plane and 9-DoF box in their own camera frames (OpenCV, metres).

    ``rotation`` (N, 3, 3), ``translation`` (N, 3), ``scale`` (N, 3), ``bbox_xyxy`` (N, 4) pixels,
    ``K`` (N, 3, 3), ``image_size`` (N, 2), ``plane_center`` and ``plane_normal`` (N, 3).
    """

    rotation: Floats
    translation: Floats
    scale: Floats
    bbox_xyxy: Floats
    K: Floats
    image_size: Floats
    plane_center: Floats
    plane_normal: Floats

    @classmethod
    def of(cls, table: ViewTable) -> AnnotatedPoses:
        """From views that all have camera, plane and box (see ``has_pose``)."""
        rows = [
            (view.box9, view.camera, view.plane, view.bbox_xyxy)
            for view in table.views
            if view.box9 is not None and view.camera is not None and view.plane is not None
        ]
        return cls(
            rotation=np.array([box.rotation for box, _, _, _ in rows]).reshape(-1, 3, 3),
            translation=np.array([box.translation for box, _, _, _ in rows]).reshape(-1, 3),
            scale=np.array([box.scale for box, _, _, _ in rows]).reshape(-1, 3),
            bbox_xyxy=np.array([bbox for _, _, _, bbox in rows]).reshape(-1, 4),
            K=np.array([camera.matrix for _, camera, _, _ in rows]).reshape(-1, 3, 3),
            image_size=np.array(
                [(camera.width, camera.height) for _, camera, _, _ in rows], dtype=np.float64
            ).reshape(-1, 2),
            plane_center=np.array([plane.center for _, _, plane, _ in rows]).reshape(-1, 3),
            plane_normal=np.array([plane.normal for _, _, plane, _ in rows]).reshape(-1, 3),
        )

    def as_references(self, rows: Rows) -> ReferenceViews:
        """These rows as the neighbours of a fit."""
        return ReferenceViews(
            rotation=self.rotation[rows],
            translation=self.translation[rows],
            scale=self.scale[rows],
            bbox_xyxy=self.bbox_xyxy[rows],
            K=self.K[rows],
            image_size=self.image_size[rows],
            plane_center=self.plane_center[rows],
            plane_normal=self.plane_normal[rows],
        )


def has_pose(table: ViewTable) -> NDArray[np.bool_]:
    """(N,) bool: the view has a camera, a ground plane and a 9-DoF box."""
    return np.array(
        [
            view.box9 is not None and view.camera is not None and view.plane is not None
            for view in table.views
        ],
        dtype=np.bool_,
    )


def fit_neighbours(
    queries: AnnotatedPoses,
    gallery: AnnotatedPoses,
    query_rows: Rows,
    picks: Rows,
    plane: PlaneGiven,
    rng: np.random.Generator,
) -> FittedBoxes:
    """The box of gallery view ``picks[i]`` fitted to query ``query_rows[i]``, all at once.

    The queries' 2-D boxes are annotated ones, as the paper's are; ``plane`` says which ground
    plane the fit is told.
    """
    query = query_views(queries, query_rows, plane, rng)
    return fit_boxes(query, gallery.as_references(picks))


def query_views(
    queries: AnnotatedPoses, query_rows: Rows, plane: PlaneGiven, rng: np.random.Generator
) -> QueryView:
    """These queries as a fit is asked about them, told the ground plane that ``plane`` says."""
    center, normal = queries.plane_center[query_rows], queries.plane_normal[query_rows]
    if plane == "noisy":
        center, normal = noisy_planes(center, normal, rng)
    return QueryView(
        bbox_xyxy=queries.bbox_xyxy[query_rows],
        K=queries.K[query_rows],
        image_size=queries.image_size[query_rows],
        plane_center=None if plane == "none" else center,
        plane_normal=None if plane == "none" else normal,
    )


def overlap(
    fitted: FittedBoxes | Pooled,
    queries: AnnotatedPoses,
    query_rows: Rows,
    symmetric: NDArray[np.bool_],
) -> Floats:
    """(n,) 3-D IoU of each fitted box with its query's annotated box; 0 where the fit failed.

    Rows marked ``symmetric`` take the best IoU over turns of the fitted box about its y axis.
    """
    iou = np.zeros(len(query_rows))
    for rows, turn in ((fitted.ok & ~symmetric, False), (fitted.ok & symmetric, True)):
        at = np.flatnonzero(rows)
        if not at.size:
            continue
        boxes = (fitted.rotation[at], fitted.translation[at], fitted.scale[at])
        truth = query_rows[at]
        others = (queries.rotation[truth], queries.translation[truth], queries.scale[truth])
        iou[at] = (
            symmetric_iou(*boxes, *others, step_degrees=SYMMETRY_STEP_DEG)
            if turn
            else iou_3d_pairs(*boxes, *others)
        )
    return iou
