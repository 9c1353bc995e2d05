"""What GET /views takes and answers."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from service.schemas.catalog import ViewOut
from service.schemas.enrolment import StoredName
from service.schemas.query import Name

ViewId = Annotated[str, Field(pattern="^[0-7][0-9a-f]{15}$")]


class ViewListQuery(BaseModel):
    """Which views are listed. Every key may be left out; unknown ones are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    index: Name | None = Field(
        default=None, description="Name of the index. Left out: the server's default."
    )
    dataset: StoredName | None = Field(default=None, description="Only views of this dataset.")
    category: StoredName | None = Field(default=None, description="Only views of this category.")
    instance: StoredName | None = Field(default=None, description="Only views of this instance.")
    sequence: StoredName | None = Field(default=None, description="Only views of this sequence.")
    split: StoredName | None = Field(default=None, description="Only views of this split.")
    annotated: bool | None = Field(
        default=None, description="true: only views with a 9-DoF box; false: only those without."
    )
    after: ViewId | None = Field(
        default=None, description="Only views with higher ids: `next` of the page before."
    )
    limit: int = Field(default=50, ge=1, le=200, description="Most views of one page.")


class ViewList(BaseModel):
    """One page of the views of an index, by id."""

    views: list[ViewOut]
    next: str | None = Field(description="`after` of the next page; null on the last one.")
