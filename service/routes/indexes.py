"""Which indexes there are."""

from __future__ import annotations

from fastapi import APIRouter, Request

from service.schemas.catalog import IndexList, IndexOut
from service.serving import ServedIndex
from training.errors import PosebankError

router = APIRouter(tags=["gallery"])


@router.get("/indexes", summary="The indexes and what they hold")
async def indexes(request: Request) -> IndexList:
    """Every index of the home: served ones with their version, others with the reason."""
    serving = request.app.state.serving
    served, unserved = serving.served, serving.unserved
    return IndexList(
        indexes=[
            _describe(name, served.get(name), unserved.get(name), name == serving.default_name)
            for name in sorted(served.keys() | unserved.keys())
        ]
    )


def _describe(
    name: str, served: ServedIndex | None, error: PosebankError | None, default: bool
) -> IndexOut:
    gallery = None if served is None else served.gallery
    counts = None if gallery is None else gallery.manifest.counts
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
        datasets=[] if gallery is None else list(gallery.values("dataset")),
        categories=[] if gallery is None else list(gallery.values("category")),
        splits=[] if gallery is None else list(gallery.values("split")),
    )
