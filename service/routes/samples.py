"""The sample queries that the page offers."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from fastapi.responses import FileResponse

from service.openapi import problems
from service.problems import RefusedError
from service.samples import find_samples
from service.schemas.catalog import SampleList
from service.security import Asker

router = APIRouter(prefix="/samples", tags=["server"])


@router.get("", summary="Sample queries")
def samples(request: Request, caller: Asker) -> SampleList:
    """Images of the samples folder that have a request beside them; empty where there is none."""
    return SampleList(samples=find_samples(request.app.state.settings.samples))


@router.get(
    "/{file}",
    summary="The image of a sample query",
    response_class=FileResponse,
    responses={
        200: {"content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}}},
        **problems("unknown-sample", "invalid-request"),
    },
)
def sample(
    request: Request,
    caller: Asker,
    file: Annotated[str, Path(max_length=200, examples=["chair.jpg"])],
) -> FileResponse:
    """A file that the list of samples names, nothing else of the disk."""
    folder = request.app.state.settings.samples
    if file not in {known.file for known in find_samples(folder)}:
        raise RefusedError(
            "unknown-sample", f"There is no sample {file!r}.", "The list is at /samples."
        )
    return FileResponse(folder / file)
