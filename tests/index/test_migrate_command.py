"""`index migrate`: once before many servers start, beside a database that starts with it."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from index.cli import app
from index.home import Home
from index.store.database import close_database, reading, writing
from index.store.migrate import HEAD, migrate, migrate_once_up, revision
from training.errors import GalleryError


@pytest.fixture
def late(tmp_path: Path):
    """A home whose database cannot be opened before the folder ``late`` is made."""
    home = Home.open(tmp_path / "home", f"sqlite:///{tmp_path / 'late' / 'posebank.sqlite'}")
    yield home
    close_database(home)


def test_the_command_says_where_the_database_is(tmp_path, monkeypatch):
    monkeypatch.delenv("POSEBANK_DATABASE_URL", raising=False)
    home = str(tmp_path / "home")
    for _ in range(2):
        result = CliRunner().invoke(app, ["migrate", "--home", home, "--json"])
        assert (result.exit_code, json.loads(result.stdout)) == (0, {"revision": HEAD})
    opened = Home.open(home)
    with reading(opened) as connection:
        assert revision(connection) == HEAD
    close_database(opened)


def test_a_database_that_starts_late_is_waited_for(late, tmp_path):
    with pytest.raises(GalleryError, match="failed"):
        migrate_once_up(late, 0)
    timer = threading.Timer(0.7, (tmp_path / "late").mkdir)
    timer.start()
    migrate_once_up(late, 60)
    timer.join()
    with reading(late) as connection:
        assert revision(connection) == HEAD


def test_a_database_that_never_starts_is_given_up(late):
    with pytest.raises(GalleryError, match="failed"):
        migrate_once_up(late, 0.6)


def test_a_newer_database_is_refused_without_waiting(late, tmp_path):
    (tmp_path / "late").mkdir()
    migrate(late)
    with writing(late) as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(GalleryError, match="'9999' is not known"):
        migrate_once_up(late, 3600)
