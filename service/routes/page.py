"""The page at / and its files."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.responses import FileResponse
from starlette.staticfiles import StaticFiles

WEB = Path(__file__).resolve().parent.parent / "web"
router = APIRouter(include_in_schema=False)


@router.get("/")
async def page() -> FileResponse:
    """The page; its scripts and styles come from this server alone."""
    return FileResponse(WEB / "index.html", headers={"Cache-Control": "no-cache"})


def mount_web(app: FastAPI) -> None:
    """Serves the page's own files under /web."""
    app.mount("/web", StaticFiles(directory=WEB), name="web")
