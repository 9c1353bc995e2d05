"""What GET /map takes and answers: the views of an index as points of a plane."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from service.schemas.answers import VIEW_ID, IndexRef
from service.schemas.query import Name


class MapQuery(BaseModel):
    """What is mapped. Every key may be left out; unknown ones are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    index: Name | None = Field(
        default=None, description="Name of the index. Left out: the server's default."
    )
    head: Name | None = Field(
        default=None, description="The embedding shown. Left out: `pose`, or what answers for it."
    )
    limit: int = Field(
        default=2000, ge=1, le=5000, description="Most points; of more views, evenly spread ones."
    )


class MapPoint(BaseModel):
    """One view: where it lies, and by what it can be coloured."""

    id: str = VIEW_ID
    x: float = Field(description="Along the direction in which the embeddings differ most.")
    y: float = Field(description="Along the next one.")
    dataset: str
    category: str
    instance: str
    sequence: str
    frame: int = Field(description="Its number in the sequence.")
    time_s: float = Field(description="Seconds since the start of its sequence.")


class MapOut(BaseModel):
    """A projection of one head's embeddings on their first two principal components."""

    index: IndexRef
    head: str = Field(description="The embedding that is shown.")
    explained: tuple[float, float] = Field(
        description="Share of the embeddings' variance along x and along y, 0 to 1."
    )
    total: int = Field(description="Views there are; `points` holds at most `limit` of them.")
    points: list[MapPoint]
