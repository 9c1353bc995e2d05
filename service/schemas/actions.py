"""What /actions/search takes beside the images of a clip, and what it answers."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from service.schemas.answers import IndexRef, MatchedView, ViewRef
from service.schemas.query import BoxXyxy, FiltersIn, Name, Pixels, Strict

ACTION_EXAMPLE: dict[str, Any] = {"k": 10, "filters": {"split": "train"}}


class ActionRequest(Strict):
    """A question about the images of one clip. Every key may be left out."""

    model_config = ConfigDict(json_schema_extra={"example": ACTION_EXAMPLE})

    bboxes: list[tuple[Pixels, Pixels, Pixels, Pixels]] | None = Field(
        default=None,
        min_length=1,
        description="The crops [x0, y0, x1, y1], pixels of the upright images: one for all images, "
        "or one each. Left out: the whole images.",
    )
    k: int = Field(
        default=10,
        ge=1,
        description="Neighbours that share the vote of each image, up to the server's "
        "POSEBANK_MAX_K.",
    )
    timings: bool = Field(
        default=False, description="Whether the answer also says where its time went."
    )
    index: Name | None = Field(
        default=None, description="Name of the index asked. Left out: the server's default."
    )
    filters: FiltersIn = Field(default=FiltersIn(), description="Which views may vote.")


class ActionShare(BaseModel):
    """A category that has a part of the vote."""

    category: str
    share: float = Field(description="Its share of the vote, 0 to 1; no probability.")
    frames: int = Field(description="Images whose own answer it is.")


class FrameAnswer(BaseModel):
    """What one image says by itself."""

    bbox: BoxXyxy = Field(description="The crop in pixels of the upright image.")
    category: str | None = Field(description="The category with the most of its vote.")
    share: float = Field(description="That category's share of this image's vote.")
    neighbours: list[MatchedView] = Field(
        description="Its nearest views, at most 5 of the k that vote, best first."
    )


class ClipMatch(BaseModel):
    """A sequence of the gallery that looks like the clip."""

    dataset: str
    sequence: str
    category: str
    share: float = Field(description="Its views' share of the vote.")
    frames: int = Field(description="Images that have a neighbour in it.")
    similarity: float = Field(description="Cosine similarity of the nearest pair.")
    in_order: float | None = Field(
        description="Share of steps between images in which the nearest view of this sequence does "
        "not go back in time; null with fewer than two such images."
    )
    view: ViewRef = Field(description="Its nearest view.")


class ActionAnswer(BaseModel):
    """Which action the clip shows, by a vote of its images' nearest views."""

    index: IndexRef
    head: str = Field(description="The embedding that was compared.")
    note: str | None = Field(description="Says so where another head than `pose` had to answer.")
    assumptions: list[str] = Field(description="What was assumed because it was not given.")
    category: str | None = Field(description="The category with the largest share; null: none.")
    share: float = Field(
        description="Its share of the vote: how the neighbours vote, not how likely they are right."
    )
    reason: str | None = Field(description="Why there is no category; null where there is one.")
    actions: list[ActionShare] = Field(description="Every category voted for, best first.")
    frames: list[FrameAnswer] = Field(description="The images in the order given.")
    clips: list[ClipMatch] = Field(description="The nearest sequences, at most 5, best first.")
    timings_ms: dict[str, float] | None = Field(
        description="Milliseconds of each stage, and their total; null unless the request has "
        "`timings: true`."
    )
