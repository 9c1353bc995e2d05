"""The last step of a build: one transaction that makes metadata, rows and version visible."""

from __future__ import annotations

from pathlib import Path

from index.building.assemble import shard_rows
from index.building.plan import Plan
from index.home import Home
from index.manifest import Manifest
from index.store.database import one_writer, writing
from index.store.versions import add_rows, add_version, make_current
from index.store.views import store_views


def publish(home: Home, plan: Plan, work: Path, manifest: Manifest) -> None:
    """Write all rows and make the version current: everything or nothing, any number of times."""
    with writing(home) as connection:
        one_writer(connection)
        version_id = add_version(connection, manifest.name, manifest.version, manifest.text)
        first = 0
        for rows in shard_rows(plan, work):
            store_views(connection, manifest.name, rows.sequences, rows.views, rows.jpegs)
            add_rows(connection, version_id, first, (row["id"] for row in rows.views))
            first += len(rows.views)
        make_current(connection, manifest.name, version_id)
