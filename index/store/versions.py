"""Queries about index versions: which there are, which is current, which rows they hold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from index.store.database import chunks, upsert
from index.store.tables import (
    changes,
    current_versions,
    enrolled_views,
    index_versions,
    thumbnails,
    version_rows,
    views,
)
from index.store.views import delete_unused_sequences

UNFINISHED = ""
"""The manifest of a version whose rows are still being written; no query shows such a one."""

# Made once and without manifests: servers ask it again and again.
_CURRENT_NAMES = sa.select(index_versions.c.name, index_versions.c.version).join(
    current_versions, current_versions.c.version_id == index_versions.c.id
)


@dataclass(frozen=True, slots=True)
class VersionRecord:
    """One immutable version of an index. ``manifest`` is the text of its manifest.json."""

    id: int
    name: str
    version: str
    manifest: str
    created_at: datetime
    promoted_at: datetime | None

    @property
    def current(self) -> bool:
        """Whether searches of the index use this version."""
        return self.promoted_at is not None


def list_versions(connection: sa.Connection, name: str | None = None) -> list[VersionRecord]:
    """All finished versions, or those of one index: by name, then oldest first."""
    statement = (
        sa.select(index_versions, current_versions.c.promoted_at)
        .outerjoin(current_versions, current_versions.c.version_id == index_versions.c.id)
        .where(index_versions.c.manifest != UNFINISHED)
        .order_by(index_versions.c.name, index_versions.c.id)
    )
    if name is not None:
        statement = statement.where(index_versions.c.name == name)
    return [VersionRecord(*row) for row in connection.execute(statement)]


def find_version(
    connection: sa.Connection, name: str, version: str | None = None
) -> VersionRecord | None:
    """One version of an index, the current one if ``version`` is None."""
    for record in list_versions(connection, name):
        if record.current if version is None else record.version == version:
            return record
    return None


def current_names(connection: sa.Connection) -> dict[str, str]:
    """Index name → its current version."""
    return {name: version for name, version in connection.execute(_CURRENT_NAMES)}


def begin_version(connection: sa.Connection, name: str, version: str) -> int:
    """The id of a version that stays unfinished until ``add_version``, or of one that is there."""
    known = sa.select(index_versions.c.id).where(
        index_versions.c.name == name, index_versions.c.version == version
    )
    found = connection.execute(known).scalar()
    if found is not None:
        return int(found)
    result = connection.execute(
        sa.insert(index_versions).values(
            name=name, version=version, manifest=UNFINISHED, created_at=datetime.now(UTC)
        )
    )
    key = result.inserted_primary_key
    assert key is not None
    return int(key[0])


def add_version(connection: sa.Connection, name: str, version: str, manifest: str) -> int:
    """Write the version's row, or find it written before; its id."""
    key = begin_version(connection, name, version)
    mine = index_versions.c.id == key
    connection.execute(sa.update(index_versions).where(mine).values(manifest=manifest))
    return key


def unfinished_versions(connection: sa.Connection, name: str | None = None) -> list[VersionRecord]:
    """The versions, of one index or of all, that were begun and not finished."""
    statement = sa.select(index_versions, sa.null()).where(index_versions.c.manifest == UNFINISHED)
    if name is not None:
        statement = statement.where(index_versions.c.name == name)
    return [VersionRecord(*row) for row in connection.execute(statement)]


def add_rows(
    connection: sa.Connection, version_id: int, first_row: int, view_ids: Iterable[int]
) -> None:
    """Say which views the rows from ``first_row`` on hold; what was said before stays."""
    rows = [
        {"version_id": version_id, "row": first_row + offset, "view_id": int(identity)}
        for offset, identity in enumerate(view_ids)
    ]
    upsert(connection, version_rows, rows, replace=False)


def row_view_ids(connection: sa.Connection, version_id: int) -> NDArray[np.int64]:
    """(N,) int64 view ids in row order."""
    statement = (
        sa.select(version_rows.c.view_id)
        .where(version_rows.c.version_id == version_id)
        .order_by(version_rows.c.row)
    )
    return np.fromiter((row[0] for row in connection.execute(statement)), dtype=np.int64)


def held_views(connection: sa.Connection, ids: Sequence[int]) -> list[int]:
    """Which of these ids a row of any version holds, be it unfinished, ascending."""
    found: set[int] = set()
    for part in chunks(ids):
        statement = sa.select(version_rows.c.view_id).where(version_rows.c.view_id.in_(part))
        found.update(row[0] for row in connection.execute(statement))
    return sorted(found)


def row_fingerprints(connection: sa.Connection, version_id: int) -> list[str | None]:
    """The metadata fingerprints in row order; None where the view was deleted."""
    statement = (
        sa.select(views.c.fingerprint)
        .select_from(version_rows)
        .outerjoin(views, views.c.id == version_rows.c.view_id)
        .where(version_rows.c.version_id == version_id)
        .order_by(version_rows.c.row)
    )
    return [row[0] for row in connection.execute(statement)]


def make_current(connection: sa.Connection, name: str, version_id: int) -> None:
    """Let searches of ``name`` use this version from now on."""
    row = {"name": name, "version_id": version_id, "promoted_at": datetime.now(UTC)}
    upsert(connection, current_versions, [row], replace=True)


def delete_version(connection: sa.Connection, record: VersionRecord) -> int:
    """Forget a version, and the views that nothing else holds; how many views went.

    What was enrolled into the index stays while it has another version, and goes with the last.
    """
    others = index_versions.c.name == record.name, index_versions.c.id != record.id
    last = connection.execute(sa.select(index_versions.c.id).where(*others)).first() is None
    enrolled_here = sa.select(enrolled_views.c.view_id).where(
        enrolled_views.c.index_name == record.name
    )
    enrolled_there = sa.select(enrolled_views.c.view_id).where(
        enrolled_views.c.index_name != record.name
    )
    of_version = sa.select(version_rows.c.view_id).where(version_rows.c.version_id == record.id)
    of_others = sa.select(version_rows.c.view_id).where(version_rows.c.version_id != record.id)

    def orphans(view_id: sa.ColumnElement[int]) -> sa.ColumnElement[bool]:
        held = view_id.in_(of_version)
        mine = sa.or_(held, view_id.in_(enrolled_here)) if last else held
        kept = [of_others, enrolled_there] if last else [of_others, enrolled_there, enrolled_here]
        return sa.and_(mine, *(view_id.not_in(ids) for ids in kept))

    connection.execute(sa.delete(thumbnails).where(orphans(thumbnails.c.view_id)))
    count = connection.execute(sa.delete(views).where(orphans(views.c.id))).rowcount
    if last:  # a version of another index may hold such a view and keep it
        connection.execute(
            sa.delete(enrolled_views).where(enrolled_views.c.index_name == record.name)
        )
    forget_version(connection, record.id)
    delete_unused_sequences(connection)
    return count


def forget_version(connection: sa.Connection, version_id: int) -> None:
    """Remove a version's own rows, and leave the views."""
    current = current_versions.c.version_id == version_id
    connection.execute(sa.delete(current_versions).where(current))
    connection.execute(sa.delete(version_rows).where(version_rows.c.version_id == version_id))
    connection.execute(sa.delete(index_versions).where(index_versions.c.id == version_id))


_HOLE = sa.and_(
    version_rows.c.view_id.in_(sa.select(changes.c.view_id).where(changes.c.erased)),
    ~sa.select(views.c.id).where(views.c.id == version_rows.c.view_id).exists(),
)
"""Of a row of a version: its view was erased."""


def incomplete_versions(connection: sa.Connection, name: str | None = None) -> list[VersionRecord]:
    """The versions, of one index or of all, that hold rows of erased views; oldest first."""
    statement = sa.select(version_rows.c.version_id).where(_HOLE).distinct()
    wanted = {row[0] for row in connection.execute(statement)}
    return [record for record in list_versions(connection, name) if record.id in wanted]


def half_erased_ids(connection: sa.Connection) -> set[int]:
    """The erased views of which a finished version still holds rows."""
    statement = (
        sa.select(version_rows.c.view_id)
        .join(index_versions, index_versions.c.id == version_rows.c.version_id)
        .where(_HOLE, index_versions.c.manifest != UNFINISHED)
        .distinct()
    )
    return {row[0] for row in connection.execute(statement)}
