"""Bring the database to the newest schema; safe when several processes do it at once."""

from __future__ import annotations

import fcntl
import time
from pathlib import Path

import sqlalchemy as sa

import index
from index.files import disk_errors
from index.home import Home
from index.store.database import one_writer, reading, writing
from training.errors import GalleryError

MIGRATIONS = Path(index.__file__).resolve().parent.parent / "migrations"
HEAD = "0003"


def migrate(home: Home) -> None:
    """Upgrade the home's database to the newest schema; nothing happens if it is there already.

    Raises GalleryError if the database is away or was made by a newer Posebank.
    """
    with reading(home) as connection:
        if revision(connection) == HEAD:
            return
    with disk_errors(home.path), (home.path / "migrate.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with writing(home) as connection:
            # Homes on several machines may share one Postgres; the file lock sees only one.
            one_writer(connection)
            if revision(connection) != HEAD:
                upgrade(connection)


def migrate_once_up(home: Home, seconds: float) -> None:
    """``migrate``, asked again for ``seconds`` as long as the database does not answer yet."""
    give_up = time.monotonic() + seconds
    while True:
        try:
            return migrate(home)
        except GalleryError as error:
            away = isinstance(error.__cause__, sa.exc.OperationalError)
            if not away or time.monotonic() >= give_up:
                raise
            time.sleep(0.5)


def revision(connection: sa.Connection) -> str | None:
    """The schema revision of the database, or None where there is none yet."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)


def upgrade(connection: sa.Connection, target: str = "head") -> None:
    """Bring the schema to a revision; the caller has a write transaction and is the one writer.

    Raises GalleryError if the database was made by a newer Posebank.
    """
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, target)
    except CommandError as error:
        raise GalleryError(
            f"The database schema {revision(connection)!r} is not known to this version.",
            "Install the newer Posebank that made it, or point POSEBANK_DATABASE_URL elsewhere.",
        ) from error
