"""Queries about API keys. The store holds hashes; a secret never comes here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

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
    connection.execute(
        sa.insert(api_keys).values(
            id=key.id,
            name=key.name,
            hash=key.hash,
            scopes=list(key.scopes),
            datasets=None if key.datasets is None else list(key.datasets),
            rate_per_minute=key.rate_per_minute,
            created_at=key.created_at,
            revoked_at=key.revoked_at,
        )
    )


def all_keys(connection: sa.Connection) -> list[KeyRecord]:
    """All keys, revoked ones too, oldest first."""
    statement = sa.select(api_keys).order_by(api_keys.c.created_at, api_keys.c.id)
    return [
        KeyRecord(
            id=row.id,
            name=row.name,
            hash=row.hash,
            scopes=tuple(row.scopes),
            datasets=None if row.datasets is None else tuple(row.datasets),
            rate_per_minute=row.rate_per_minute,
            created_at=row.created_at,
            revoked_at=row.revoked_at,
        )
        for row in connection.execute(statement)
    ]


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
