"""The views of an index as points of a plane."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from service.openapi import problems
from service.schemas.map import MapOut, MapQuery
from service.security import Asker
from service.visible import pick

router = APIRouter(tags=["gallery"])


@router.get(
    "/map",
    summary="The views of an index as points of a plane",
    response_model=MapOut,
    responses=problems(
        "unknown-index",
        "invalid-request",
        "unanswerable",
        "busy",
        "deadline",
        "draining",
        "not-ready",
    ),
)
async def view_map(
    request: Request, caller: Asker, query: Annotated[MapQuery, Query()]
) -> Response:
    """Their embeddings on the first two principal components of those shown. Which side is right
    and which is up means nothing."""
    state = request.app.state
    gallery = pick(state.serving, query.index, caller).gallery
    text = await state.desk.look_up(
        request, lambda: state.maps.answer(gallery, query.head, query.limit, caller), long=True
    )
    return Response(text, media_type="application/json")
