"""What Prometheus asks for."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request, Response
from fastapi.security import HTTPAuthorizationCredentials

from service.metrics import MEDIA_TYPE
from service.security import bearer, header, require

router = APIRouter(tags=["server"])
admin = require("admin")

TEXT: Final = {"content": {"text/plain": {"schema": {"type": "string"}}}}


async def reader(
    request: Request,
    authorization: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
    api_key: Annotated[str | None, Depends(header)],
) -> None:
    """A dependency: lets an admin pass, and anyone where POSEBANK_METRICS_OPEN says so."""
    if not request.app.state.settings.metrics_open:
        await admin(request, authorization, api_key)


@router.get(
    "/metrics",
    summary="What the server does, for Prometheus",
    response_class=Response,
    responses={200: TEXT},
    dependencies=[Depends(reader)],
)
async def metrics(request: Request) -> Response:
    """Counters, histograms and gauges in the Prometheus text format."""
    return Response(request.app.state.metrics.text(), media_type=MEDIA_TYPE)
