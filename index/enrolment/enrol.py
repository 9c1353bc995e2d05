"""Views into an index, at once and for good."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from index.enrolment.new_view import NewView
from index.home import Home
from index.manifest import Manifest
from index.opening import unknown_index
from index.store.database import one_writer, writing
from index.store.enrolled import (
    add_changes,
    add_enrolled,
    enrolled_fingerprints,
    unseen_views,
)
from index.store.migrate import migrate
from index.store.stored_view import StoredView, view_key
from index.store.versions import VersionRecord, current_names, find_version, held_views
from index.store.views import fetch_views, insert_views, sequence_splits
from training.errors import BusyError, EnrolmentError, GalleryError, ViewExistsError


def enrol(
    home: Home, index_name: str, encoder_identity: str, views: Sequence[NewView]
) -> list[StoredView]:
    """Add views to an index, all or none; their records in the order given.

    What is returned is on the disk: a kill or a power cut right after loses nothing. This process
    and others find it after their next ``Catalog.follow``. A view that this index has enrolled
    already, the same in everything but its embeddings and picture, is given back as it is stored,
    so that who lost an answer can repeat the call; where the index has another encoder since and
    would not find it, it takes the new embeddings. Raises ViewExistsError if another view of the
    same dataset, sequence, frame and instance is in the store or comes twice; EnrolmentError if
    the index cannot take one; BusyError while a file holds the embedding of an erased view of the
    same identity; GalleryError if the index is unknown or of another encoder.
    """
    if not views:
        return []
    migrate(home)
    with writing(home) as connection:
        one_writer(connection)
        record, manifest = _current(connection, index_name)
        if manifest.encoder.identity != encoder_identity:
            raise GalleryError(
                f"Index {index_name!r} now is of encoder {manifest.encoder.identity[:12]}…, the "
                f"embeddings are of {encoder_identity[:12]}….",
                "Embed the crop with the encoder of the index and enrol again.",
            )
        heads = {head: stored.dim for head, stored in manifest.heads.items()}
        for view in views:
            view.check(heads)
        rows = [view.rows() for view in views]
        ids = [row["id"] for _, row in rows]
        known = _refuse_others(connection, index_name, [row for _, row in rows])
        _refuse_other_splits(connection, [sequence for sequence, _ in rows])
        new = [place for place, key in enumerate(ids) if key not in known]
        if new:
            _refuse_half_erased(connection, [ids[place] for place in new])
            sequences = {rows[place][0]["id"]: rows[place][0] for place in new}
            insert_views(
                connection,
                list(sequences.values()),
                [rows[place][1] for place in new],
                [views[place].thumbnail for place in new],
            )
        unseen = unseen_views(connection, encoder_identity, record.id, sorted(known))
        vectors = {
            key: view.vectors
            for key, view in zip(ids, views, strict=True)
            if key not in known or key in unseen
        }
        if vectors:
            add_enrolled(connection, index_name, encoder_identity, vectors)
            add_changes(connection, list(vectors), erased=False)
        stored = fetch_views(connection, ids)
    return [stored[key] for key in ids]


def _current(connection: sa.Connection, index_name: str) -> tuple[VersionRecord, Manifest]:
    record = find_version(connection, index_name)
    if record is None:
        raise unknown_index(index_name, None, sorted(current_names(connection)))
    return record, Manifest.parse(record.manifest, f"{record.name} {record.version}")


def _refuse_others(
    connection: sa.Connection, index_name: str, rows: list[dict[str, Any]]
) -> set[int]:
    """The ids of those rows of ``views`` that this index has enrolled, word for word."""
    ids = [row["id"] for row in rows]
    taken = set(fetch_views(connection, ids))
    mine = enrolled_fingerprints(connection, index_name, ids)
    for position, row in enumerate(rows):
        key = row["id"]
        if key in ids[:position]:
            where = "given twice"
        elif key in taken and mine.get(key) != row["fingerprint"]:
            where = "there already, of another image or with other annotations"
        else:
            continue
        raise ViewExistsError(
            f"The view {view_key(key)} of this dataset, sequence, frame and instance is {where}.",
            "Give the frame its own number, or delete the view first.",
            position,
        )
    return taken


def _refuse_half_erased(connection: sa.Connection, ids: list[int]) -> None:
    """Of views that are not stored: come back now, they would pass for what the old rows hold."""
    held = held_views(connection, ids)
    if held:
        raise BusyError(
            f"The view {view_key(held[0])} was erased, and a file still holds its embedding.",
            "Enrol again when that erasure is done: a running server completes it, and so does "
            "any erasure.",
        )


def _refuse_other_splits(connection: sa.Connection, rows: list[dict[str, Any]]) -> None:
    splits = sequence_splits(connection, [row["id"] for row in rows])
    for position, row in enumerate(rows):
        split = splits.setdefault(row["id"], row["split"])
        if split != row["split"]:
            raise EnrolmentError(
                f"Sequence {row['name']!r} of dataset {row['dataset']!r} has the split "
                f"{split!r}, not {row['split']!r}.",
                "Enrol with that split, or name another sequence.",
                position,
            )
