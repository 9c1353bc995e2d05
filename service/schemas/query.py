"""What a client asks: the optional `request` part of /pose/estimate and /reid/search."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from service.problems import RefusedError, field_errors

Pixels = Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)]
Metres = Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)]
Focal = Annotated[float, Field(ge=1, le=1e6, allow_inf_nan=False)]
BoxXyxy = tuple[float, float, float, float]
Name = Annotated[str, Field(min_length=1, max_length=200)]

EXAMPLE: dict[str, Any] = {
    "bbox": [170, 205, 330, 420],
    "camera": {"fx": 520.0, "fy": 520.0, "cx": 239.5, "cy": 319.5},
    "plane": {"center": [0.0, 0.4, 1.2], "normal": [0.0, -0.8, -0.6]},
    "k": 5,
    "filters": {"category": "chair"},
}


class Strict(BaseModel):
    """Takes the keys it names and the types it states, nothing else."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class CameraIn(Strict):
    """The pinhole camera of the query image, in pixels of the upright image."""

    fx: Focal = Field(description="Focal length along x, pixels, at least 1.")
    fy: Focal = Field(description="Focal length along y, pixels, at least 1.")
    cx: Pixels = Field(description="Principal point x, pixels; pixel centres are integers.")
    cy: Pixels = Field(description="Principal point y, pixels; pixel centres are integers.")


class PlaneIn(Strict):
    """The ground the object stands on, in the OpenCV camera frame (x right, y down, z forward)."""

    center: tuple[Metres, Metres, Metres] = Field(description="A point on the plane, metres.")
    normal: tuple[Metres, Metres, Metres] = Field(
        description="Its normal, out of the ground towards the object; any length above 1e-6."
    )

    @field_validator("normal")
    @classmethod
    def _has_length(cls, normal: tuple[float, float, float]) -> tuple[float, float, float]:
        if sum(n * n for n in normal) < 1e-12:
            raise ValueError("is shorter than 1e-6, so it has no direction")
        return normal


class FiltersIn(Strict):
    """Which views may answer. Applied before ranking, so k neighbours are k allowed ones."""

    dataset: Name | None = Field(default=None, description="Only views of this dataset.")
    category: Name | None = Field(default=None, description="Only views of this category.")
    split: Name | None = Field(default=None, description="Only views of this split.")
    annotated: bool | None = Field(
        default=None, description="true: only views with a 9-DoF box; false: only those without."
    )
    exclude_sequence: Name | None = Field(
        default=None,
        description="No views of this sequence, such as the query's own: `sequence` in any "
        "dataset, or `dataset/sequence`.",
    )
    exclude_instance: Name | None = Field(
        default=None,
        description="No views of this instance: `instance` in any dataset, or `dataset/instance`.",
    )


class QueryRequest(Strict):
    """A question about one crop of the uploaded image. Every key may be left out."""

    model_config = ConfigDict(json_schema_extra={"example": EXAMPLE})

    bbox: tuple[Pixels, Pixels, Pixels, Pixels] | None = Field(
        default=None,
        description="The crop [x0, y0, x1, y1] in pixels of the upright image, x0 < x1, y0 < y1, "
        "at least half of it inside the image. Left out: the whole image.",
    )
    camera: CameraIn | None = Field(
        default=None,
        description="Left out: assumed, and the answer says what was assumed. "
        "/reid/search takes it and does not need it.",
    )
    plane: PlaneIn | None = Field(
        default=None,
        description="Left out: each box keeps its annotated size in metres and is placed where "
        "it fills the crop, which the answer says. "
        "/reid/search takes it and does not need it.",
    )
    k: int = Field(
        default=10,
        ge=1,
        description="Neighbours (/pose/estimate) or instances (/reid/search) wanted, up to the "
        "server's POSEBANK_MAX_K.",
    )
    reid: bool = Field(
        default=False,
        description="Whether /pose/estimate also answers what /reid/search does, from the same "
        "forward pass. /reid/search takes it and does not need it.",
    )
    timings: bool = Field(
        default=False, description="Whether the answer also says where its time went."
    )
    index: Name | None = Field(
        default=None, description="Name of the index asked. Left out: the server's default."
    )
    filters: FiltersIn = Field(default=FiltersIn(), description="Which views may answer.")


R = TypeVar("R", bound=BaseModel)


def parse_request(kind: type[R], text: str | bytes) -> R:
    """The `request` part, read strictly. Raises RefusedError ``invalid-request``."""
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        errors = field_errors(error.errors(include_url=False))  # type: ignore[arg-type]
        raise RefusedError(
            "invalid-request",
            "The request part is wrong: " + "; ".join(f"{e.where}: {e.message}" for e in errors),
            "Correct the keys named under errors; /openapi.json describes each.",
            errors,
        ) from error


def allowed_k(k: int, asked: bool, max_k: int) -> int:
    """How many neighbours to answer: ``k``, at most ``max_k`` where it is a default.

    Raises RefusedError ``invalid-request`` where more are asked for than allowed.
    """
    if asked and k > max_k:
        raise RefusedError(
            "invalid-request",
            f"k is {k}, above the limit of {max_k}.",
            f"Ask for 1 to {max_k} neighbours, or raise POSEBANK_MAX_K on the server.",
        )
    return min(k, max_k)


def check_bbox(bbox: BoxXyxy | None, width: int, height: int) -> BoxXyxy:
    """The crop asked for, or the whole image, which spans [-0.5, width - 0.5] × the same in y.

    Raises RefusedError ``invalid-request`` where it is inverted, under a pixel, or mostly outside.
    """
    if bbox is None:
        return (-0.5, -0.5, width - 0.5, height - 0.5)
    x0, y0, x1, y1 = bbox
    shown = f"bbox is [{x0:g}, {y0:g}, {x1:g}, {y1:g}]"
    if x1 - x0 < 1 or y1 - y0 < 1:
        raise RefusedError(
            "invalid-request",
            f"{shown}: it must be at least 1 pixel wide and high.",
            "Give [x0, y0, x1, y1] with x0 < x1 and y0 < y1, in pixels.",
        )
    inside_x = min(x1, width - 0.5) - max(x0, -0.5)
    inside_y = min(y1, height - 0.5) - max(y0, -0.5)
    if max(inside_x, 0) * max(inside_y, 0) < 0.5 * (x1 - x0) * (y1 - y0):
        raise RefusedError(
            "invalid-request",
            f"{shown}: less than half of it lies in the image of {width} × {height} pixels.",
            f"Keep it within [0, 0, {width}, {height}], in pixels of the upright image.",
        )
    return bbox
