"""API keys: made, listed, revoked, checked.

A key reads ``pb_<id>_<secret>``. Its secret is 256 random bits, told once; the database holds the
SHA-256. A slow hash is for passwords, which can be guessed; 256 random bits cannot.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from index.home import Home
from index.store.database import one_writer, reading, writing
from index.store.keys import KeyRecord, add_key, all_keys, delete_key, mark_revoked
from index.store.migrate import migrate
from training.errors import PosebankError

SCOPES: Final = ("query", "enrol", "admin")
"""query: ask and look; enrol: add and delete views; admin: metrics."""

KEY: Final = re.compile(r"pb_([0-9a-f]{12})_([0-9a-f]{64})")
LONGEST_NAME: Final = 100
HIGHEST_RATE: Final = 1_000_000


class ApiKeyError(PosebankError):
    """An API key cannot be made or found as asked."""


class Keys:
    """The API keys of a home. Safe for many threads."""

    def __init__(self, home: Home) -> None:
        """Brings the database to the newest schema. Raises GalleryError if it is away."""
        migrate(home)
        self._home = home

    def create(
        self,
        name: str,
        scopes: Sequence[str],
        datasets: Sequence[str] | None = None,
        rate_per_minute: int | None = None,
    ) -> tuple[KeyRecord, str]:
        """A new key: its record, and its whole text, which is kept nowhere.

        ``datasets`` are all it may see, None is all there are. Raises ApiKeyError.
        """
        _check(name, scopes, datasets, rate_per_minute)
        secret = secrets.token_hex(32)
        record = KeyRecord(
            id=secrets.token_hex(6),
            name=name,
            hash=_hash(secret),
            scopes=tuple(scope for scope in SCOPES if scope in scopes),
            datasets=None if datasets is None else tuple(sorted(set(datasets))),
            rate_per_minute=rate_per_minute,
            created_at=datetime.now(UTC),
        )
        with writing(self._home) as connection:
            add_key(connection, record)
        return record, f"pb_{record.id}_{secret}"

    def all(self) -> list[KeyRecord]:
        """All keys, revoked ones too, oldest first. Raises GalleryError."""
        with reading(self._home) as connection:
            return all_keys(connection)

    def revoke(self, id: str, forget: bool = False) -> KeyRecord:
        """The key as it is now: it opens nothing any more, and with ``forget`` leaves no trace.

        Raises ApiKeyError if there is no such key.
        """
        with writing(self._home) as connection:
            one_writer(connection)
            mark_revoked(connection, id)
            found = next((key for key in all_keys(connection) if key.id == id), None)
            if found is None:
                raise ApiKeyError(f"There is no key {id!r}.", "See `posebank keys list`.")
            if forget:
                delete_key(connection, id)
        return found


def parse_key(text: str) -> tuple[str, str] | None:
    """The id and the secret of a key's text, or None if it is no key."""
    found = KEY.fullmatch(text)
    return None if found is None else (found[1], found[2])


def opens(secret: str, record: KeyRecord) -> bool:
    """Whether the secret is the key's and the key is active; compared in constant time."""
    return hmac.compare_digest(_hash(secret), record.hash) and record.active


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _check(
    name: str, scopes: Sequence[str], datasets: Sequence[str] | None, rate_per_minute: int | None
) -> None:
    if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable():
        raise ApiKeyError(
            f"{name!r} is no name for a key.", f"Use 1 to {LONGEST_NAME} printable characters."
        )
    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown or not scopes:
        what = f"There is no scope {unknown[0]!r}." if unknown else "The key has no scope."
        raise ApiKeyError(what, f"Give one or more of {', '.join(SCOPES)}.")
    if datasets is not None and not all(datasets):
        raise ApiKeyError("A dataset of the key has no name.", "Name it as the views do.")
    if rate_per_minute is not None and not 1 <= rate_per_minute <= HIGHEST_RATE:
        raise ApiKeyError(
            f"The rate {rate_per_minute} a minute is out of range.",
            f"Give 1 to {HIGHEST_RATE}, or none for no limit.",
        )
