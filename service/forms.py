"""Reads the multipart form of a question: part `image`, once or, for a clip, several times, and at
most one part `request`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from fastapi import Request
from starlette.datastructures import FormData, UploadFile

from service.problems import RefusedError
from service.schemas.actions import ActionRequest
from service.schemas.query import QueryRequest, check_k, parse_request
from service.settings import Settings

MAX_REQUEST_BYTES = 64 * 1024
MAX_PARTS = 1000
"""Parts looked at; how many of them may be images is POSEBANK_MAX_FRAMES."""

PARTS = ("image", "request")
HOW = "curl -F image=@photo.jpg -F 'request={\"bbox\": [10, 20, 200, 300]}' …"
HOW_CLIP = "curl -F image=@first.jpg -F image=@second.jpg -F 'request={\"k\": 5}' …"

R = TypeVar("R", QueryRequest, ActionRequest)


@dataclass(frozen=True, slots=True)
class Question:
    """The bytes of the image, not yet looked at, and what is asked of it."""

    image: bytes
    query: QueryRequest


@dataclass(frozen=True, slots=True)
class Clip:
    """The bytes of a clip's images in order of time, not yet looked at, and what is asked."""

    images: tuple[bytes, ...]
    query: ActionRequest


async def read_question(request: Request, settings: Settings) -> Question:
    """The form of a request. Raises RefusedError where it is not as documented."""
    async with _form(request, PARTS, HOW) as form:
        (image,) = await _images(form, HOW)
        query = await _request(form, QueryRequest, settings.max_k)
    return Question(image, query)


async def read_clip(request: Request, settings: Settings) -> Clip:
    """The form of a request about a clip. Raises RefusedError where it is not as documented."""
    async with _form(request, ("request",), HOW_CLIP) as form:
        count = len(form.getlist("image"))
        if count > settings.max_frames:
            raise RefusedError(
                "invalid-request",
                f"The form has {count} images, above the limit of {settings.max_frames}.",
                "Send fewer frames of the clip, or raise POSEBANK_MAX_FRAMES on the server.",
            )
        images = await _images(form, HOW_CLIP)
        query = await _request(form, ActionRequest, settings.max_k)
    return Clip(images, query)


@asynccontextmanager
async def _form(request: Request, once: tuple[str, ...], how: str) -> AsyncIterator[FormData]:
    """The parts, which are known ones, those of ``once`` no more than once."""
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "multipart/form-data":
        raise RefusedError(
            "not-multipart",
            f"The request is {kind or 'of no stated type'}, not multipart/form-data.",
            f"Send a form: {how}",
        )
    limit = len(PARTS) if once == PARTS else MAX_PARTS
    async with request.form(
        max_files=limit, max_fields=len(PARTS), max_part_size=MAX_REQUEST_BYTES
    ) as form:
        names = [name for name, _ in form.multi_items()]
        for name in names:
            if name not in PARTS:
                raise RefusedError(
                    "invalid-request",
                    f"The form has an unknown part {name[:80]!r}.",
                    "Send the parts `image` and, if wanted, `request`; nothing else.",
                )
            if name in once and names.count(name) > 1:
                raise RefusedError(
                    "invalid-request", f"The form has more than one part `{name}`.", "Send one."
                )
        yield form


async def _images(form: FormData, how: str) -> tuple[bytes, ...]:
    images = form.getlist("image")
    if not images:
        raise RefusedError(
            "invalid-request", "The form has no part `image`.", f"Send the file: {how}"
        )
    found = []
    for image in images:
        if not isinstance(image, UploadFile):
            raise RefusedError(
                "invalid-request",
                "The form has a part `image` that is not a file.",
                f"Send the file: {how}",
            )
        found.append(await image.read())
    return tuple(found)


async def _request(form: FormData, kind: type[R], max_k: int) -> R:
    text = form.get("request")
    content = await _read_text(text) if isinstance(text, UploadFile) else text
    if content is None:
        return kind()
    query = parse_request(kind, content)
    check_k(query.k, max_k)
    return query


async def _read_text(part: UploadFile) -> bytes:
    """A `request` part that came as a file, as curl -F request=@query.json sends it."""
    text = await part.read(MAX_REQUEST_BYTES + 1)
    if len(text) > MAX_REQUEST_BYTES:
        raise RefusedError(
            "invalid-request",
            f"The part `request` has more than {MAX_REQUEST_BYTES} bytes.",
            "Send the JSON of one question.",
        )
    return text
