"""Errors as RFC 9457 problem+json: every refusal names what was wrong, its limit and the remedy."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match, Mount

from service.schemas.problem import FieldError, Problem
from training.errors import DataError, EncoderError, GalleryError, PosebankError, QueryError

log = logging.getLogger("posebank")

MEDIA_TYPE = "application/problem+json"

KINDS: dict[str, tuple[int, str]] = {
    "malformed-form": (400, "The multipart form cannot be read"),
    "unauthenticated": (401, "The request carries no valid API key"),
    "forbidden": (403, "The API key does not open this"),
    "not-local": (403, "Without API keys only this machine's own requests are answered"),
    "not-found": (404, "There is nothing at this address"),
    "unknown-index": (404, "No such index is served"),
    "unknown-view": (404, "No such view"),
    "unknown-instance": (404, "No such instance"),
    "unknown-sample": (404, "No such sample"),
    "method-not-allowed": (405, "This address does not take this method"),
    "view-exists": (409, "Another view has this identity"),
    "body-too-large": (413, "The request is too large"),
    "image-too-large": (413, "The image is too large"),
    "not-multipart": (415, "The request is not multipart/form-data"),
    "unsupported-image": (415, "The image is of a type that is not read"),
    "broken-image": (422, "The image cannot be decoded"),
    "invalid-request": (422, "The request is not as documented"),
    "unanswerable": (422, "The question cannot be answered as asked"),
    "rate-limited": (429, "The API key asks more often than it may"),
    "internal": (500, "Something went wrong inside Posebank"),
    "busy": (429, "The server has more requests than it can answer in time"),
    "deadline": (503, "The request waited past its deadline"),
    "draining": (503, "The server is about to stop"),
    "not-written": (503, "The change could not be stored"),
    "not-ready": (503, "The server does not serve an index yet"),
    "storage-full": (507, "The disk has no space left for the change"),
}
"""slug → (status, title). The problem's type is ``urn:posebank:problem:<slug>``."""


class RefusedError(PosebankError):
    """A request refused on purpose, with the slug of its kind.

    ``retry_after`` is in seconds, for the header of that name; 503 says 1 without it.
    """

    def __init__(
        self,
        slug: str,
        message: str,
        remedy: str,
        errors: Sequence[FieldError] = (),
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message, remedy)
        self.slug = slug
        self.errors = tuple(errors)
        self.retry_after = retry_after


def problem_response(
    request: Request,
    slug: str,
    detail: str,
    remedy: str,
    errors: Sequence[FieldError] = (),
    headers: dict[str, str] | None = None,
    retry_after: int | None = None,
) -> JSONResponse:
    """The problem+json answer of one kind."""
    request.scope["posebank.refused"] = slug
    status, title = KINDS[slug]
    problem = Problem(
        type=f"urn:posebank:problem:{slug}",
        title=title,
        status=status,
        detail=detail,
        remedy=remedy,
        instance=f"urn:posebank:request:{request.scope['posebank.request']}",
        errors=list(errors) or None,
    )
    extra = dict(headers or {})
    if retry_after is not None or status == HTTPStatus.SERVICE_UNAVAILABLE:
        extra["Retry-After"] = str(retry_after or 1)
    if status == HTTPStatus.UNAUTHORIZED:
        extra["WWW-Authenticate"] = "Bearer"
    return JSONResponse(
        problem.model_dump(exclude_none=True),
        status_code=status,
        media_type=MEDIA_TYPE,
        headers=extra,
    )


def slug_of(error: PosebankError) -> str:
    """The kind of problem an error of the tree is."""
    if isinstance(error, RefusedError):
        return error.slug
    if isinstance(error, QueryError):
        return "unanswerable"
    if isinstance(error, DataError):
        return "broken-image"
    if isinstance(error, GalleryError | EncoderError):
        return "not-ready"
    return "internal"


def field_errors(errors: Sequence[dict[str, object]]) -> list[FieldError]:
    """Pydantic's errors as dotted places and messages that name a short plain value."""
    found = []
    for error in errors:
        place = error.get("loc", ())
        assert isinstance(place, tuple)
        where = ".".join(str(part) for part in place) or "request"
        message = str(error.get("msg", "is not valid")).removeprefix("Value error, ")
        found.append(FieldError(where=where, message=message + _given(error.get("input"))))
    return found


def _given(value: object) -> str:
    """The value as it came, where it is a number or a short text; files and objects are not."""
    if isinstance(value, int | float) or (isinstance(value, str) and len(value) <= 40):
        return f" (given: {value!r})"
    return ""


async def _on_posebank_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, PosebankError)
    if not isinstance(error, RefusedError):
        return problem_response(request, slug_of(error), error.message, error.remedy)
    return problem_response(
        request,
        error.slug,
        error.message,
        error.remedy,
        error.errors,
        retry_after=error.retry_after,
    )


async def _on_validation(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    errors = field_errors(error.errors())
    return problem_response(
        request,
        "invalid-request",
        "; ".join(f"{e.where}: {e.message}" for e in errors),
        "Correct the fields named under errors; /openapi.json describes each.",
        errors,
    )


async def _on_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    path = request.url.path
    if error.status_code == HTTPStatus.NOT_FOUND:
        return problem_response(
            request,
            "not-found",
            f"{path} is not a route.",
            "The routes are listed in /openapi.json.",
        )
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = ", ".join(_methods(request))
        return problem_response(
            request,
            "method-not-allowed",
            f"{path} does not take {request.method}.",
            f"Use {allowed}; the routes are listed in /openapi.json.",
            headers={"Allow": allowed},
        )
    return problem_response(
        request,
        "malformed-form",
        f"The request could not be read: {error.detail}",
        "Send multipart/form-data with one part `image` and, if wanted, one part `request`.",
    )


def _methods(request: Request) -> list[str]:
    """The methods that some route takes at this address; a folder of files is read."""
    routes = [route for route in request.app.router.routes if not isinstance(route, Mount)]
    return [
        method
        for method in ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
        if any(
            route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes
        )
    ] or ["GET", "HEAD"]


def crash_response(request: Request, error: Exception) -> JSONResponse:
    """The answer to an error nobody foresaw: logged whole, told without a stack trace."""
    number = request.scope["posebank.request"]
    log.error("crashed", exc_info=error, extra={"fields": {"request_id": number}})
    return problem_response(
        request,
        "internal",
        f"An unexpected error; it was logged as request {number}.",
        "Try once more; if it stays, report the request id to whoever runs this server.",
    )


def install_problem_handlers(app: FastAPI) -> None:
    """Makes every refusal of the app a problem+json answer; `RequestFrame` holds the rest."""
    app.add_exception_handler(PosebankError, _on_posebank_error)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(HTTPException, _on_http)
