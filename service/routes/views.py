"""One view of the gallery, and its picture."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from index.search import Catalog, parse_view_key
from service.openapi import problems
from service.problems import RefusedError
from service.schemas.catalog import ViewOut
from service.security import Asker, Caller, ThumbnailAsker
from service.shapes import view_out

router = APIRouter(prefix="/views", tags=["gallery"])

ViewId = Annotated[
    str,
    Path(
        pattern="^[0-9a-f]{16}$",
        description="16 hexadecimal digits, as answers give them.",
        examples=["0123456789abcdef"],
    ),
]
REFUSALS = problems("unknown-view", "invalid-request", "busy", "deadline", "draining", "not-ready")


def unknown_view(view_id: str) -> RefusedError:
    """The refusal where there is no such view, or none for the caller."""
    return RefusedError(
        "unknown-view",
        f"There is no view {view_id}.",
        "Take the id from a current answer; the view may have been deleted since.",
    )


@router.get("/{view_id}", summary="Everything known about a view", responses=REFUSALS)
async def view(request: Request, caller: Asker, view_id: ViewId) -> ViewOut:
    """Identity, crop, camera, ground plane and annotated box of one view."""
    number = parse_view_key(view_id)
    catalog = request.app.state.serving.catalog()
    found = None
    if number is not None:
        found = await request.app.state.desk.look_up(request, lambda: catalog.view(number))
    if found is None or not caller.may_see(found.dataset):
        raise unknown_view(view_id)
    return view_out(found)


@router.get(
    "/{view_id}/thumbnail",
    summary="The crop of a view as JPEG",
    response_class=Response,
    responses={
        200: {"content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}}},
        **REFUSALS,
    },
)
async def thumbnail(request: Request, caller: ThumbnailAsker, view_id: ViewId) -> Response:
    """A JPEG whose longest side is at most 160 pixels."""
    number = parse_view_key(view_id)
    catalog = request.app.state.serving.catalog()
    jpeg = None
    if number is not None:
        jpeg = await request.app.state.desk.look_up(
            request, lambda: _thumbnail(catalog, number, caller)
        )
    if jpeg is None:
        raise unknown_view(view_id)
    # A deleted view's picture is to be nowhere, not in a browser's cache either.
    return Response(jpeg, media_type="image/jpeg", headers={"Cache-Control": "no-store"})


def _thumbnail(catalog: Catalog, number: int, caller: Caller) -> bytes | None:
    if caller.datasets is not None:
        view = catalog.view(number)
        if view is None or not caller.may_see(view.dataset):
            return None
    return catalog.thumbnail(number)
