"""What the enrolment routes take and answer: views with their annotations, and what was deleted."""

from __future__ import annotations

from typing import Annotated, Any, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from index.geometry import box_vertices, rotation_defect
from service.schemas.catalog import ViewOut
from service.schemas.query import CameraIn, Metres, Name, Pixels, PlaneIn, Strict

MAX_KEYPOINTS = 500
MAX_ATTRIBUTES = 32
ROTATION_TOLERANCE = 1e-3

NO_CONTROL = r"^[^\x00-\x1f\x7f]+$"
"""Names without control characters, which no database and no terminal takes well."""
StoredName = Annotated[str, Field(min_length=1, max_length=200, pattern=NO_CONTROL)]
DatasetName = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f/]+$")]
"""A dataset has no slash, so that `dataset/sequence` and `dataset/instance` can be read."""
Edge = Annotated[float, Field(gt=0, le=1e4, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Vector = tuple[Metres, Metres, Metres]

ENROL_EXAMPLE: dict[str, Any] = {
    "dataset": "workshop",
    "instance": "drill-7",
    "category": "drill",
    "bbox": [170, 205, 330, 420],
    "camera": {"fx": 520.0, "fy": 520.0, "cx": 239.5, "cy": 319.5},
    "plane": {"center": [0.0, 0.4, 1.2], "normal": [0.0, -0.8, -0.6]},
    "box": {
        "rotation": [[1.0, 0.0, 0.0], [0.0, -0.8, 0.6], [0.0, -0.6, -0.8]],
        "translation_m": [0.01, 0.2, 1.05],
        "scale_m": [0.25, 0.4, 0.2],
    },
}


class BoxIn(Strict):
    """The 9-DoF box of the thing, in the OpenCV camera frame (x right, y down, z forward)."""

    rotation: tuple[Vector, Vector, Vector] = Field(
        description="Rows of R_camera_object; the object's y is up, its z is the front. "
        f"Orthonormal to {ROTATION_TOLERANCE:g} with determinant +1."
    )
    translation_m: Vector = Field(description="The centre, metres; the whole box has z > 0.")
    scale_m: tuple[Edge, Edge, Edge] = Field(
        description="Edge lengths along the object's x, y, z, metres."
    )

    @field_validator("rotation")
    @classmethod
    def _is_a_rotation(cls, rotation: tuple[Vector, ...]) -> tuple[Vector, ...]:
        defect = rotation_defect(rotation)
        if np.isinf(defect):
            raise ValueError("is no rotation: its determinant is not +1, as of a mirrored frame")
        if defect > ROTATION_TOLERANCE:
            raise ValueError(
                f"is no rotation: R Rᵀ differs from I by {defect:.3g}, the limit is "
                f"{ROTATION_TOLERANCE:g}"
            )
        return rotation

    @model_validator(mode="after")
    def _is_in_front(self) -> Self:
        nearest = box_vertices(self.rotation, self.translation_m, self.scale_m)[:, 2].min()
        if nearest <= 0:
            raise ValueError(
                f"reaches behind the camera: its nearest corner has z = {nearest:.3g} m; the "
                "camera frame has x right, y down, z forward"
            )
        return self


class KeypointIn(Strict):
    """One landmark that was annotated; what was not is left out."""

    name: StoredName
    xy: tuple[Pixels, Pixels] = Field(description="Pixels of the upright image.")
    xyz_m: Vector | None = Field(
        default=None, description="Camera frame, metres; for all keypoints of a view or for none."
    )
    visible: bool = Field(default=True, description="Whether it can be seen in the image.")


class ViewIn(Strict):
    """What is known of the thing in one image. `instance`, `category`, `dataset` are needed."""

    dataset: DatasetName = Field(description="What it belongs to; keys may be limited to some.")
    instance: StoredName = Field(description="The identity of the physical thing, in its dataset.")
    category: StoredName
    sequence: StoredName | None = Field(
        default=None,
        description="The video the image is from. Left out: the image is a sequence of its own, "
        "named by its content.",
    )
    frame: int = Field(default=0, ge=0, lt=1 << 53, description="Its number in the sequence.")
    time_s: float = Field(
        default=0.0, ge=0, le=1e9, allow_inf_nan=False, description="Seconds since its start."
    )
    split: StoredName = Field(default="enrolled", description="The split of its sequence.")
    bbox: tuple[Pixels, Pixels, Pixels, Pixels] | None = Field(
        default=None,
        description="The crop [x0, y0, x1, y1] in pixels of the upright image, as in questions. "
        "Left out: the whole image.",
    )
    camera: CameraIn | None = Field(default=None, description="Needed where there is a `box`.")
    plane: PlaneIn | None = None
    box: BoxIn | None = None
    keypoints: list[KeypointIn] | None = Field(default=None, min_length=1, max_length=MAX_KEYPOINTS)
    attributes: dict[StoredName, StoredName | Finite] = Field(
        default={},
        max_length=MAX_ATTRIBUTES,
        description="Whatever else is worth keeping, such as `azimuth_deg`.",
    )

    @field_validator("keypoints")
    @classmethod
    def _are_one_skeleton(cls, keypoints: list[KeypointIn] | None) -> list[KeypointIn] | None:
        names = [keypoint.name for keypoint in keypoints or ()]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"name {twice[0]!r} more than once")
        if len({keypoint.xyz_m is None for keypoint in keypoints or ()}) > 1:
            raise ValueError("give `xyz_m` for some only; give it for all or for none")
        return keypoints

    @model_validator(mode="after")
    def _has_the_camera_of_its_box(self) -> Self:
        if self.box is not None and self.camera is None:
            raise ValueError("has a `box` without the `camera` it was measured in")
        return self


class EnrolRequest(ViewIn):
    """One view to enrol, with the image it is in."""

    model_config = ConfigDict(json_schema_extra={"example": ENROL_EXAMPLE})

    index: Name | None = Field(
        default=None, description="Name of the index it joins. Left out: the server's default."
    )


class EnrolBatchRequest(Strict):
    """Views to enrol together, all or none of them."""

    model_config = ConfigDict(json_schema_extra={"example": {"views": [ENROL_EXAMPLE]}})

    views: list[ViewIn] = Field(min_length=1, description="One for each image, in their order.")
    index: Name | None = Field(
        default=None, description="Name of the index they join. Left out: the server's default."
    )


class EnrolledBatch(BaseModel):
    """The views of a batch as they are stored now, in the order sent."""

    views: list[ViewOut]


class Rewritten(BaseModel):
    """An index whose files held a deleted view and were written anew without it."""

    index: str
    before: str = Field(description="The version that was removed.")
    after: str = Field(description="The version that replaces it.")


class Deleted(BaseModel):
    """What is gone: rows, thumbnails, and vectors in the database and in every file."""

    views: int = Field(description="How many views were deleted.")
    versions: list[Rewritten]
