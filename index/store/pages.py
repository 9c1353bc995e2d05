"""The filters of a search as conditions on rows, and pages of views that fulfil them."""

from __future__ import annotations

import sqlalchemy as sa

from index.filters import Filters
from index.store.tables import enrolled_views, sequences, version_rows, views
from index.store.versions import VersionRecord

COLUMNS = {
    "dataset": sequences.c.dataset,
    "split": sequences.c.split,
    "sequence": sequences.c.name,
    "instance": views.c.instance,
    "category": views.c.category,
}


def view_ids_after(
    connection: sa.Connection,
    record: VersionRecord,
    encoder: str,
    filters: Filters,
    start: int,
    limit: int,
) -> list[int]:
    """The first ``limit`` ids above ``start`` of views that the filters leave, ascending.

    Of those that the version holds or that were enrolled into its index with this encoder.
    """
    held = sa.select(version_rows.c.view_id).where(
        version_rows.c.version_id == record.id, version_rows.c.view_id == views.c.id
    )
    enrolled = sa.select(enrolled_views.c.view_id).where(
        enrolled_views.c.index_name == record.name,
        enrolled_views.c.encoder == encoder,
        enrolled_views.c.view_id == views.c.id,
    )
    statement = (
        sa.select(views.c.id)
        .join(sequences, sequences.c.id == views.c.sequence_id)
        .where(views.c.id > start, sa.or_(held.exists(), enrolled.exists()), *_conditions(filters))
        .order_by(views.c.id)
        .limit(limit)
    )
    return [row[0] for row in connection.execute(statement)]


def _conditions(filters: Filters) -> list[sa.ColumnElement[bool]]:
    """What ``Filters.mask`` says of columns in memory, said to the database."""
    found: list[sa.ColumnElement[bool]] = [
        column.in_(getattr(filters, name))
        for name, column in COLUMNS.items()
        if getattr(filters, name)
    ]
    for name in ("sequence", "instance"):
        for unwanted in getattr(filters, f"exclude_{name}"):
            found.append(sa.not_(_named(COLUMNS[name], unwanted)))
    if filters.allowed_datasets is not None:
        found.append(sequences.c.dataset.in_(filters.allowed_datasets))
    if filters.has_box9 is not None:
        found.append(views.c.has_box9 == filters.has_box9)
    return found


def _named(column: sa.ColumnElement[str], value: str) -> sa.ColumnElement[bool]:
    dataset, slash, rest = value.partition("/")
    if not slash:
        return column == value
    return sa.or_(column == value, sa.and_(sequences.c.dataset == dataset, column == rest))
