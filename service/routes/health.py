"""Whether the process lives, whether it can answer, and what it is."""

from __future__ import annotations

from fastapi import APIRouter, Request

from service.openapi import problems
from service.problems import RefusedError
from service.schemas.catalog import Health, Limits, Ready, ServedVersion, VersionOut
from service.security import Asker
from service.version import VERSION
from service.visible import visible

router = APIRouter(tags=["server"])


@router.get("/healthz", summary="Is the process alive")
async def healthz() -> Health:
    """200 as long as the process can answer at all."""
    return Health()


@router.get(
    "/readyz", summary="Can questions be answered", responses=problems("not-ready", "draining")
)
async def readyz(request: Request) -> Ready:
    """200 once the default index is served; 503 with the reason until then and while it stops."""
    request.app.state.desk.admission.check_open()
    serving = request.app.state.serving
    reason = serving.not_ready
    if reason is not None:
        raise RefusedError("not-ready", reason.message, reason.remedy)
    gallery = serving.pick(None).gallery
    return Ready(index=gallery.name, version=gallery.version)


@router.get("/version", summary="What runs here and what it accepts")
def version(request: Request, caller: Asker) -> VersionOut:
    """The version of Posebank, of each index with its encoder, and the limits of this server."""
    settings, serving = request.app.state.settings, request.app.state.serving
    return VersionOut(
        version=VERSION,
        indexes=[
            ServedVersion(
                name=name,
                version=one.gallery.version,
                encoder=one.encoder.identity,
                backend=one.encoder.backend,
                device=one.encoder.device,
            )
            for name, one in sorted(visible(serving, caller).items())
        ],
        limits=Limits(
            max_image_bytes=settings.max_image_bytes,
            max_image_pixels=settings.max_image_pixels,
            max_frames=settings.max_frames,
            max_k=settings.max_k,
        ),
    )
