"""What is done to finished versions: promote one, drop one."""

from __future__ import annotations

import shutil
from dataclasses import dataclass

from index.building.lock import exclusive
from index.building.publish import withdraw
from index.files import disk_errors
from index.home import Home
from index.opening import unknown_index
from index.store.database import one_writer, reading, writing
from index.store.migrate import migrate
from index.store.versions import (
    VersionRecord,
    delete_version,
    find_version,
    list_versions,
    make_current,
)
from index.verify import verify_version
from training.errors import GalleryError


@dataclass(frozen=True, slots=True)
class Dropped:
    """A version that is gone, with ``views`` views that no other version holds."""

    name: str
    version: str
    views: int


def versions(home: Home, name: str | None = None) -> list[VersionRecord]:
    """All versions of one index or of all, oldest first. Raises GalleryError if there are none."""
    migrate(home)
    with reading(home) as connection:
        found = list_versions(connection, name)
        if name is not None and not found:
            known = [record.name for record in list_versions(connection) if record.current]
            raise unknown_index(name, None, known)
    return found


def promote(home: Home, name: str, version: str) -> None:
    """Make a version current after verifying it. Raises GalleryError if it is damaged."""
    verdict = verify_version(home, name, version)
    if not verdict.ok:
        raise GalleryError(
            f"Version {version} of {name!r} is damaged: {verdict.problems[0]}.",
            "Build the index again.",
        )
    with writing(home) as connection:
        one_writer(connection)
        record = find_version(connection, name, version)
        if record is None:
            raise unknown_index(name, version, [])
        make_current(connection, name, record.id)


def drop(home: Home, name: str, version: str, force: bool = False) -> Dropped:
    """Remove a version: its rows, the views nothing else holds, then its files.

    What was enrolled stays while the index has another version, and goes with the last.
    Raises GalleryError if it is unknown, current without ``force``, or a build of the index runs.
    """
    migrate(home)
    folder = home.index_folder(name)
    if not folder.is_dir():
        raise unknown_index(name, version, [])
    with disk_errors(folder), exclusive(folder):
        withdraw(home, name)  # what a killed build began holds nothing back
        with writing(home) as connection:
            one_writer(connection)
            record = find_version(connection, name, version)
            if record is None:
                raise unknown_index(name, version, [])
            if record.current and not force:
                raise GalleryError(
                    f"Version {version} of {name!r} is the current one.",
                    "Promote another version first, or add --force.",
                )
            count = delete_version(connection, record)
        # A kill before this line leaves files that no row names; a later build replaces them.
        shutil.rmtree(home.version_folder(name, record.version), ignore_errors=True)
    return Dropped(name, record.version, count)
