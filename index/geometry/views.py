"""What the fit takes and gives: the query, its annotated neighbours, the boxes or the reasons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

OK: Final = 0
DEGENERATE_QUERY: Final = 1
DEGENERATE_REFERENCE: Final = 2
OPPOSITE_NORMALS: Final = 3
RAY_PARALLEL_TO_PLANE: Final = 4
PLANE_BEHIND_CAMERA: Final = 5
BOX_BEHIND_CAMERA: Final = 6
BOX_OUTSIDE_IMAGE: Final = 7

REASONS: Final[dict[int, str]] = {
    OK: "fitted",
    DEGENERATE_QUERY: "the query's crop has no area inside the image, or its camera or plane "
    "is not finite",
    DEGENERATE_REFERENCE: "the neighbour's box, crop or camera is empty or not finite, or its "
    "box lies behind its camera",
    OPPOSITE_NORMALS: "the two ground planes face opposite ways: no smallest rotation aligns them",
    RAY_PARALLEL_TO_PLANE: "the ray through the object's centre runs parallel to the ground",
    PLANE_BEHIND_CAMERA: "the ray through the object's centre meets the ground behind the camera",
    BOX_BEHIND_CAMERA: "a corner of the fitted box lies at or behind the camera",
    BOX_OUTSIDE_IMAGE: "the fitted box projects outside the query's image",
}
"""What each code of FittedBoxes.reason says."""


@dataclass(frozen=True, slots=True, eq=False)
class QueryView:
    """The query, in its own camera frame (OpenCV, metres).

    ``bbox_xyxy`` (4,) pixels of the crop; ``K`` (3, 3); ``image_size`` (2,) width and height in
    pixels; ``plane_center`` (3,) metres and ``plane_normal`` (3,) pointing up, both None where
    the ground is not known. A field may instead have a leading axis N: then row i is the query
    of neighbour i.
    """

    bbox_xyxy: Array
    K: Array
    image_size: Array
    plane_center: Array | None = None
    plane_normal: Array | None = None

    def take(self, rows: NDArray[np.intp]) -> QueryView:
        """These of N queries."""
        center, normal = self.plane_center, self.plane_normal
        return QueryView(
            self.bbox_xyxy[rows],
            self.K[rows],
            self.image_size[rows],
            None if center is None else center[rows],
            None if normal is None else normal[rows],
        )


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceViews:
    """N annotated neighbours, each in its own camera frame (OpenCV, metres).

    ``rotation`` (N, 3, 3), ``translation`` (N, 3), ``scale`` (N, 3); ``bbox_xyxy`` (N, 4) pixels;
    ``K`` (N, 3, 3); ``image_size`` (N, 2); ``plane_center`` (N, 3) and ``plane_normal`` (N, 3),
    where NaN or a normal of zeros in a row says that its ground is not known.
    """

    rotation: Array
    translation: Array
    scale: Array
    bbox_xyxy: Array
    K: Array
    image_size: Array
    plane_center: Array
    plane_normal: Array

    def take(self, rows: NDArray[np.intp] | slice) -> ReferenceViews:
        """These rows alone."""
        return ReferenceViews(*(getattr(self, name)[rows] for name in self.__slots__))


@dataclass(frozen=True, slots=True, eq=False)
class FittedBoxes:
    """N boxes in the query's camera frame; a row whose ``reason`` is not OK holds zeros.

    ``rotation`` (N, 3, 3), ``translation`` (N, 3) metres, ``scale`` (N, 3) metres; ``reason`` (N,)
    codes of REASONS; ``grounded`` (N,) True where the box stands on the query's plane, False
    where it was placed by its size.
    """

    rotation: Array
    translation: Array
    scale: Array
    reason: NDArray[np.int64]
    grounded: NDArray[np.bool_]

    @classmethod
    def none(cls, reason: NDArray[np.int64]) -> FittedBoxes:
        """Zeros in every row, with these reasons."""
        count = len(reason)
        return cls(
            rotation=np.zeros((count, 3, 3)),
            translation=np.zeros((count, 3)),
            scale=np.zeros((count, 3)),
            reason=reason,
            grounded=np.zeros(count, dtype=np.bool_),
        )

    def take(self, rows: NDArray[np.intp] | slice) -> FittedBoxes:
        """These rows alone."""
        return FittedBoxes(*(getattr(self, name)[rows] for name in self.__slots__))

    @property
    def ok(self) -> NDArray[np.bool_]:
        """(N,) rows that hold a box."""
        return self.reason == OK
