"""Queries about API keys. The store holds hashes; a secret never comes here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from index.store.tables import api_keys


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """One API key. ``hash`` is the SHA-256 of its secret, 64 hexadecimal digits.

    ``datasets`` None: all. ``rate_per_minute`` None: no limit.
    """

    id: str
    name: str
    hash: str
    scopes: tuple[str, ...]
    datasets: tuple[str, ...] | None
    rate_per_minute: int | None
    created_at: datetime
    revoked_at: datetime | None = None

    @property
    def active(self) -> bool:
        """Whether the key still opens anything."""
        return self.revoked_at is None


def add_key(connection: sa.Connection, key: KeyRecord) -> None:
    """Write a new key."""
    connection.execute(sa.insert(api_keys).values(**asdict(key)))


def all_keys(connection: sa.Connection) -> list[KeyRecord]:
    """All keys, revoked ones too, oldest first."""
    statement = sa.select(api_keys).order_by(api_keys.c.created_at, api_keys.c.id)
    return [_record(row._asdict()) for row in connection.execute(statement)]


def _record(row: Mapping[str, Any]) -> KeyRecord:
    lists = {name: tuple(row[name]) for name in ("scopes", "datasets") if row[name] is not None}
    return KeyRecord(**{**row, **lists})


def mark_revoked(connection: sa.Connection, id: str) -> None:
    """Let the key open nothing from now on; one revoked before keeps its time."""
    connection.execute(
        sa.update(api_keys)
        .where(api_keys.c.id == id, api_keys.c.revoked_at.is_(None))
        .values(revoked_at=datetime.now(UTC))
    )


def delete_key(connection: sa.Connection, id: str) -> None:
    """Forget that the key ever was."""
    connection.execute(sa.delete(api_keys).where(api_keys.c.id == id))
