"""Queries about views and their thumbnails."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from index.store.database import chunks, upsert
from index.store.stored_view import StoredView, stored_view, view_key
from index.store.tables import (
    enrolled_vectors,
    enrolled_views,
    index_versions,
    sequences,
    thumbnails,
    version_rows,
    views,
)
from training.errors import GalleryError


def fetch_views(connection: sa.Connection, ids: Sequence[int]) -> dict[int, StoredView]:
    """The views with these ids; ids that the store does not know are absent."""
    found = {}
    for part in chunks(ids):
        statement = (
            sa.select(views, sequences.c.dataset, sequences.c.name, sequences.c.split)
            .join(sequences, sequences.c.id == views.c.sequence_id)
            .where(views.c.id.in_(part))
        )
        for row in connection.execute(statement):
            found[row.id] = stored_view(row)
    return found


def delete_views(connection: sa.Connection, ids: Sequence[int]) -> int:
    """Forget these views, their thumbnails and what was enrolled of them; how many there were.

    Their vectors stay in the immutable snapshots, but searches no longer return them; see
    ``index.enrolment.erase``.
    """
    count = 0
    for part in chunks(ids):
        for table in (enrolled_vectors, enrolled_views, thumbnails):
            connection.execute(sa.delete(table).where(table.c.view_id.in_(part)))
        count += connection.execute(sa.delete(views).where(views.c.id.in_(part))).rowcount
    return count


def delete_unused_sequences(connection: sa.Connection) -> None:
    """Forget the sequences that have no views any more."""
    used = sa.select(views.c.id).where(views.c.sequence_id == sequences.c.id)
    connection.execute(sa.delete(sequences).where(~used.exists()))


def known_views(connection: sa.Connection, ids: Sequence[int]) -> list[int]:
    """Which of these ids the store knows."""
    found: list[int] = []
    for part in chunks(ids):
        found += [
            row[0] for row in connection.execute(sa.select(views.c.id).where(views.c.id.in_(part)))
        ]
    return found


def views_of_instance(connection: sa.Connection, dataset: str, instance: str) -> list[int]:
    """The ids of all views that show one instance."""
    statement = (
        sa.select(views.c.id)
        .join(sequences, sequences.c.id == views.c.sequence_id)
        .where(sequences.c.dataset == dataset, views.c.instance == instance)
    )
    return [row[0] for row in connection.execute(statement)]


def sequence_splits(connection: sa.Connection, ids: Sequence[int]) -> dict[int, str]:
    """Sequence id → split, of the sequences that are stored."""
    found = {}
    for part in chunks(ids):
        statement = sa.select(sequences.c.id, sequences.c.split).where(sequences.c.id.in_(part))
        found.update({row.id: row.split for row in connection.execute(statement)})
    return found


def insert_views(
    connection: sa.Connection,
    sequence_rows: list[dict[str, Any]],
    view_rows: list[dict[str, Any]],
    jpegs: list[bytes],
) -> None:
    """Write new views with their thumbnails, and those of their sequences that are not there."""
    upsert(connection, sequences, sequence_rows, replace=False)
    connection.execute(sa.insert(views), view_rows)
    pairs = zip(view_rows, jpegs, strict=True)
    rows = [{"view_id": row["id"], "jpeg": jpeg} for row, jpeg in pairs]
    connection.execute(sa.insert(thumbnails), rows)


def add_new_views(
    connection: sa.Connection,
    index_name: str,
    sequence_rows: list[dict[str, Any]],
    view_rows: list[dict[str, Any]],
    jpegs: list[bytes],
) -> bool:
    """Write those of the views that are not there; whether others are there and differ.

    These are left for ``store_views``. Raises as that does.
    """
    _refuse_conflicts(connection, index_name, sequence_rows, view_rows)
    stored_sequences = _stored_sequences(connection, [row["id"] for row in sequence_rows])
    stored: dict[int, tuple[str, bytes | None]] = {}
    for part in chunks([row["id"] for row in view_rows]):
        statement = (
            sa.select(views.c.id, views.c.fingerprint, thumbnails.c.jpeg)
            .outerjoin(thumbnails, thumbnails.c.view_id == views.c.id)
            .where(views.c.id.in_(part))
        )
        stored.update(
            {row.id: (row.fingerprint, row.jpeg) for row in connection.execute(statement)}
        )
    new: list[tuple[dict[str, Any], bytes]] = []
    differ = any(stored_sequences.get(row["id"], row) != row for row in sequence_rows)
    for row, jpeg in zip(view_rows, jpegs, strict=True):
        if row["id"] not in stored:
            new.append((row, jpeg))
        elif stored[row["id"]] != (row["fingerprint"], jpeg):
            differ = True
    if new:
        insert_views(connection, sequence_rows, [row for row, _ in new], [jpeg for _, jpeg in new])
    return differ


def store_views(
    connection: sa.Connection,
    index_name: str,
    sequence_rows: list[dict[str, Any]],
    view_rows: list[dict[str, Any]],
    jpegs: list[bytes],
) -> None:
    """Write sequences, views and their thumbnails, replacing what this index said before.

    Raises GalleryError where a view of another index has the same identity and other metadata,
    or where two different views hash to one id.
    """
    _refuse_conflicts(connection, index_name, sequence_rows, view_rows)
    upsert(connection, sequences, sequence_rows, replace=True)
    upsert(connection, views, view_rows, replace=True)
    pairs = zip(view_rows, jpegs, strict=True)
    rows = [{"view_id": row["id"], "jpeg": jpeg} for row, jpeg in pairs]
    upsert(connection, thumbnails, rows, replace=True)


def _stored_sequences(connection: sa.Connection, ids: list[int]) -> dict[int, dict[str, Any]]:
    """Id → row of those sequences that are there."""
    found: dict[int, dict[str, Any]] = {}
    for part in chunks(ids):
        statement = sa.select(sequences).where(sequences.c.id.in_(part))
        found.update({row.id: dict(row._mapping) for row in connection.execute(statement)})
    return found


def _refuse_conflicts(
    connection: sa.Connection,
    index_name: str,
    sequence_rows: list[dict[str, Any]],
    view_rows: list[dict[str, Any]],
) -> None:
    names = {row["id"]: row for row in sequence_rows}
    stored = _stored_sequences(connection, list(names))
    changed = {key for key, old in stored.items() if old != names[key]}
    wanted = {row["id"]: row for row in view_rows}
    for part in chunks(list(wanted)):
        statement = (
            sa.select(
                views.c.id,
                views.c.frame,
                views.c.instance,
                views.c.fingerprint,
                sequences.c.dataset,
                sequences.c.name,
            )
            .join(sequences, sequences.c.id == views.c.sequence_id)
            .where(views.c.id.in_(part))
        )
        for old in connection.execute(statement):
            new = wanted[old.id]
            sequence = names[new["sequence_id"]]
            identity = (sequence["dataset"], sequence["name"], new["frame"], new["instance"])
            if identity != (old.dataset, old.name, old.frame, old.instance):
                raise GalleryError(
                    f"Two different views share the id {view_key(old.id)}: {identity} and "
                    f"{(old.dataset, old.name, old.frame, old.instance)}.",
                    "Rename one of the two sequences or instances.",
                )
            if new["fingerprint"] != old.fingerprint:
                changed.add(new["sequence_id"])
    owner = _other_owner(connection, index_name, changed)
    if owner is not None:
        sequence = names[owner[1]]
        raise GalleryError(
            f"Sequence {sequence['name']!r} of dataset {sequence['dataset']!r} differs from "
            f"the one that index {owner[0]!r} holds under the same name.",
            "Give this data its own name with --dataset, or drop that index first.",
        )


def _other_owner(
    connection: sa.Connection, index_name: str, sequence_ids: set[int]
) -> tuple[str, int] | None:
    """Another index with views of one of these sequences, and which."""
    for part in chunks(sorted(sequence_ids)):
        statement = (
            sa.select(index_versions.c.name, views.c.sequence_id)
            .join(version_rows, version_rows.c.version_id == index_versions.c.id)
            .join(views, views.c.id == version_rows.c.view_id)
            .where(index_versions.c.name != index_name, views.c.sequence_id.in_(part))
            .limit(1)
        )
        enrolled = (
            sa.select(enrolled_views.c.index_name, views.c.sequence_id)
            .join(views, views.c.id == enrolled_views.c.view_id)
            .where(enrolled_views.c.index_name != index_name, views.c.sequence_id.in_(part))
            .limit(1)
        )
        for question in (statement, enrolled):
            row = connection.execute(question).first()
            if row is not None:
                return row[0], row[1]
    return None
