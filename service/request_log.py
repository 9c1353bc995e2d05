"""Round every request: counted, timed and told in one line of the log."""

from __future__ import annotations

import logging
import re
import time
import uuid
from http import HTTPStatus
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.metrics import Metrics

log = logging.getLogger("posebank")

METHODS: Final = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
QUIET: Final = {"/healthz", "/readyz", "/metrics"}
"""Asked every few seconds by machines, so told at DEBUG, be the answer yes or not yet."""

NOT_YET: Final = {"not-ready", "draining"}


class RequestLog:
    """Gives each request its id: the client's own where it is a plain one, else a new UUID.

    On the way in the scope gets ``posebank.request``, the id. On the way out it is asked for the
    route that matched, ``posebank.key``, the name of the API key, and ``posebank.refused``, the
    slug of the problem answered.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope["posebank.request"] = _request_id(scope)
        start = time.perf_counter()
        status: int | None = None

        async def send_seen(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self.metrics.request_came()
        try:
            await self.app(scope, receive, send_seen)
        finally:
            self._tell(scope, status, time.perf_counter() - start)

    def _tell(self, scope: Scope, status: int | None, seconds: float) -> None:
        method = scope["method"] if scope["method"] in METHODS else "other"
        route = _route(scope)
        refused = scope.get("posebank.refused")
        self.metrics.request_done(method, route, status, seconds)
        if refused is not None:
            self.metrics.count_refusal(refused)
        level = logging.INFO
        if route in QUIET and (refused is None or refused in NOT_YET):
            level = logging.DEBUG
        elif status is not None and status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            level = logging.WARNING
        fields = {
            "method": method,
            "route": route,
            "status": status,
            "ms": round(1000 * seconds, 1),
            "key": scope.get("posebank.key"),
            "refused": refused,
            "request_id": scope["posebank.request"],
        }
        log.log(level, "gone" if status is None else "answered", extra={"fields": fields})


def _request_id(scope: Scope) -> str:
    given = Headers(scope=scope).get("x-request-id", "")
    return given if REQUEST_ID.fullmatch(given) else str(uuid.uuid4())


def _route(scope: Scope) -> str:
    """The template that matched, as the OpenAPI document has it.

    ``files`` for those of the page and for that document.
    """
    route = scope.get("route")
    if route is not None:
        return str(route.path_format)
    return "files" if "endpoint" in scope else "unmatched"
