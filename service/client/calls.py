"""Every route as a call: what is sent, and how its answer is read. Both clients make these."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypedDict, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel

from service.client.errors import ProblemError
from service.schemas.actions import ActionAnswer, ActionRequest
from service.schemas.answers import PoseAnswer, ReidAnswer
from service.schemas.catalog import IndexList, ViewOut
from service.schemas.enrolment import (
    Deleted,
    EnrolBatchRequest,
    EnrolledBatch,
    EnrolRequest,
)
from service.schemas.map import MapOut
from service.schemas.query import QueryRequest
from service.schemas.views import ViewList

Image = bytes | Path
"""The bytes of a JPEG, PNG or WebP file, or where it lies."""
Question = QueryRequest | Mapping[str, Any] | None
ClipQuestion = ActionRequest | Mapping[str, Any] | None
View = EnrolRequest | Mapping[str, Any]
Views = EnrolBatchRequest | Sequence[Mapping[str, Any]]

T = TypeVar("T")

GONE = ("urn:posebank:problem:unknown-view", "urn:posebank:problem:unknown-instance")
DELETED_BEFORE = Deleted(views=0, versions=[])


class ViewFilters(TypedDict, total=False):
    """Which views of which index are listed; what is left out is no condition."""

    index: str
    dataset: str
    category: str
    instance: str
    sequence: str
    split: str
    annotated: bool


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request; ``content`` holds httpx's own keywords for it, ``read`` makes its answer."""

    method: str
    path: str
    read: Callable[[bytes], T]
    content: Mapping[str, Any] = field(default_factory=dict)
    gone: T | None = None
    """The answer where a repeated call finds nothing any more: an attempt before did it."""

    def after_refusal(self, refusal: ProblemError, may_be_done: bool) -> T:
        """What a final refusal means, after attempts of which one may have been carried out.

        Raises it where it is one.
        """
        if self.gone is None or not may_be_done or refusal.problem.type not in GONE:
            raise refusal
        return self.gone

    def answer(self, response: httpx.Response) -> T:
        """The typed answer of a success. Raises ProblemError where it is not Posebank's."""
        try:
            return self.read(response.content)
        except ValueError as error:
            raise ProblemError.of(response) from error


def estimate_pose(image: Image, request: Question) -> Call[PoseAnswer]:
    """POST /pose/estimate."""
    return _form("/pose/estimate", PoseAnswer.model_validate_json, [image], request)


def search_reid(image: Image, request: Question) -> Call[ReidAnswer]:
    """POST /reid/search."""
    return _form("/reid/search", ReidAnswer.model_validate_json, [image], request)


def search_actions(images: Sequence[Image], request: ClipQuestion) -> Call[ActionAnswer]:
    """POST /actions/search."""
    return _form("/actions/search", ActionAnswer.model_validate_json, images, request)


def enrol(image: Image, view: View) -> Call[ViewOut]:
    """POST /views."""
    return _form("/views", ViewOut.model_validate_json, [image], view)


def enrol_batch(images: Sequence[Image], views: Views, index: str | None) -> Call[EnrolledBatch]:
    """POST /views:batch."""
    request: EnrolBatchRequest | dict[str, Any]
    if isinstance(views, EnrolBatchRequest):
        request = views
    else:
        request = {"views": [dict(view) for view in views]} | _given(index=index)
    return _form("/views:batch", EnrolledBatch.model_validate_json, images, request)


def indexes() -> Call[IndexList]:
    """GET /indexes."""
    return Call("GET", "/indexes", IndexList.model_validate_json)


def view(view_id: str) -> Call[ViewOut]:
    """GET /views/{view_id}."""
    return Call("GET", f"/views/{_quoted(view_id)}", ViewOut.model_validate_json)


def thumbnail(view_id: str) -> Call[bytes]:
    """GET /views/{view_id}/thumbnail."""
    return Call("GET", f"/views/{_quoted(view_id)}/thumbnail", bytes)


def view_page(after: str | None, limit: int | None, filters: ViewFilters) -> Call[ViewList]:
    """GET /views."""
    wanted = {"params": {**_given(**filters), **_given(after=after, limit=limit)}}
    return Call("GET", "/views", ViewList.model_validate_json, wanted)


def delete_view(view_id: str) -> Call[Deleted]:
    """DELETE /views/{view_id}."""
    path = f"/views/{_quoted(view_id)}"
    return Call("DELETE", path, Deleted.model_validate_json, gone=DELETED_BEFORE)


def delete_instance(dataset: str, instance: str) -> Call[Deleted]:
    """DELETE /instances/{instance}."""
    path, wanted = f"/instances/{_quoted(instance)}", {"params": {"dataset": dataset}}
    return Call("DELETE", path, Deleted.model_validate_json, wanted, gone=DELETED_BEFORE)


def map_of(index: str | None, head: str | None, limit: int | None) -> Call[MapOut]:
    """GET /map."""
    wanted = {"params": _given(index=index, head=head, limit=limit)}
    return Call("GET", "/map", MapOut.model_validate_json, wanted)


def _form(
    path: str,
    read: Callable[[bytes], T],
    images: Sequence[Image],
    request: BaseModel | Mapping[str, Any] | None,
) -> Call[T]:
    """A form whose files are bytes, so that it can be sent again."""
    files = [
        ("image", (image.name, image.read_bytes()))
        if isinstance(image, Path)
        else ("image", ("image", image))
        for image in images
    ]
    if isinstance(request, BaseModel):
        text = request.model_dump_json(exclude_none=True)
    else:
        text = json.dumps(dict(request or {}))
    return Call("POST", path, read, {"files": files, "data": {"request": text}})


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _quoted(part: str) -> str:
    return quote(part, safe="")
