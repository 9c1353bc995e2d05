"""Who asks, and what they may: API keys with scopes and datasets, or nobody but this machine.

Without any key the service is open to requests that came over the loopback interface and name
localhost, so that neither the network nor a web page of elsewhere gets in.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from index.keys import SCOPES
from index.search import Filters
from service.key_ring import THUMBNAIL_COST, KeyRing
from service.problems import RefusedError

Scope = Literal["query", "enrol", "admin"]

bearer = HTTPBearer(
    scheme_name="Bearer",
    bearerFormat="pb_ID_SECRET",
    description="An API key of `posebank keys create`.",
    auto_error=False,
)
header = APIKeyHeader(
    name="X-API-Key",
    scheme_name="X-API-Key",
    description="The same key, where Authorization is taken by a proxy.",
    auto_error=False,
)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. ``datasets`` are all that is shown to them; None is everything."""

    name: str
    scopes: frozenset[str]
    datasets: tuple[str, ...] | None = None

    def limit(self, filters: Filters) -> Filters:
        """The filters, and no other dataset than the caller may see."""
        return replace(filters, allowed_datasets=self.datasets)

    def may_see(self, dataset: str) -> bool:
        """Whether views of this dataset exist for the caller."""
        return self.datasets is None or dataset in self.datasets


ANONYMOUS: Final = Caller("anonymous", frozenset(SCOPES))


def require(scope: Scope, cost: float = 1.0) -> Callable[..., Awaitable[Caller]]:
    """A dependency: the caller, whose key has ``scope``, and whose rate the request costs so much.

    Raises RefusedError ``unauthenticated``, ``not-local``, ``forbidden``, ``rate-limited``, and
    GalleryError where the keys cannot be read.
    """

    async def caller(
        request: Request,
        authorization: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
        api_key: Annotated[str | None, Depends(header)],
    ) -> Caller:
        ring: KeyRing = request.app.state.key_ring
        text = api_key if authorization is None else authorization.credentials
        if text is None:
            return await _without_key(request, ring)
        key = await ring.find(text)
        request.scope["posebank.key"] = key.name
        ring.spend(key, cost)
        if scope not in key.scopes:
            raise RefusedError(
                "forbidden",
                f"The key {key.name!r} has no scope {scope}; it has {', '.join(key.scopes)}.",
                f"Use a key made with --scope {scope}.",
            )
        return Caller(key.name, frozenset(key.scopes), key.datasets)

    return caller


Asker = Annotated[Caller, Depends(require("query"))]
ThumbnailAsker = Annotated[Caller, Depends(require("query", THUMBNAIL_COST))]
Enroller = Annotated[Caller, Depends(require("enrol"))]
Admin = Annotated[Caller, Depends(require("admin"))]


async def _without_key(request: Request, ring: KeyRing) -> Caller:
    """ANONYMOUS, where there never was a key and the request is this machine's own."""
    if await ring.ever():
        raise RefusedError(
            "unauthenticated",
            "The request carries no API key.",
            "Send one in the header `Authorization: Bearer KEY`.",
        )
    arrived_at = (request.scope.get("server") or ("", 0))[0]
    if not (is_loopback(arrived_at) or request.app.state.settings.insecure_listen_without_keys):
        raise RefusedError(
            "unauthenticated",
            "There is no API key yet, and the request came over the network.",
            "Make a key on the server: posebank keys create NAME --scope query",
        )
    host = request.headers.get("host", "")
    if not _names_loopback(f"//{host}"):
        raise RefusedError(
            "not-local",
            f"The request is addressed to {host[:100]!r}, which is not this machine's own name.",
            "Ask http://localhost or http://127.0.0.1, or make a key: posebank keys create",
        )
    origin = request.headers.get("origin")
    elsewhere = request.headers.get("sec-fetch-site") == "cross-site"
    if elsewhere or (origin is not None and not _names_loopback(origin)):
        raise RefusedError(
            "not-local",
            f"The request was made by a web page of {(origin or 'another site')[:100]}.",
            "Use the page that Posebank serves, or make a key: posebank keys create",
        )
    return ANONYMOUS


def is_loopback(host: str) -> bool:
    """Whether a name or address is this machine's alone: localhost, 127.0.0.0/8, ::1."""
    if host.rstrip(".").lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _names_loopback(url: str) -> bool:
    try:
        return is_loopback(urlsplit(url).hostname or "")
    except ValueError:
        return False
