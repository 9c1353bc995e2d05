"""The last step of a build: metadata and rows piece by piece, then the version at once."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import sqlalchemy as sa

from index.building.assemble import shard_rows
from index.building.lock import exclusive
from index.building.plan import Plan
from index.home import Home
from index.manifest import Manifest
from index.store.database import one_writer, reading, writing
from index.store.enrolled import erased_ids
from index.store.versions import (
    add_rows,
    add_version,
    begin_version,
    delete_version,
    half_erased_ids,
    make_current,
    unfinished_versions,
)
from index.store.views import add_new_views, store_views
from training.errors import BusyError, GalleryError


def publish(home: Home, plan: Plan, work: Path, manifest: Manifest, since: int) -> None:
    """Write all rows and make the version current: everything or nothing, any number of times.

    The rows of each shard are a transaction of their own, so that who enrols or deletes meanwhile
    waits for one shard and not for all. No search, list or count shows the version or its new views
    before the last transaction, which also replaces what is stored otherwise. Views that were
    erased after the change ``since``, when the build began, or whose erasure is not complete, do
    not come back: the version holds their rows until ``index.enrolment.erase`` takes these out.
    Killed in between, what was written is found by the same build again, or withdrawn by the next
    of any index. Raises GalleryError, BrokenShardError.
    """
    _withdraw_killed(home, manifest.name)
    try:
        differing = _write_new(home, plan, work, manifest, since)
        with writing(home) as connection:
            one_writer(connection)
            erased = _erased(connection, since)
            for number in differing:
                kept = shard_rows(plan, work, number).without(erased)
                store_views(connection, manifest.name, kept.sequences, kept.views, kept.jpegs)
            version_id = add_version(connection, manifest.name, manifest.version, manifest.text)
            make_current(connection, manifest.name, version_id)
    except GalleryError:
        with suppress(GalleryError):  # a disk may be too full to delete; a later sweep does it
            withdraw(home, manifest.name)
        raise


def _withdraw_killed(home: Home, name: str) -> None:
    """Take out what killed builds of other indexes wrote: they would own it, and not be there."""
    with reading(home) as connection:
        others = {record.name for record in unfinished_versions(connection)} - {name}
    for other in sorted(others):
        with suppress(BusyError), exclusive(home.index_folder(other), 0.0):
            withdraw(home, other)


def _write_new(home: Home, plan: Plan, work: Path, manifest: Manifest, since: int) -> list[int]:
    """Write what is not there; the shards with views that are stored otherwise."""
    differing = []
    first = 0
    for number in range(len(plan.shards)):
        rows = shard_rows(plan, work, number)
        with writing(home) as connection:
            one_writer(connection)
            version_id = begin_version(connection, manifest.name, manifest.version)
            add_rows(connection, version_id, first, (row["id"] for row in rows.views))
            kept = rows.without(_erased(connection, since))
            if add_new_views(connection, manifest.name, kept.sequences, kept.views, kept.jpegs):
                differing.append(number)
        first += len(rows.views)
    return differing


def _erased(connection: sa.Connection, since: int) -> set[int]:
    """The views that do not come back. Half erased ones would pass for what old rows hold."""
    return erased_ids(connection, since) | half_erased_ids(connection)


def withdraw(home: Home, name: str) -> None:
    """Take out what unfinished publications of an index wrote. The caller holds it alone."""
    with reading(home) as connection:
        if not unfinished_versions(connection, name):
            return
    with writing(home) as connection:
        one_writer(connection)
        for record in unfinished_versions(connection, name):
            delete_version(connection, record)
