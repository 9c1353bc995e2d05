"""Whether an index version still is what its manifest says: files, counts, row order, metadata."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from index.building.assemble import damages
from index.confidence import read_confidence
from index.home import Home
from index.manifest import FILE, IDS, Manifest, metadata_digest, row_order
from index.opening import unknown_index
from index.store.database import reading
from index.store.enrolled import count_unseen
from index.store.migrate import migrate
from index.store.versions import find_version, list_versions, row_fingerprints, row_view_ids
from index.vectors import read_flat
from training.errors import GalleryError


@dataclass(frozen=True, slots=True)
class Verdict:
    """``problems`` make the version unusable; ``notes`` are worth knowing."""

    name: str
    version: str
    problems: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether there is no problem."""
        return not self.problems


def verify_version(home: Home, name: str, version: str | None = None) -> Verdict:
    """Recompute every checksum and count of a version, the current one by default.

    Raises GalleryError if the version is unknown.
    """
    migrate(home)
    with reading(home) as connection:
        record = find_version(connection, name, version)
        if record is None:
            known = [found.name for found in list_versions(connection) if found.current]
            raise unknown_index(name, version, known)
        view_ids = row_view_ids(connection, record.id)
        fingerprints = row_fingerprints(connection, record.id)
        encoder = Manifest.parse(record.manifest, f"{name} {record.version}").encoder.identity
        unseen = count_unseen(connection, name, encoder, record.id)
    folder = home.version_folder(name, record.version)
    try:
        manifest = Manifest.read(folder)
    except GalleryError as error:
        return Verdict(name, record.version, (error.message,), ())
    problems: list[str] = []
    notes: list[str] = []
    if manifest.version != record.version:
        problems.append(f"{FILE} was changed: it hashes to {manifest.version}")
    if manifest.text != record.manifest:
        problems.append(f"{FILE} is not the one the database holds")
    broken = damages(folder, manifest)
    problems += broken
    if not broken:
        problems += _content(home, name, record.version, manifest)
    if len(view_ids) != manifest.counts.views:
        problems.append(
            f"the database holds {len(view_ids)} rows, the manifest {manifest.counts.views}"
        )
    elif row_order(view_ids) != manifest.row_order_sha256:
        problems.append("the rows of the database are in another order than the manifest's")
    gone = sum(text is None for text in fingerprints)
    if gone:
        notes.append(f"the metadata of {gone} views was deleted; searches leave them out")
    elif metadata_digest(fingerprints) != manifest.metadata_sha256:
        notes.append("the metadata of some views was changed by a later build of this index")
    if unseen:
        notes.append(f"{unseen} views were enrolled with another encoder; searches leave them out")
    return Verdict(name, record.version, tuple(problems), tuple(notes))


def _content(home: Home, name: str, version: str, manifest: Manifest) -> list[str]:
    folder = home.version_folder(name, version)
    problems = []
    ids = np.load(folder / IDS, allow_pickle=False)
    if row_order(ids) != manifest.row_order_sha256:
        problems.append("ids.npy holds another row order than the manifest")
    try:
        read_confidence(folder, manifest.confidence_sha256)
    except GalleryError as error:
        problems.append(error.message)
    for stored in manifest.heads.values():
        try:
            read_flat(folder / stored.file, stored.sha256, stored.dim, manifest.counts.views)
        except GalleryError as error:
            problems.append(error.message)
    return problems
