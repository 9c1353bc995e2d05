"""Annotated views as the arrays that a fit takes, and the consensus of many at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np

from index.answers.pooling import DEFAULTS, Pooled, PoolingSettings, pool
from index.geometry import QueryView, ReferenceViews, fit_boxes
from index.geometry.agreement import Hypotheses
from training.data.records import Array, Box9, Camera, Plane

QUERIES_AT_ONCE: Final = 256
"""Queries pooled at a time: with twenty boxes each, about 20 MiB."""


class AnnotatedView(Protocol):
    """What a fit needs of a view, stored or read from a dataset."""

    @property
    def bbox_xyxy(self) -> Array:
        """(4,) pixels."""
        ...

    @property
    def camera(self) -> Camera | None:
        """The camera, if known."""
        ...

    @property
    def plane(self) -> Plane | None:
        """The ground, if known."""
        ...

    @property
    def box9(self) -> Box9 | None:
        """The box, if annotated."""
        ...


def references_of(views: Sequence[AnnotatedView]) -> ReferenceViews:
    """The views as arrays; what is not known of one is NaN, for which the fit has a reason."""
    count = len(views)
    found = ReferenceViews(
        rotation=np.full((count, 3, 3), np.nan),
        translation=np.full((count, 3), np.nan),
        scale=np.full((count, 3), np.nan),
        bbox_xyxy=np.array([view.bbox_xyxy for view in views], dtype=np.float64).reshape(-1, 4),
        K=np.full((count, 3, 3), np.nan),
        image_size=np.full((count, 2), np.nan),
        plane_center=np.full((count, 3), np.nan),
        plane_normal=np.full((count, 3), np.nan),
    )
    for row, view in enumerate(views):
        if view.box9 is not None:
            found.rotation[row] = view.box9.rotation
            found.translation[row] = view.box9.translation
            found.scale[row] = view.box9.scale
        if view.camera is not None:
            found.K[row] = view.camera.matrix
            found.image_size[row] = view.camera.width, view.camera.height
        if view.plane is not None:
            found.plane_center[row] = view.plane.center
            found.plane_normal[row] = view.plane.normal
    return found


def pool_neighbours(
    queries: QueryView,
    references: ReferenceViews,
    similarity: Array,
    settings: PoolingSettings = DEFAULTS,
) -> Pooled:
    """The consensus of each of Q queries, whose fields have the leading axis Q.

    ``similarity`` (Q, k); ``references`` holds Q · k rows, the k neighbours of each query in turn.
    """
    count, k = similarity.shape
    parts = []
    for start in range(0, count, QUERIES_AT_ONCE):
        rows = np.arange(start, min(start + QUERIES_AT_ONCE, count))
        asked = queries.take(rows)
        fits = fit_boxes(
            queries.take(np.repeat(rows, k)),
            references.take(slice(start * k, (int(rows[-1]) + 1) * k)),
        )
        boxes = Hypotheses.of(fits, k)
        parts.append(
            pool(boxes, similarity[rows], asked.bbox_xyxy, asked.K, asked.image_size, settings)
        )
    return Pooled.joined(parts)
