"""One line of ``manifest.jsonl``: one object or person in one frame. Unknown keys are refused."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from training.data.conventions import nearest_rotation
from training.data.records import Box9, Camera, Keypoints, Plane
from training.errors import DataError

Finite = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Path = Annotated[str, Field(min_length=1, max_length=1000)]
Pair = tuple[Finite, Finite]
Triple = tuple[Finite, Finite, Finite]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class CameraLine(_Strict):
    """A pinhole camera in pixels of the width x height image; pixel centres at integers."""

    fx: Positive
    fy: Positive
    cx: Finite
    cy: Finite
    width: Annotated[int, Field(gt=0)]
    height: Annotated[int, Field(gt=0)]

    def record(self) -> Camera:
        """The line as a record."""
        return Camera(**self.model_dump())


class PlaneLine(_Strict):
    """The ground: a point on it (metres) and its upward normal (any length), camera frame."""

    center: Triple
    normal: Triple

    @model_validator(mode="after")
    def _has_direction(self) -> PlaneLine:
        if sum(value * value for value in self.normal) < 1e-12:
            raise ValueError("normal must not be zero")
        return self

    def record(self) -> Plane:
        """The line as a record, its normal of unit length."""
        normal = np.array(self.normal)
        return Plane(np.array(self.center), normal / np.linalg.norm(normal))


class Box9Line(_Strict):
    """R_camera_object row by row (determinant +1), box centre and edge lengths in metres."""

    rotation: tuple[Triple, Triple, Triple]
    translation: Triple
    scale: tuple[Positive, Positive, Positive]

    @field_validator("rotation")
    @classmethod
    def _is_rotation(cls, rows: tuple[Triple, Triple, Triple]) -> tuple[Triple, Triple, Triple]:
        try:
            nearest_rotation(np.array(rows))
        except DataError as error:
            raise ValueError(error.message.rstrip(".")) from error
        return rows

    def record(self) -> Box9:
        """The line as a record, its rotation made exactly orthonormal."""
        return Box9(
            nearest_rotation(np.array(self.rotation)),
            np.array(self.translation),
            np.array(self.scale),
        )


class KeypointsLine(_Strict):
    """K landmarks; lists of K entries each. ``visible`` and ``valid`` default to all true."""

    names: Annotated[list[Name], Field(min_length=1)]
    xy: list[Pair]
    xyz: list[Triple] | None = None
    visible: list[bool] | None = None
    valid: list[bool] | None = None

    @model_validator(mode="after")
    def _same_length(self) -> KeypointsLine:
        for name in ("xy", "xyz", "visible", "valid"):
            values = getattr(self, name)
            if values is not None and len(values) != len(self.names):
                raise ValueError(
                    f"{name} has {len(values)} entries but names has {len(self.names)}"
                )
        return self

    def record(self) -> Keypoints:
        """The lines as a record."""
        count = len(self.names)
        return Keypoints(
            names=tuple(self.names),
            xy=np.array(self.xy, dtype=np.float64),
            xyz=None if self.xyz is None else np.array(self.xyz, dtype=np.float64),
            visible=np.array(self.visible if self.visible is not None else [True] * count),
            valid=np.array(self.valid if self.valid is not None else [True] * count),
        )


class ManifestLine(_Strict):
    """One view. Either ``image``, or ``video`` with ``frame``."""

    sequence: Path
    image: Path | None = None
    video: Path | None = None
    frame: Annotated[int, Field(ge=0)] | None = None
    time_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    fps: Annotated[float, Field(ge=0, le=10000, allow_inf_nan=False)] | None = None
    split: Name = "all"
    category: Name = "object"
    instance: Name | None = None
    bbox_xyxy: tuple[Finite, Finite, Finite, Finite] | None = None
    visibility: Annotated[float, Field(ge=0, le=1)] = 1.0
    camera: CameraLine | None = None
    plane: PlaneLine | None = None
    box9: Box9Line | None = None
    keypoints: KeypointsLine | None = None
    attributes: dict[Name, Finite | str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_source(self) -> ManifestLine:
        if (self.image is None) == (self.video is None):
            raise ValueError("give either image, or video with frame")
        if self.video is not None and self.frame is None:
            raise ValueError("video needs frame, the frame's number counted from 0")
        if self.bbox_xyxy is not None:
            x0, y0, x1, y1 = self.bbox_xyxy
            if x1 <= x0 or y1 <= y0:
                raise ValueError("bbox_xyxy must be [x_min, y_min, x_max, y_max] with min < max")
        return self
