"""What was enrolled becomes part of a new version, so that searches need no tail."""

from __future__ import annotations

from dataclasses import dataclass

from index.building.lock import exclusive
from index.enrolment.erase import purge
from index.enrolment.rewrite import rewritten
from index.files import disk_errors
from index.home import Home
from index.opening import stored_version, unknown_index
from index.store.database import one_writer, reading, writing
from index.store.migrate import migrate
from index.store.versions import (
    add_rows,
    add_version,
    current_names,
    find_version,
    make_current,
    row_fingerprints,
)
from training.errors import BusyError


@dataclass(frozen=True, slots=True)
class Compacted:
    """Version ``new`` of index ``name`` holds what ``old`` held and ``views`` enrolled ones more.

    The two are the same where nothing was to be done.
    """

    name: str
    old: str
    new: str
    views: int


def compact(home: Home, name: str) -> Compacted:
    """Fold what was enrolled into a new version and make that current; the old one stays.

    Killed anywhere it loses nothing and can be repeated: the enrolled views stay in the database,
    and a search leaves out of its tail what its version holds. Raises BusyError while the index is
    built or changed by another process, or where another version was promoted meanwhile;
    GalleryError if it is unknown or damaged.
    """
    migrate(home)
    with reading(home) as connection:
        current = current_names(connection)
    if name not in current:
        raise unknown_index(name, None, sorted(current))
    folder = home.index_folder(name)
    with disk_errors(folder), exclusive(folder):
        purge(home, name)
        with reading(home) as connection:
            stored = stored_version(connection, name, None)
            old, views = stored.record, len(stored.enrolled.view_ids)
            fingerprints = row_fingerprints(connection, old.id)
        if not views:
            return Compacted(name, old.version, old.version, 0)
        manifest, ids = rewritten(home, stored, fingerprints, "compact")
        with writing(home) as connection:
            one_writer(connection)
            found = find_version(connection, name)
            if found is None or found.id != old.id:
                raise BusyError(
                    f"Another version of {name!r} than {old.version} was promoted meanwhile.",
                    "Compact again to fold what was enrolled into that one.",
                )
            version_id = add_version(connection, name, manifest.version, manifest.text)
            add_rows(connection, version_id, 0, ids.tolist())
            make_current(connection, name, version_id)
        new = manifest.version
        for late in purge(home, name):  # erased while the files were written
            new = late.new if late.old == new else new
    return Compacted(name, old.version, new, views)
