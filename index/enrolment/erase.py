"""Views out of the store and out of every file that holds their embeddings."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from index.building.lock import exclusive
from index.enrolment.remains import holds, leaves, sweep
from index.enrolment.rewrite import rewritten
from index.files import disk_errors
from index.home import Home
from index.opening import stored_version
from index.store.database import one_writer, overwrite_deleted, reading, writing
from index.store.enrolled import add_changes, erased_ids
from index.store.migrate import migrate
from index.store.versions import (
    VersionRecord,
    add_rows,
    add_version,
    find_version,
    forget_version,
    incomplete_versions,
    make_current,
    row_fingerprints,
)
from index.store.views import (
    delete_unused_sequences,
    delete_views,
    known_views,
    views_of_instance,
)
from training.errors import BusyError, GalleryError, PosebankError, StorageFullError

PATIENCE_S = 30.0
"""How long an erasure waits for another one, a compaction or a build that holds an index."""


@dataclass(frozen=True, slots=True)
class Rewritten:
    """Version ``old`` of index ``name`` is gone; ``new`` has its place, without what was erased."""

    name: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Erased:
    """``views`` were erased, and these ``versions`` were written anew."""

    views: int
    versions: tuple[Rewritten, ...]


def erase_views(home: Home, ids: Sequence[int], patience_s: float | None = None) -> Erased:
    """Erase views: metadata, thumbnail, enrolled embedding, and their rows in all versions.

    When this returns, no file of the home holds their embeddings or pictures: versions were
    written anew under new names, the old folders removed, killed builds' shards deleted, and
    SQLite has overwritten what it deleted. Postgres keeps dead rows in its files until
    ``VACUUM FULL thumbnails, enrolled_vectors, views`` rewrites them, and older copies in its
    archived log and in backups for as long as these are kept; that is the operator's to do. The
    data an index was built from is not touched: a later build from it brings them back.

    Ids that are not known count for nothing. Searches of all processes leave the views out at
    once. Raises BusyError where another process holds an index for longer than ``patience_s``
    (default 30); it takes them out when it is done, and so does ``finish_erasures``.
    StorageFullError where there is no space to write versions anew; ``finish_erasures`` completes
    it. GalleryError where a version is damaged, after all others were seen to.
    """
    return _erase(home, lambda connection: known_views(connection, ids), patience_s)


def erase_instance(
    home: Home, dataset: str, instance: str, patience_s: float | None = None
) -> Erased:
    """Erase all views of one instance; see ``erase_views``."""
    return _erase(
        home, lambda connection: views_of_instance(connection, dataset, instance), patience_s
    )


def finish_erasures(home: Home, patience_s: float | None = None) -> tuple[Rewritten, ...]:
    """Complete what a killed or refused erasure left undone. Raises as ``erase_views``."""
    migrate(home)
    return _purge_all(home, (), patience_s)


def _erase(
    home: Home, chosen: Callable[[sa.Connection], list[int]], patience_s: float | None
) -> Erased:
    migrate(home)
    with writing(home) as connection:
        one_writer(connection)
        ids = chosen(connection)
        count = delete_views(connection, ids)
        delete_unused_sequences(connection)
        add_changes(connection, ids, erased=True)
    try:
        return Erased(count, _purge_all(home, ids, patience_s))
    except StorageFullError as error:
        raise StorageFullError(
            f"The views are out of every search. {error.message} Their embeddings leave its files "
            "when there is space.",
            "Free space on its disk: a running server then completes it, and so does any erasure.",
        ) from error


def _purge_all(home: Home, ids: Collection[int], patience_s: float | None) -> tuple[Rewritten, ...]:
    patience_s = PATIENCE_S if patience_s is None else patience_s
    overwrite_deleted(home)
    with reading(home) as connection:
        incomplete = {record.name for record in incomplete_versions(connection)}
    done: list[Rewritten] = []
    problem: PosebankError | None = None
    for folder in sorted((home.path / "indexes").iterdir()):
        needed = folder.name in incomplete or holds(folder, ids)
        if not needed and not leaves(home, folder):
            continue
        try:
            with disk_errors(folder), exclusive(folder, patience_s if needed else 0.0):
                done += purge(home, folder.name)
        except BusyError as error:
            if needed:
                problem = problem or BusyError(
                    f"The views are out of every search. {error.message} Their embeddings leave "
                    "its files when that is done.",
                    "A running server completes it then, and so does any erasure.",
                )
        except PosebankError as error:
            problem = problem or error
    if problem is not None:
        raise problem
    return tuple(done)


def purge(home: Home, name: str) -> list[Rewritten]:
    """Take erased views out of one index's files. The caller holds the index alone.

    Raises GalleryError where a version is damaged, after the others were seen to.
    """
    done: list[Rewritten] = []
    problem: GalleryError | None = None
    with reading(home) as connection:
        records = incomplete_versions(connection, name)
    for record in records:
        try:
            done.append(_rewrite(home, record))
        except GalleryError as error:
            problem = problem or GalleryError(
                f"Version {record.version} of {name!r} still holds erased views and cannot be "
                f"written anew: {error.message}",
                f"Remove it with `index drop {name} {record.version} --force`.",
            )
    with reading(home) as connection:
        erased = erased_ids(connection)
    sweep(home, name, erased)
    if problem is not None:
        raise problem
    return done


def _rewrite(home: Home, record: VersionRecord) -> Rewritten:
    with reading(home) as connection:
        stored = stored_version(connection, record.name, record.version)
        fingerprints = row_fingerprints(connection, record.id)
    manifest, ids = rewritten(home, stored, fingerprints, "erase")
    with writing(home) as connection:
        one_writer(connection)
        # Promoted or not, that may have changed since.
        current = find_version(connection, record.name)
        new_id = add_version(connection, record.name, manifest.version, manifest.text)
        add_rows(connection, new_id, 0, ids.tolist())
        if current is not None and current.id == record.id:
            make_current(connection, record.name, new_id)
        forget_version(connection, record.id)
    shutil.rmtree(home.version_folder(record.name, record.version))
    return Rewritten(record.name, record.version, manifest.version)
