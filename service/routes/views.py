"""One view of the gallery, and its picture."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from index.search import parse_view_key
from service.openapi import problems
from service.problems import RefusedError
from service.schemas.catalog import ViewOut
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
REFUSALS = problems("unknown-view", "invalid-request", "busy", "not-ready")


def _unknown(view_id: str) -> RefusedError:
    return RefusedError(
        "unknown-view",
        f"There is no view {view_id}.",
        "Take the id from a current answer; the view may have been deleted since.",
    )


@router.get("/{view_id}", summary="Everything known about a view", responses=REFUSALS)
async def view(request: Request, view_id: ViewId) -> ViewOut:
    """Identity, crop, camera, ground plane and annotated box of one view."""
    number = parse_view_key(view_id)
    catalog = request.app.state.serving.catalog()
    found = None
    if number is not None:
        found = await request.app.state.workers.run(lambda: catalog.view(number))
    if found is None:
        raise _unknown(view_id)
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
async def thumbnail(request: Request, view_id: ViewId) -> Response:
    """A JPEG whose longest side is at most 160 pixels."""
    number = parse_view_key(view_id)
    catalog = request.app.state.serving.catalog()
    jpeg = None
    if number is not None:
        jpeg = await request.app.state.workers.run(lambda: catalog.thumbnail(number))
    if jpeg is None:
        raise _unknown(view_id)
    # The same view may be built anew with another picture, so not for ever.
    return Response(jpeg, media_type="image/jpeg", headers={"Cache-Control": "max-age=300"})
