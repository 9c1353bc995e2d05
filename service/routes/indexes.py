"""Which indexes there are."""

from __future__ import annotations

from fastapi import APIRouter, Request

from index.search import Filters
from service.openapi import problems
from service.schemas.catalog import IndexList, IndexOut
from service.security import Asker, Caller
from service.serving import ServedIndex
from service.visible import visible
from training.errors import PosebankError

router = APIRouter(tags=["gallery"])


@router.get(
    "/indexes",
    summary="The indexes and what they hold",
    responses=problems("busy", "deadline", "draining"),
)
async def indexes(request: Request, caller: Asker) -> IndexList:
    """Every index of the home: served ones with their version, others with the reason.

    A key for some datasets is shown what those hold, and no index without any of them.
    """
    listed: IndexList = await request.app.state.desk.look_up(
        request, lambda: _list(request, caller)
    )
    return listed


def _list(request: Request, caller: Caller) -> IndexList:
    serving = request.app.state.serving
    served, unserved = visible(serving, caller), serving.unserved
    names = served.keys() | (unserved.keys() if caller.datasets is None else set())
    return IndexList(
        indexes=[
            _describe(
                name,
                served.get(name),
                unserved.get(name),
                name == serving.default_name,
                caller.limit(Filters()),
            )
            for name in sorted(names)
        ]
    )


def _describe(
    name: str,
    served: ServedIndex | None,
    error: PosebankError | None,
    default: bool,
    filters: Filters,
) -> IndexOut:
    gallery = None if served is None else served.gallery
    counts = None if gallery is None else gallery.counts(filters)
    return IndexOut(
        name=name,
        served=gallery is not None,
        default=default,
        reason=None if error is None else error.message,
        remedy=None if error is None else error.remedy,
        version=None if gallery is None else gallery.version,
        encoder=None if served is None else served.encoder.identity,
        heads={} if gallery is None else dict(gallery.heads),
        views=0 if counts is None else counts.views,
        sequences=0 if counts is None else counts.sequences,
        instances=0 if counts is None else counts.instances,
        annotated=0 if counts is None else counts.annotated,
        datasets=[] if gallery is None else list(gallery.values("dataset", filters)),
        categories=[] if gallery is None else list(gallery.values("category", filters)),
        splits=[] if gallery is None else list(gallery.values("split", filters)),
    )
