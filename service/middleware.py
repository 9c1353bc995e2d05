"""Around every request: the limit on its body, the id and the security headers of its answer."""

from __future__ import annotations

import asyncio

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.admission import Admission
from service.problems import RefusedError, crash_response, problem_response

FORM_OVERHEAD_BYTES = 256 * 1024
"""What a form may weigh beside its image: boundaries, headers and the `request` part."""

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
SECURITY_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


class RequestFrame:
    """Gives each answer the id of its request (service.request_log) and the security headers.

    An exception that reaches here becomes the problem ``internal``. While the server drains, each
    connection ends with its answer.
    """

    def __init__(self, app: ASGIApp, admission: Admission) -> None:
        self.app = app
        self.admission = admission

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def send_framed(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = scope["posebank.request"]
                if self.admission.draining:
                    headers["Connection"] = "close"
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self.app(scope, receive, send_framed)
        except ClientDisconnect:
            return
        except asyncio.CancelledError:  # the server ends, and waited as long as it may
            if started or not self.admission.draining:
                raise
            await _unfinished(Request(scope))(scope, receive, send_framed)
        except Exception as error:
            if started:
                raise
            await crash_response(Request(scope), error)(scope, receive, send_framed)


def _unfinished(request: Request) -> Response:
    return problem_response(
        request,
        "draining",
        "The server stopped before this request was answered; a change may have been stored.",
        "Send it again in a few seconds: a view is stored once, however often it comes.",
    )


class BodyLimit:
    """Refuses a body above ``max_bytes``: at once where its length is declared, else on the way."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self.app = app
        self.max_bytes = max_bytes

    def _refusal(self, size: str) -> RefusedError:
        return RefusedError(
            "body-too-large",
            f"The request has {size} bytes, above the limit of {self.max_bytes}.",
            "Send a smaller image, or raise POSEBANK_MAX_IMAGE_BYTES on the server.",
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        declared = request.headers.get("content-length", "0")
        if declared.isdigit() and int(declared) > self.max_bytes:
            error = self._refusal(declared)
            answer = problem_response(request, error.slug, error.message, error.remedy)
            await answer(scope, receive, send)
            return
        seen = 0

        async def receive_counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self.max_bytes:
                raise self._refusal(f"more than {self.max_bytes}")
            return message

        await self.app(scope, receive_counted, send)
