"""What /pose/estimate and /reid/search answer."""

from __future__ import annotations

from pydantic import BaseModel, Field

from service.schemas.query import BoxXyxy

Vector3 = tuple[float, float, float]
Pixel = tuple[float, float]

VIEW_ID = Field(description="16 hexadecimal digits.", pattern="^[0-9a-f]{16}$")


class IndexRef(BaseModel):
    """The index version that answered."""

    name: str
    version: str = Field(description="Immutable; changes when a new version is promoted.")


class ViewRef(BaseModel):
    """A view of the gallery: one object in one frame."""

    id: str = VIEW_ID
    dataset: str
    sequence: str
    frame: int
    instance: str = Field(description="The identity of the physical thing.")
    category: str
    split: str
    thumbnail_url: str = Field(description="Path of the crop's JPEG on this server.")


class Box(BaseModel):
    """A 9-DoF box in the OpenCV camera frame: x right, y down, z forward."""

    rotation: tuple[Vector3, Vector3, Vector3] = Field(
        description="Rows of R_camera_object; the object's y is up, its z is the front."
    )
    translation_m: Vector3 = Field(description="The centre, metres.")
    scale_m: Vector3 = Field(description="Edge lengths along the object's x, y, z, metres.")
    vertices_m: list[Vector3] = Field(
        description="9 points, metres: the centre, then the corners x-major (---, --+, -+-, …)."
    )
    vertices_px: list[Pixel] = Field(description="The same 9 points in pixels of the query image.")


class PoseNeighbour(BaseModel):
    """A view that looks like the crop, and the box that follows from its annotation."""

    view: ViewRef
    similarity: float = Field(description="Cosine similarity of the embeddings, -1 to 1.")
    box: Box | None = Field(description="null where none follows; `reason` says why.")
    reason: str | None = Field(description="Why there is no box; null where there is one.")


class CameraOut(BaseModel):
    """A pinhole camera, pixels of the upright image; pixel centres are integers."""

    fx: float
    fy: float
    cx: float
    cy: float


class PlaneOut(BaseModel):
    """A ground plane in the OpenCV camera frame."""

    center: Vector3 = Field(description="A point on it, metres.")
    normal: Vector3 = Field(description="Its normal, out of the ground.")


class QueryOut(BaseModel):
    """The question as it was understood."""

    bbox: BoxXyxy = Field(description="The crop in pixels of the upright image.")
    image_width: int = Field(description="After the EXIF orientation was applied.")
    image_height: int = Field(description="After the EXIF orientation was applied.")
    camera: CameraOut = Field(description="The camera used, given or assumed.")
    plane: PlaneOut | None = Field(
        description="The ground plane given; null: boxes keep their annotated size in metres."
    )


class Symmetry(BaseModel):
    """The neighbours that agree do so on all but the turn about an axis of the box."""

    axis: str = Field(description="The axis of the box, such as `y`.")
    fold: int | None = Field(
        description="It looks alike after each of so many parts of a full turn; null: any turn."
    )
    note: str = Field(description="The same in a sentence.")


class Consensus(BaseModel):
    """What the nearest views say together. At least 20 are heard, however few `k` shows."""

    box: Box | None = Field(description="The answer; null where it abstains.")
    hypothesis: Box | None = Field(
        description="The box most of the neighbours' weight agrees on, also where it abstains."
    )
    confidence: float | None = Field(
        description="Calibrated probability that the hypothesis has a 3-D IoU above 0.5; null "
        "where the index version holds no calibration."
    )
    agreement: float = Field(description="Share of the neighbours' weight that agrees, 0 to 1.")
    members: list[int] = Field(description="Positions in `neighbours` of those that agree.")
    symmetry: Symmetry | None = Field(description="null where they agree on the turn too.")
    reason: str | None = Field(description="Why it abstains; null where it does not.")


class MatchedView(BaseModel):
    """A view of a matched instance."""

    view: ViewRef
    similarity: float = Field(description="Cosine similarity of the embeddings, -1 to 1.")


class InstanceMatch(BaseModel):
    """A known instance, with its nearest views."""

    dataset: str
    instance: str
    category: str
    similarity: float = Field(description="That of its nearest view.")
    count: int = Field(description="How many of the views searched show it.")
    views: list[MatchedView] = Field(description="Its nearest views, at most 5, best first.")


class Recognised(BaseModel):
    """The known instances that look most like the crop."""

    head: str = Field(description="The embedding that was compared.")
    note: str | None = Field(
        description="Says so where another head than `identity` had to answer."
    )
    matches: list[InstanceMatch] = Field(description="At most k instances, best first.")


class PoseAnswer(BaseModel):
    """The nearest annotated views, the 9-DoF box of each, and the one they agree on."""

    index: IndexRef
    head: str = Field(description="The embedding that was compared.")
    query: QueryOut
    assumptions: list[str] = Field(description="What was assumed because it was not given.")
    neighbours: list[PoseNeighbour] = Field(description="Best first.")
    consensus: Consensus = Field(description="What they say together, and how sure that is.")
    box: Box | None = Field(description="The answer: the box of the consensus.")
    reason: str | None = Field(description="Why there is no answer; null where there is one.")
    reid: Recognised | None = Field(
        description="Known instances the crop may be, from the same forward pass; null unless "
        "the request has `reid: true`."
    )
    timings_ms: dict[str, float] | None = Field(
        description="Milliseconds of each stage, and their total; null unless the request has "
        "`timings: true`."
    )


class ReidAnswer(Recognised):
    """Which known instances the crop may be."""

    index: IndexRef
    query_bbox: BoxXyxy = Field(description="The crop in pixels of the upright image.")
    assumptions: list[str] = Field(description="What was assumed because it was not given.")
    timings_ms: dict[str, float] | None = Field(
        description="Milliseconds of each stage, and their total; null unless the request has "
        "`timings: true`."
    )
