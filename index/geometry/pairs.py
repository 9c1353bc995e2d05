"""Query and neighbours laid side by side, one pair a row, and which rows can be fitted at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from index.geometry.box import clip_bbox
from index.geometry.placement import NEAREST_M, SMALLEST_SIDE_PX
from index.geometry.views import (
    DEGENERATE_QUERY,
    DEGENERATE_REFERENCE,
    OK,
    QueryView,
    ReferenceViews,
)

Array = NDArray[np.float64]
Rows = NDArray[np.intp] | slice

LARGEST: Final = 1e9
"""Metres or pixels; anything longer is taken for a broken record, like NaN."""

SHORTEST_FOCAL_PX: Final = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """N pairs; ``q_`` fields are in the query's camera frame, the others in the neighbour's.

    Fields as in QueryView and ReferenceViews, every one with a leading axis N; planes that are
    not known are NaN.
    """

    q_bbox: Array
    q_intrinsics: Array
    q_image_size: Array
    q_plane_center: Array
    q_plane_normal: Array
    rotation: Array
    translation: Array
    scale: Array
    bbox: Array
    intrinsics: Array
    plane_center: Array
    plane_normal: Array

    @classmethod
    def of(cls, query: QueryView, references: ReferenceViews, clip_to_image: bool) -> Pairs:
        """Row i pairs the query (or the i-th of N) with neighbour i; 2-D boxes clipped if asked."""
        count = len(references.translation)

        def rows(values: ArrayLike, *shape: int) -> Array:
            # Filling costs a quarter of np.broadcast_to on the few rows of a query.
            filled = np.empty((count, *shape))
            filled[...] = values
            return filled

        unknown = (np.nan, np.nan, np.nan)
        q_bbox, bbox = rows(query.bbox_xyxy, 4), rows(references.bbox_xyxy, 4)
        q_image_size = rows(query.image_size, 2)
        if clip_to_image:
            q_bbox = clip_bbox(q_bbox, q_image_size)
            bbox = clip_bbox(bbox, rows(references.image_size, 2))
        return cls(
            q_bbox=q_bbox,
            q_intrinsics=rows(query.K, 3, 3),
            q_image_size=q_image_size,
            q_plane_center=rows(unknown if query.plane_center is None else query.plane_center, 3),
            q_plane_normal=rows(unknown if query.plane_normal is None else query.plane_normal, 3),
            rotation=rows(references.rotation, 3, 3),
            translation=rows(references.translation, 3),
            scale=rows(references.scale, 3),
            bbox=bbox,
            intrinsics=rows(references.K, 3, 3),
            plane_center=rows(references.plane_center, 3),
            plane_normal=rows(references.plane_normal, 3),
        )

    def take(self, rows: Rows) -> Pairs:
        """These rows alone."""
        return Pairs(*(getattr(self, name)[rows] for name in self.__slots__))

    def have_planes(self) -> NDArray[np.bool_]:
        """(N,) where the ground is known on both sides."""
        return _is_plane(self.q_plane_center, self.q_plane_normal) & _is_plane(
            self.plane_center, self.plane_normal
        )

    def reasons(self, query_has_plane: bool) -> NDArray[np.int64]:
        """(N,) OK, or why nothing can be computed from what the row holds."""
        reference = _is_view(self.bbox, self.intrinsics)
        reference &= _bounded(self.rotation) & _bounded(self.translation) & _bounded(self.scale)
        reference &= (self.scale > 0.0).all(axis=1) & (self.translation[:, 2] > NEAREST_M)
        query = _is_view(self.q_bbox, self.q_intrinsics)
        if query_has_plane:
            query &= _is_plane(self.q_plane_center, self.q_plane_normal)
        return np.where(query, np.where(reference, OK, DEGENERATE_REFERENCE), DEGENERATE_QUERY)


def _is_view(bbox: Array, K: Array) -> NDArray[np.bool_]:
    """A 2-D box with an area, a camera with focal lengths."""
    # Not a difference: infinity less infinity would warn.
    area = (bbox[:, 2:] > bbox[:, :2] + SMALLEST_SIDE_PX).all(axis=1)
    focal = (K[:, 0, 0] > SHORTEST_FOCAL_PX) & (K[:, 1, 1] > SHORTEST_FOCAL_PX)
    return np.asarray(area & focal & _bounded(bbox) & _bounded(K))


def _is_plane(center: Array, normal: Array) -> NDArray[np.bool_]:
    length = np.abs(normal).max(axis=1)
    return _bounded(center) & (length > 1.0 / LARGEST) & (length < LARGEST)


def _bounded(values: Array) -> NDArray[np.bool_]:
    """(N,) rows whose numbers are finite and of a size no product of them overflows at."""
    # The maximum of a row with NaN is NaN, and no comparison with NaN holds.
    return np.asarray(np.abs(values).max(axis=tuple(range(1, values.ndim))) < LARGEST)
