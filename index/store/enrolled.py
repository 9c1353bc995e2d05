"""Queries about what was enrolled online, and about the log of enrolments and erasures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from index.store.database import chunks
from index.store.tables import (
    changes,
    enrolled_vectors,
    enrolled_views,
    sequences,
    version_rows,
    views,
)

_LAST_CHANGE = sa.select(sa.func.max(changes.c.id))  # made once: servers ask it again and again


@dataclass(frozen=True, slots=True)
class Change:
    """A view was enrolled, or ``erased``; ``id`` rises in the order of commits."""

    id: int
    view_id: int
    erased: bool


@dataclass(frozen=True, slots=True, eq=False)
class EnrolledRows:
    """T enrolled views in the order of their ids.

    ``view_ids`` (T,); ``texts`` column → T values of the filter columns; ``has_box9`` (T,);
    ``fingerprints`` T; ``vectors`` head → (T, dim) float32.
    """

    view_ids: NDArray[np.int64]
    texts: dict[str, list[str]]
    has_box9: NDArray[np.bool_]
    fingerprints: list[str]
    vectors: dict[str, NDArray[np.float32]]


def add_enrolled(
    connection: sa.Connection,
    index_name: str,
    encoder: str,
    vectors: Mapping[int, Mapping[str, NDArray[np.float32]]],
) -> None:
    """Enrol views that are stored already: view id → head → (dim,) vector.

    Replaces what was enrolled of them, be it with another encoder.
    """
    now = datetime.now(UTC)
    for part in chunks(list(vectors)):
        for table in (enrolled_vectors, enrolled_views):
            connection.execute(sa.delete(table).where(table.c.view_id.in_(part)))
    connection.execute(
        sa.insert(enrolled_views),
        [
            {"view_id": key, "index_name": index_name, "encoder": encoder, "enrolled_at": now}
            for key in vectors
        ],
    )
    connection.execute(
        sa.insert(enrolled_vectors),
        [
            {"view_id": key, "head": head, "vector": np.asarray(vector, "<f4").tobytes()}
            for key, heads in vectors.items()
            for head, vector in heads.items()
        ],
    )


def enrolled_rows(
    connection: sa.Connection,
    index_name: str,
    encoder: str,
    heads: Mapping[str, int],
    *,
    unless_in: int | None = None,
    among: Sequence[int] | None = None,
) -> EnrolledRows:
    """What was enrolled into an index with this encoder.

    Without the views that the version with the id ``unless_in`` holds; of the views ``among``
    these ids only.
    """
    statement = (
        sa.select(
            views.c.id,
            sequences.c.dataset,
            sequences.c.split,
            sequences.c.name.label("sequence"),
            views.c.instance,
            views.c.category,
            views.c.has_box9,
            views.c.fingerprint,
        )
        .join(sequences, sequences.c.id == views.c.sequence_id)
        .join(enrolled_views, enrolled_views.c.view_id == views.c.id)
        .where(enrolled_views.c.index_name == index_name, enrolled_views.c.encoder == encoder)
    )
    if unless_in is not None:
        held = sa.select(version_rows.c.view_id).where(
            version_rows.c.version_id == unless_in, version_rows.c.view_id == views.c.id
        )
        statement = statement.where(~held.exists())
    rows: list[Any] = []
    if among is None:
        rows += connection.execute(statement)
    else:
        for part in chunks(among):
            rows += connection.execute(statement.where(views.c.id.in_(part)))
    rows.sort(key=lambda row: row.id)
    ids = [row.id for row in rows]
    names = ("dataset", "split", "sequence", "instance", "category")
    return EnrolledRows(
        view_ids=np.array(ids, dtype=np.int64),
        texts={name: [getattr(row, name) for row in rows] for name in names},
        has_box9=np.array([row.has_box9 for row in rows], dtype=bool),
        fingerprints=[row.fingerprint for row in rows],
        vectors=_vectors(connection, ids, heads),
    )


def _vectors(
    connection: sa.Connection, ids: list[int], heads: Mapping[str, int]
) -> dict[str, NDArray[np.float32]]:
    found = {head: np.zeros((len(ids), dim), np.float32) for head, dim in heads.items()}
    place = {key: row for row, key in enumerate(ids)}
    for part in chunks(ids):
        statement = sa.select(enrolled_vectors).where(enrolled_vectors.c.view_id.in_(part))
        for key, head, vector in connection.execute(statement):
            found[head][place[key]] = np.frombuffer(vector, "<f4")
    return found


def enrolled_fingerprints(
    connection: sa.Connection, index_name: str, ids: Sequence[int]
) -> dict[int, str]:
    """View id → fingerprint, of those views that are enrolled into an index."""
    found = {}
    for part in chunks(ids):
        statement = (
            sa.select(views.c.id, views.c.fingerprint)
            .join(enrolled_views, enrolled_views.c.view_id == views.c.id)
            .where(enrolled_views.c.index_name == index_name, views.c.id.in_(part))
        )
        found.update({row.id: row.fingerprint for row in connection.execute(statement)})
    return found


def unseen_views(
    connection: sa.Connection, encoder: str, version_id: int, ids: Sequence[int]
) -> set[int]:
    """Those of the enrolled views that this version is searched without.

    They were enrolled with another encoder than this, its own, and none of its rows holds them.
    """
    statement = sa.select(enrolled_views.c.view_id).where(*_unseen(encoder, version_id))
    found: set[int] = set()
    for part in chunks(ids):
        rows = connection.execute(statement.where(enrolled_views.c.view_id.in_(part)))
        found.update(row[0] for row in rows)
    return found


def count_unseen(connection: sa.Connection, index_name: str, encoder: str, version_id: int) -> int:
    """How many of an index's enrolled views are ``unseen_views`` of one of its versions."""
    statement = sa.select(sa.func.count()).where(
        enrolled_views.c.index_name == index_name, *_unseen(encoder, version_id)
    )
    return int(connection.execute(statement).scalar_one())


def _unseen(encoder: str, version_id: int) -> tuple[sa.ColumnElement[bool], ...]:
    held = sa.exists().where(
        version_rows.c.version_id == version_id,
        version_rows.c.view_id == enrolled_views.c.view_id,
    )
    return enrolled_views.c.encoder != encoder, ~held


def add_changes(connection: sa.Connection, view_ids: Iterable[int], *, erased: bool) -> None:
    """Tell the other processes. The caller holds the one writer's lock."""
    rows = [{"view_id": key, "erased": erased} for key in view_ids]
    if rows:
        connection.execute(sa.insert(changes), rows)


def last_change(connection: sa.Connection) -> int:
    """The id of the newest change, 0 where there was none."""
    return connection.execute(_LAST_CHANGE).scalar() or 0


def changes_after(connection: sa.Connection, seen: int) -> list[Change]:
    """The changes with ids above ``seen``, in order."""
    statement = sa.select(changes).where(changes.c.id > seen).order_by(changes.c.id)
    return [Change(*row) for row in connection.execute(statement)]


def erased_ids(connection: sa.Connection, seen: int = 0) -> set[int]:
    """Views that were erased after the change ``seen`` and have not come back since."""
    statement = (
        sa.select(changes.c.view_id)
        .outerjoin(views, views.c.id == changes.c.view_id)
        .where(changes.c.id > seen, changes.c.erased, views.c.id.is_(None))
        .distinct()
    )
    return {row[0] for row in connection.execute(statement)}
