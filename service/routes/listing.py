"""The views of an index, page by page."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request

from index.enrolment import list_views
from index.search import Filters
from service.openapi import problems
from service.schemas.views import ViewList, ViewListQuery
from service.security import Asker
from service.shapes import view_out
from service.visible import pick

router = APIRouter(tags=["gallery"])


@router.get(
    "/views",
    summary="The views of an index, page by page",
    responses=problems(
        "unknown-index", "invalid-request", "busy", "deadline", "draining", "not-ready"
    ),
)
async def views(
    request: Request, caller: Asker, query: Annotated[ViewListQuery, Query()]
) -> ViewList:
    """Those that pass the filters, by id, whether they were built in or enrolled. A page begins
    after an id, so that what comes or goes meanwhile shifts none of the others."""
    state = request.app.state
    gallery = pick(state.serving, query.index, caller).gallery
    chosen = query.model_dump(
        include={"dataset", "category", "instance", "sequence", "split"}, exclude_none=True
    )
    filters = caller.limit(Filters(has_box9=query.annotated, **chosen))
    page = await state.desk.look_up(
        request, lambda: list_views(gallery.home, gallery.name, filters, query.after, query.limit)
    )
    return ViewList(views=[view_out(view) for view in page.views], next=page.next)
