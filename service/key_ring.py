"""The API keys as this server knows them: read anew twice a second while anyone asks."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from typing import Final

from index.home import Home
from index.keys import KeyRecord, Keys, opens, parse_key
from service.problems import RefusedError
from service.settings import Settings

THUMBNAIL_COST: Final = 1 / 50
"""Of a request: a page of the gallery, which shows 48, costs less than two."""

FRESH_SECONDS: Final = 0.5
"""How long a made or revoked key may stay unnoticed."""


class KeyRing:
    """Finds the key that a request carries. For one event loop.

    Where the database cannot be read, nobody gets in: a key might have been revoked.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._store: Keys | None = None
        self._keys: dict[str, KeyRecord] = {}
        self._read_at = -math.inf
        self._reading = asyncio.Lock()
        self._buckets: dict[str, Bucket] = {}

    async def ever(self) -> bool:
        """Whether there is any key, be it revoked. Raises GalleryError."""
        await self._refresh()
        return bool(self._keys)

    async def find(self, text: str) -> KeyRecord:
        """The active key with this text. Raises RefusedError ``unauthenticated``, GalleryError."""
        await self._refresh()
        parts = parse_key(text)
        found = None if parts is None else self._keys.get(parts[0])
        if parts is None or found is None or not opens(parts[1], found):
            raise RefusedError(
                "unauthenticated",
                "The API key is unknown or revoked.",
                "Send a key as `posebank keys create` told it: `Authorization: Bearer KEY`.",
            )
        return found

    def spend(self, key: KeyRecord, cost: float = 1.0) -> None:
        """Counts one request of the key, or a part of one. Raises RefusedError ``rate-limited``."""
        if key.rate_per_minute is None:
            return
        now = self._clock()
        bucket = self._buckets.setdefault(key.id, Bucket(key.rate_per_minute, now))
        seconds = bucket.take(now, cost)
        if seconds > 0:
            raise RefusedError(
                "rate-limited",
                f"The key {key.name!r} may ask {key.rate_per_minute} times a minute.",
                "Try again after the seconds of the header Retry-After, or ask for a higher rate.",
                retry_after=math.ceil(seconds),
            )

    async def _refresh(self) -> None:
        if self._clock() - self._read_at < FRESH_SECONDS:
            return
        async with self._reading:
            asked_at = self._clock()
            if asked_at - self._read_at < FRESH_SECONDS:
                return
            found = await asyncio.to_thread(self._read)
            self._keys, self._read_at = found, asked_at
            self._buckets = {id: self._buckets[id] for id in self._buckets.keys() & found.keys()}

    def _read(self) -> dict[str, KeyRecord]:
        if self._store is None:
            self._store = Keys(Home.open(self._settings.home, self._settings.database_url))
        return {key.id: key for key in self._store.all()}


class Bucket:
    """A token bucket: full it lets ``per_minute`` requests pass at once, and fills in a minute."""

    def __init__(self, per_minute: int, now: float) -> None:
        self._size = float(per_minute)
        self._tokens = self._size
        self._seen = now

    def take(self, now: float, cost: float = 1.0) -> float:
        """0 where a request of this cost may pass, else the seconds until one may."""
        a_second = self._size / 60
        self._tokens = min(self._size, self._tokens + (now - self._seen) * a_second)
        self._seen = now
        if self._tokens < cost:
            return (cost - self._tokens) / a_second
        self._tokens -= cost
        return 0.0
