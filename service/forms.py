"""Reads the multipart form of a question: one part `image`, at most one part `request`."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request
from starlette.datastructures import UploadFile

from service.problems import RefusedError
from service.schemas.query import QueryRequest, parse_query
from service.settings import Settings

MAX_REQUEST_BYTES = 64 * 1024
PARTS = ("image", "request")
HOW = "curl -F image=@photo.jpg -F 'request={\"bbox\": [10, 20, 200, 300]}' …"


@dataclass(frozen=True, slots=True)
class Question:
    """The bytes of the image, not yet looked at, and what is asked of it."""

    image: bytes
    query: QueryRequest


async def read_question(request: Request, settings: Settings) -> Question:
    """The form of a request. Raises RefusedError where it is not as documented."""
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "multipart/form-data":
        raise RefusedError(
            "not-multipart",
            f"The request is {kind or 'of no stated type'}, not multipart/form-data.",
            f"Send a form: {HOW}",
        )
    async with request.form(
        max_files=len(PARTS), max_fields=len(PARTS), max_part_size=MAX_REQUEST_BYTES
    ) as form:
        names = [name for name, _ in form.multi_items()]
        for name in names:
            if name not in PARTS:
                raise RefusedError(
                    "invalid-request",
                    f"The form has an unknown part {name[:80]!r}.",
                    "Send the parts `image` and, if wanted, `request`; nothing else.",
                )
            if names.count(name) > 1:
                raise RefusedError(
                    "invalid-request", f"The form has more than one part `{name}`.", "Send one."
                )
        image, text = form.get("image"), form.get("request")
        if not isinstance(image, UploadFile):
            what = "no part `image`" if image is None else "a part `image` that is not a file"
            raise RefusedError("invalid-request", f"The form has {what}.", f"Send the file: {HOW}")
        content = await _read_text(text) if isinstance(text, UploadFile) else text
        query = QueryRequest() if content is None else parse_query(content, settings.max_k)
        return Question(await image.read(), query)


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
