"""Reads multipart forms: part `image`, once or, for a clip or a batch, several times, and at most
one part `request`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from fastapi import Request
from pydantic import BaseModel
from starlette.datastructures import FormData, UploadFile

from service.problems import RefusedError
from service.schemas.actions import ActionRequest
from service.schemas.enrolment import EnrolBatchRequest, EnrolRequest
from service.schemas.query import QueryRequest, allowed_k, parse_request
from service.settings import Settings

MAX_REQUEST_BYTES = 64 * 1024
MAX_BATCH_REQUEST_BYTES = 192 * 1024
MAX_PARTS = 1000
"""Parts looked at; how many of them may be images is POSEBANK_MAX_FRAMES."""

PARTS = ("image", "request")
HOW = "curl -F image=@photo.jpg -F 'request={\"bbox\": [10, 20, 200, 300]}' …"
HOW_CLIP = "curl -F image=@first.jpg -F image=@second.jpg -F 'request={\"k\": 5}' …"
HOW_ENROL = "curl -F image=@photo.jpg -F request=@view.json …"
HOW_BATCH = "curl -F image=@first.jpg -F image=@second.jpg -F request=@views.json …"

R = TypeVar("R", bound=BaseModel)


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


@dataclass(frozen=True, slots=True)
class Enrolment:
    """The bytes of the images of views, not yet looked at, and what is known of the views."""

    images: tuple[bytes, ...]
    request: EnrolBatchRequest


async def read_question(request: Request, settings: Settings) -> Question:
    """The form of a request. Raises RefusedError where it is not as documented."""
    async with _form(request, PARTS, HOW) as form:
        (image,) = await _images(form, HOW)
        query = await _request(form, QueryRequest)
    k = allowed_k(query.k, "k" in query.model_fields_set, settings.max_k)
    return Question(image, query.model_copy(update={"k": k}))


async def read_clip(request: Request, settings: Settings) -> Clip:
    """The form of a request about a clip. Raises RefusedError where it is not as documented."""
    async with _form(request, ("request",), HOW_CLIP) as form:
        images = await _images(form, HOW_CLIP, settings.max_frames)
        query = await _request(form, ActionRequest)
    k = allowed_k(query.k, "k" in query.model_fields_set, settings.max_k)
    return Clip(images, query.model_copy(update={"k": k}))


async def read_enrolment(request: Request, settings: Settings) -> Enrolment:
    """The form of one view. Raises RefusedError where it is not as documented."""
    async with _form(request, PARTS, HOW_ENROL) as form:
        images = await _images(form, HOW_ENROL)
        view = await _request(form, EnrolRequest)
    return Enrolment(images, EnrolBatchRequest(views=[view], index=view.index))


async def read_batch(request: Request, settings: Settings) -> Enrolment:
    """The form of many views. Raises RefusedError where it is not as documented."""
    async with _form(request, ("request",), HOW_BATCH, MAX_BATCH_REQUEST_BYTES) as form:
        images = await _images(form, HOW_BATCH, settings.max_frames)
        batch = await _request(form, EnrolBatchRequest, MAX_BATCH_REQUEST_BYTES)
    if len(batch.views) != len(images):
        raise RefusedError(
            "invalid-request",
            f"There are {len(images)} images for {len(batch.views)} views.",
            "Send one image for each view, in the order of the views.",
        )
    return Enrolment(images, batch)


@asynccontextmanager
async def _form(
    request: Request, once: tuple[str, ...], how: str, max_request: int = MAX_REQUEST_BYTES
) -> AsyncIterator[FormData]:
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
        max_files=limit, max_fields=len(PARTS), max_part_size=max_request
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


async def _images(form: FormData, how: str, most: int = 1) -> tuple[bytes, ...]:
    images = form.getlist("image")
    if len(images) > most:
        raise RefusedError(
            "invalid-request",
            f"The form has {len(images)} images, above the limit of {most}.",
            "Send fewer images at a time, or raise POSEBANK_MAX_FRAMES on the server.",
        )
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


async def _request(form: FormData, kind: type[R], limit: int = MAX_REQUEST_BYTES) -> R:
    text = form.get("request")
    content = await _read_text(text, limit) if isinstance(text, UploadFile) else text
    return parse_request(kind, "{}" if content is None else content)


async def _read_text(part: UploadFile, limit: int) -> bytes:
    """A `request` part that came as a file, as curl -F request=@query.json sends it."""
    text = await part.read(limit + 1)
    if len(text) > limit:
        raise RefusedError(
            "invalid-request",
            f"The part `request` has more than {limit} bytes.",
            "Send less in one request.",
        )
    return text
