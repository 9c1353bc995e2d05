"""One engine per database URL, tuned so that SQLite behaves under concurrent readers."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DatabaseError, NoSuchModuleError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from index.home import Home
from training.errors import GalleryError, StorageFullError

ADVISORY_LOCK = 0x706F7365  # "pose"

PATIENCE_S = 30
"""How long a writer waits for others."""

CHUNK = 500
"""Values bound in one IN list; SQLite's oldest limit is 999."""


def _set_up_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # SQLAlchemy emits BEGIN itself, see _begin
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute(f"PRAGMA busy_timeout={1000 * PATIENCE_S}")
    cursor.execute("PRAGMA secure_delete=ON")  # what is erased is overwritten with zeros
    cursor.close()


def _begin(connection: sa.Connection) -> None:
    # A writer takes its lock at once: upgrading a read transaction fails instead of waiting.
    begin = connection.get_execution_options().get("posebank_begin", "BEGIN")
    if begin is not None:
        connection.exec_driver_sql(begin)


def _options(url: str) -> dict[str, Any]:
    if not url.startswith("postgresql"):
        return {}
    # A database made in the locale C is SQL_ASCII: it keeps UTF-8, but does not say so.
    return {"pool_pre_ping": True, "client_encoding": "utf8"}


@functools.cache
def _engine(url: str) -> sa.Engine:
    try:
        # What is bound holds thumbnails and hashes of keys; an error must not carry them to a log.
        engine = sa.create_engine(url, hide_parameters=True, **_options(url))
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise GalleryError(
            f"The database URL cannot be used: {error}.",
            "Use sqlite:///FILE or postgresql://USER@HOST/DATABASE (extra `postgres`).",
        ) from error
    if engine.dialect.name not in ("sqlite", "postgresql"):
        raise GalleryError(
            f"The database {engine.dialect.name!r} is not supported.",
            "Use sqlite:///FILE or postgresql://USER@HOST/DATABASE.",
        )
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _set_up_sqlite)
        sa.event.listen(engine, "begin", _begin)
    return engine


def engine_of(home: Home) -> sa.Engine:
    """The engine of the home's database, shared by all threads of the process."""
    return _engine(home.database_url)


def close_database(home: Home) -> None:
    """Give all pooled connections of the home's database back."""
    engine_of(home).dispose()


@contextmanager
def reading(home: Home) -> Iterator[sa.Connection]:
    """A connection in one read transaction, which sees the database as it was at its start.

    Raises GalleryError if the database is away.
    """
    with _translated(home), engine_of(home).connect() as connection:
        if connection.dialect.name == "postgresql":  # SQLite knows nothing else
            connection = connection.execution_options(isolation_level="REPEATABLE READ")
        with connection.begin():
            yield connection


@contextmanager
def writing(home: Home) -> Iterator[sa.Connection]:
    """A connection in one write transaction: all of it happens, or nothing.

    What it wrote is on the disk when the block is left, whatever the server's own setting.
    """
    with _translated(home), engine_of(home).connect() as connection:
        connection = connection.execution_options(posebank_begin="BEGIN IMMEDIATE")
        with connection.begin():
            if connection.dialect.name == "postgresql":
                connection.execute(sa.text(_FLUSH))
            yield connection


_FLUSH = (
    "SELECT set_config('synchronous_commit', 'on', true) "
    "WHERE current_setting('synchronous_commit') = 'off'"
)


def overwrite_deleted(home: Home) -> None:
    """Take what was deleted out of SQLite's write-ahead log too; nothing to do on Postgres.

    Deleted content is overwritten with zeros in the database file, but older copies of its pages
    lie in the log until that is emptied. Raises GalleryError where readers keep it busy.
    """
    engine = engine_of(home)
    if engine.dialect.name != "sqlite":
        return
    with _translated(home), engine.connect() as connection:
        connection = connection.execution_options(posebank_begin=None)  # within none it is refused
        deadline = time.monotonic() + PATIENCE_S
        # Readers are waited for by SQLite itself; where another one empties the log, it gives up.
        while connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").scalar_one():
            if time.monotonic() > deadline:
                raise GalleryError(
                    f"The log of the database was not emptied: others used it for {PATIENCE_S} s.",
                    "End what reads the database for so long, then erase again.",
                )
            time.sleep(0.01)


@contextmanager
def _translated(home: Home) -> Iterator[None]:
    try:
        yield
    except PoolTimeoutError as error:
        raise GalleryError(
            "No connection to the database came free in time: all are in use.",
            "Ask less at once, or lower POSEBANK_THREADS.",
        ) from error
    except DatabaseError as error:
        # sqlite3 raises its DatabaseError itself, no subclass, for a damaged file.
        if not isinstance(error, OperationalError) and type(error) is not DatabaseError:
            raise
        shown = sa.make_url(home.database_url).render_as_string(hide_password=True)
        reason = str(error.orig).strip().splitlines()[0]
        kind = StorageFullError if _is_full(error) else GalleryError
        raise kind(f"The database {shown} failed: {reason}.", _remedy(error)) from error


def _is_full(error: DatabaseError) -> bool:
    """Whether SQLite, for its files or for the memory beside them, or Postgres has no space."""
    name = getattr(error.orig, "sqlite_errorname", None)
    if name is not None:
        return name in ("SQLITE_FULL", "SQLITE_IOERR_SHMSIZE")
    return getattr(error.orig, "sqlstate", None) == "53100"  # disk_full


def _remedy(error: DatabaseError) -> str:
    if _is_full(error):
        return "Free space on its disk and repeat."
    reason = str(error.orig)
    if "locked" in reason:
        return "Another process is writing to it, such as a build: repeat when that is done."
    if "not a database" in reason or "malformed" in reason:
        return "Restore the file from a copy, or move it away and build the indexes again."
    return "Check POSEBANK_DATABASE_URL and that the database runs and may be written."


def one_writer(connection: sa.Connection) -> None:
    """Let no second writer in until the transaction ends, as SQLite does by itself.

    Two builds that touch the same views in different order would deadlock in Postgres.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(ADVISORY_LOCK)))


def chunks(values: Sequence[int]) -> Iterator[list[int]]:
    """The values as Python integers, at most CHUNK at a time."""
    for start in range(0, len(values), CHUNK):
        yield [int(value) for value in values[start : start + CHUNK]]


def upsert(
    connection: sa.Connection, table: sa.Table, rows: list[dict[str, Any]], *, replace: bool
) -> None:
    """Insert ``rows``; where the primary key exists, replace the row or leave it as it is."""
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert
    else:
        from sqlalchemy.dialects.sqlite import insert  # type: ignore[assignment]
    statement = insert(table)
    keys = [column.name for column in table.primary_key]
    if replace:
        values = {c.name: statement.excluded[c.name] for c in table.c if c.name not in keys}
        statement = statement.on_conflict_do_update(index_elements=keys, set_=values)
    else:
        statement = statement.on_conflict_do_nothing(index_elements=keys)
    connection.execute(statement, rows)
