"""From a home to an opened version: the database's rows, the folder's files, both checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from index.confidence import Confidence, read_confidence
from index.files import check_sha256
from index.home import Home
from index.manifest import IDS, Manifest, row_order
from index.part import Part
from index.store.columns import Columns, load_columns
from index.store.database import reading
from index.store.enrolled import EnrolledRows, enrolled_rows, last_change
from index.store.migrate import migrate
from index.store.versions import VersionRecord, find_version, list_versions, row_view_ids
from index.vectors import GrowingIndex, VectorIndex, read_flat
from training.errors import GalleryError


@dataclass(frozen=True, slots=True, eq=False)
class OpenedVersion:
    """A version in memory, and what was enrolled since.

    ``seen`` is the last change of the database that it knows; ``growing`` are the tail's vectors.
    """

    manifest: Manifest
    snapshot: Part
    tail: Part
    growing: Mapping[str, GrowingIndex]
    seen: int
    confidence: Confidence | None


@dataclass(frozen=True, slots=True, eq=False)
class StoredVersion:
    """What the database knows of a version, and of what was enrolled into its index since."""

    record: VersionRecord
    manifest: Manifest
    view_ids: NDArray[np.int64]
    columns: Columns
    enrolled: EnrolledRows
    seen: int


def stored_version(connection: sa.Connection, name: str, version: str | None) -> StoredVersion:
    """A version of an index, the current one by default. Raises GalleryError if it is unknown."""
    record = find_version(connection, name, version)
    if record is None:
        known = [found.name for found in list_versions(connection) if found.current]
        raise unknown_index(name, version, known)
    manifest = Manifest.parse(record.manifest, f"{record.name} {record.version}")
    heads = {head: stored.dim for head, stored in manifest.heads.items()}
    view_ids = row_view_ids(connection, record.id)
    return StoredVersion(
        record=record,
        manifest=manifest,
        view_ids=view_ids,
        columns=load_columns(connection, record.id, len(view_ids)),
        enrolled=enrolled_rows(
            connection, name, manifest.encoder.identity, heads, unless_in=record.id
        ),
        seen=last_change(connection),
    )


def open_version(
    home: Home, name: str, version: str | None = None, threads: int | None = None
) -> OpenedVersion:
    """Read a version into memory; every file is checked against the manifest first.

    Raises GalleryError if the index is unknown, damaged or differs from the database.
    """
    migrate(home)
    with reading(home) as connection:
        stored = stored_version(connection, name, version)
    folder = home.version_folder(name, stored.record.version)
    try:
        return _read(folder, stored, threads)
    except GalleryError:
        with reading(home) as connection:
            if version is not None or find_version(connection, name, stored.record.version):
                raise
    # An erasure put another version in its place meanwhile.
    return open_version(home, name, version, threads)


def _read(folder: Path, stored: StoredVersion, threads: int | None) -> OpenedVersion:
    manifest = Manifest.read(folder)
    _check(manifest, stored.record, stored.view_ids)
    check_sha256(folder / IDS, manifest.ids_sha256)
    confidence = read_confidence(folder, manifest.confidence_sha256)
    count = len(stored.view_ids)
    vectors: dict[str, VectorIndex] = {
        head: read_flat(folder / file.file, file.sha256, file.dim, count, threads)
        for head, file in manifest.heads.items()
    }
    growing = {head: GrowingIndex(file.dim) for head, file in manifest.heads.items()}
    enrolled = stored.enrolled
    for head, index in growing.items():
        index.append(enrolled.vectors[head])
    tail = Part.of(count, np.zeros(0, np.int64), stored.columns.without_rows(), growing)
    return OpenedVersion(
        manifest,
        Part.of(0, stored.view_ids, stored.columns, vectors),
        tail.extended(enrolled.view_ids, enrolled.texts, enrolled.has_box9),
        growing,
        stored.seen,
        confidence,
    )


def _check(manifest: Manifest, record: VersionRecord, view_ids: NDArray[np.int64]) -> None:
    remedy = "Run `index verify`, then build the index again or promote another version."
    if manifest.version != record.version:
        raise GalleryError(
            f"The manifest of {record.name} {record.version} hashes to {manifest.version}.", remedy
        )
    if row_order(view_ids) != manifest.row_order_sha256:
        raise GalleryError(
            f"The database holds the {len(view_ids)} rows of {record.name} {record.version} in "
            "another order than its manifest.",
            remedy,
        )


def unknown_index(name: str, version: str | None, known: list[str]) -> GalleryError:
    """The error for an index or version that is not there, naming those that are."""
    what = f"Index {name!r}" + (f" has no version {version!r}." if version else " does not exist.")
    if known:
        return GalleryError(what, f"Indexes with a current version: {', '.join(known)}.")
    return GalleryError(what, "Build one with `index build NAME --data ROOT --encoder DIR`.")
