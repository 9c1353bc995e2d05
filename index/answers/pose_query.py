"""The question for a 9-DoF box: a crop, and what is known of its camera and its ground."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from training.data.records import Array, Camera, Plane
from training.errors import QueryError

ASSUMED_FOV_DEG = 60.0
"""Field of view across the longer image side where no camera is given (ours; the phones of
Objectron see about 63°)."""


@dataclass(frozen=True, slots=True, eq=False)
class PoseQuery:
    """A crop whose box is asked for: ``bbox_xyxy`` (4,) pixels in an image of (width, height).

    ``camera`` must be of that very image size; ``plane`` is the ground in the camera frame.
    """

    bbox_xyxy: Array
    image_size: tuple[int, int]
    camera: Camera | None = None
    plane: Plane | None = None


def checked(query: PoseQuery) -> PoseQuery:
    """The query. Raises QueryError if bbox, camera or plane make no sense."""
    box = np.asarray(query.bbox_xyxy, dtype=np.float64)
    if box.shape != (4,) or not np.isfinite(box).all() or (box[2:] <= box[:2]).any():
        raise QueryError(
            f"The bbox {box.tolist()} is no box.", "Give [x_min, y_min, x_max, y_max] in pixels."
        )
    width, height = query.image_size
    if (box[:2] >= (width - 0.5, height - 0.5)).any() or (box[2:] <= -0.5).any():
        raise QueryError(
            f"The bbox {box.tolist()} lies outside the image of {width} × {height} pixels.",
            "Give a box that touches the image.",
        )
    camera = query.camera
    if camera is not None:
        if (camera.width, camera.height) != (width, height):
            raise QueryError(
                f"The camera is of a {camera.width} × {camera.height} image, "
                f"the image is {width} × {height}.",
                "Scale the intrinsics to the image.",
            )
        if not np.isfinite(camera.matrix).all() or camera.fx <= 0 or camera.fy <= 0:
            raise QueryError(
                f"The focal lengths {camera.fx}, {camera.fy} are not positive numbers.",
                "Give fx and fy in pixels.",
            )
    if query.plane is not None:
        normal, center = np.asarray(query.plane.normal), np.asarray(query.plane.center)
        if not (np.isfinite(normal).all() and np.isfinite(center).all() and normal.any()):
            raise QueryError(
                f"The plane with normal {normal.tolist()} is no plane.",
                "Give a point in metres and a normal that is not zero, in the camera frame.",
            )
    return query


def camera_of(query: PoseQuery) -> tuple[Camera, tuple[str, ...]]:
    """The camera given, or the one assumed and a sentence that says so."""
    if query.camera is not None:
        return query.camera, ()
    width, height = query.image_size
    focal = max(width, height) / 2 / math.tan(math.radians(ASSUMED_FOV_DEG / 2))
    camera = Camera(focal, focal, (width - 1) / 2, (height - 1) / 2, width, height)
    return camera, (
        f"No camera was given: a {ASSUMED_FOV_DEG:.0f}° field of view across the longer image "
        f"side was assumed (focal length {focal:.0f} px, principal point in the middle); a wrong "
        "focal length scales depth and size.",
    )
