"""From every earlier schema, with data in its tables, to the newest, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from index.home import Home
from index.store.database import reading, writing
from index.store.migrate import HEAD, MIGRATIONS, migrate, revision, upgrade
from index.store.tables import metadata


def revisions() -> list[str]:
    """All revisions, oldest first."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    found = ScriptDirectory.from_config(config).walk_revisions()
    return [script.revision for script in found][::-1]


def value_of(column: sa.Column[Any]) -> Any:
    """Something that fits the column; 1 wherever it may be a key of another table."""
    kind = column.type
    if isinstance(kind, sa.JSON):
        return {"text": "ü", "list": [1, 2.5, None]}
    if isinstance(kind, sa.Boolean):
        return True
    if isinstance(kind, sa.DateTime):
        return datetime(2026, 2, 28, 23, 59, 58, tzinfo=UTC)
    if isinstance(kind, sa.LargeBinary):
        return b"\x00\xff\xd8"
    if isinstance(kind, sa.Integer):
        return 1
    if isinstance(kind, sa.Float):
        return 0.1
    assert isinstance(kind, sa.String), kind
    return "1"


def rows_of(connection: sa.Connection) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table, as the database itself describes them."""
    tables = sa.MetaData()
    tables.reflect(connection)
    return {
        table.name: [dict(row) for row in connection.execute(sa.select(table)).mappings()]
        for table in tables.sorted_tables
        if table.name != "alembic_version"
    }


def fill(connection: sa.Connection) -> None:
    """One row in every table."""
    tables = sa.MetaData()
    tables.reflect(connection)
    for table in tables.sorted_tables:
        if table.name != "alembic_version":
            connection.execute(
                sa.insert(table), {column.name: value_of(column) for column in table.columns}
            )


def test_the_newest_is_the_one_the_code_asks_for() -> None:
    assert revisions()[-1] == HEAD
    names = sorted(path.name for path in Path(MIGRATIONS, "versions").glob("0*.py"))
    assert [name[:4] for name in names] == revisions()


@pytest.mark.parametrize("start", revisions())
def test_data_of_every_earlier_schema_survives(any_home: Home, start: str) -> None:
    with writing(any_home) as connection:
        upgrade(connection, start)
        fill(connection)
        assert revision(connection) == start
    with reading(any_home) as connection:
        before = rows_of(connection)
    assert all(len(rows) == 1 for rows in before.values())
    migrate(any_home)
    with reading(any_home) as connection:
        assert revision(connection) == HEAD
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        after = rows_of(connection)
    for table, rows in before.items():
        kept = [{name: row[name] for name in rows[0]} for row in after[table]]
        assert kept == rows
