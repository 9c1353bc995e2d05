"""What the GET routes tell: indexes, views, samples, the server itself."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from service.schemas.answers import CameraOut, Pixel, PlaneOut, Vector3, ViewRef
from service.schemas.query import BoxXyxy


class IndexOut(BaseModel):
    """One index of the home."""

    name: str
    served: bool = Field(description="Whether questions to it are answered.")
    default: bool = Field(description="Whether it answers when a request names none.")
    reason: str | None = Field(description="Why it, or its newest version, is not served.")
    remedy: str | None = Field(description="What to do about that.")
    version: str | None = Field(description="The version that answers now.")
    encoder: str | None = Field(description="Identity of its encoder (SHA-256).")
    heads: dict[str, int] = Field(description="Embeddings and their dimensions.")
    views: int
    sequences: int
    instances: int
    annotated: int = Field(description="Views that carry a 9-DoF box.")
    datasets: list[str]
    categories: list[str]
    splits: list[str]


class IndexList(BaseModel):
    """The indexes of the home, by name."""

    indexes: list[IndexOut]


class StoredBox(BaseModel):
    """An annotated 9-DoF box in the OpenCV camera frame, as in a pose answer without vertices."""

    rotation: list[list[float]]
    translation_m: list[float]
    scale_m: list[float]


class KeypointOut(BaseModel):
    """An annotated landmark of a view."""

    name: str
    xy: Pixel = Field(description="Pixels of the view's own image.")
    xyz_m: Vector3 | None = Field(description="Camera frame, metres; null where not known.")
    visible: bool


class ViewOut(ViewRef):
    """Everything known about a view of the gallery but its pixels."""

    time_s: float = Field(description="Seconds since the start of its sequence.")
    bbox: BoxXyxy = Field(description="Pixels of its own image; may reach outside.")
    image: str = Field(description="Names the image inside its dataset.")
    image_width: int
    image_height: int
    visibility: float
    camera: CameraOut | None
    plane: PlaneOut | None
    box: StoredBox | None
    keypoints: list[KeypointOut] | None = Field(description="Those annotated; null: none ever.")
    attributes: dict[str, Any]


class Sample(BaseModel):
    """A query image that the page offers."""

    title: str
    file: str
    image_url: str
    request: dict[str, Any] = Field(description="A `request` part that goes with it.")


class SampleList(BaseModel):
    """The sample queries, by file name."""

    samples: list[Sample]


class Limits(BaseModel):
    """What this server accepts."""

    max_image_bytes: int
    max_image_pixels: int
    max_frames: int
    max_k: int


class ServedVersion(BaseModel):
    """What answers questions to one index."""

    name: str
    version: str = Field(description="Immutable; changes when a new version is promoted.")
    encoder: str = Field(description="Identity of its encoder (SHA-256).")
    backend: str = Field(description="What runs the encoder: `onnx` or `torch`.")
    device: str = Field(description="Where it runs: `cpu` or `cuda`.")


class VersionOut(BaseModel):
    """What runs here."""

    version: str = Field(description="The version of Posebank.")
    indexes: list[ServedVersion] = Field(description="The indexes that are served, by name.")
    limits: Limits


class Health(BaseModel):
    """The process lives."""

    status: str = "ok"


class Ready(BaseModel):
    """The default index answers."""

    status: str = "ready"
    index: str
    version: str
