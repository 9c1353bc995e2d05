"""The last step of a build: one transaction that makes metadata, rows and version visible."""

from __future__ import annotations

from pathlib import Path

from index.building.assemble import shard_rows
from index.building.plan import Plan
from index.home import Home
from index.manifest import Manifest
from index.store.database import one_writer, writing
from index.store.enrolled import erased_ids
from index.store.versions import add_rows, add_version, make_current
from index.store.views import store_views


def publish(home: Home, plan: Plan, work: Path, manifest: Manifest, since: int) -> None:
    """Write all rows and make the version current: everything or nothing, any number of times.

    Views that were erased after the change ``since``, when the build began, do not come back: the
    version holds their rows until ``index.enrolment.erase`` takes these out.
    """
    with writing(home) as connection:
        one_writer(connection)
        version_id = add_version(connection, manifest.name, manifest.version, manifest.text)
        erased = erased_ids(connection, since)
        first = 0
        for rows in shard_rows(plan, work):
            add_rows(connection, version_id, first, (row["id"] for row in rows.views))
            first += len(rows.views)
            kept = rows.without(erased)
            store_views(connection, manifest.name, kept.sequences, kept.views, kept.jpegs)
        make_current(connection, manifest.name, version_id)
