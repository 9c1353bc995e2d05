"""From shards to a version folder: vectors, ids and the manifest, synced and renamed into place."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.building.plan import Plan, relative
from index.building.shards import ShardFile, shard_path
from index.confidence import FILE as CONFIDENCE
from index.confidence import Confidence
from index.files import instead_of_file, sha256_of, sync, write_array, write_atomically
from index.manifest import (
    FILE,
    FORMAT,
    IDS,
    Counts,
    EncoderStamp,
    HeadFile,
    Hints,
    Manifest,
    Options,
    Report,
    Skipped,
    row_order,
)
from index.store.stored_view import sequence_row, view_row
from index.vectors import FlatWriter
from training.errors import GalleryError


@dataclass(frozen=True, slots=True, eq=False)
class ShardRows:
    """The database rows of one shard, in row order; ``jpegs`` belong to ``views``."""

    sequences: list[dict[str, Any]]
    views: list[dict[str, Any]]
    jpegs: list[bytes]

    def without(self, view_ids: set[int]) -> ShardRows:
        """The rows of the other views, and of the sequences that these are in."""
        pairs = zip(self.views, self.jpegs, strict=True)
        kept = [(view, jpeg) for view, jpeg in pairs if view["id"] not in view_ids]
        used = {view["sequence_id"] for view, _ in kept}
        return ShardRows(
            [row for row in self.sequences if row["id"] in used],
            [view for view, _ in kept],
            [jpeg for _, jpeg in kept],
        )


def shard_rows(plan: Plan, work: Path, number: int) -> ShardRows:
    """The rows of one shard of a finished plan. Raises BrokenShardError."""
    shard = ShardFile(shard_path(work, number))
    positions, sizes = shard.positions()
    views = [
        view_row(plan.sequences[p], plan.sequences[p].views[v], width, height)
        for (p, v), (width, height) in zip(positions.tolist(), sizes.tolist(), strict=True)
    ]
    used = sorted(set(positions[:, 0].tolist()))
    return ShardRows([sequence_row(plan.sequences[p]) for p in used], views, list(shard.jpegs()))


def assemble(
    plan: Plan,
    work: Path,
    target: Path,
    *,
    encoder_identity: str,
    heads: Mapping[str, int],
    options: Options,
    encoder_folder: Path | None,
    confidence: Confidence | None,
    canary: Mapping[str, str],
) -> Manifest:
    """Write the version below ``target``, the index's folder, and return its manifest.

    A version folder that is there and whole is kept. Raises BrokenShardError, OSError, and
    GalleryError if no view could be used.
    """
    staging = work / "staging"
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir()
    tally = _tally(plan, work)
    if not len(tally.ids):
        reason = tally.skipped[0].reason if tally.skipped else "there were none"
        raise GalleryError(
            f"No view could be used. The first reason: {reason}", "Correct the data and repeat."
        )
    write_array(staging / IDS, tally.ids)
    if confidence is not None:
        write_atomically(staging / CONFIDENCE, confidence.text.encode())
    manifest = Manifest(
        format=FORMAT,
        name=target.name,
        metric="inner product of L2-normalised vectors",
        encoder=EncoderStamp(identity=encoder_identity),
        heads={
            head: _write_head(plan, work, staging, head, dim) for head, dim in sorted(heads.items())
        },
        ids_sha256=sha256_of(staging / IDS),
        row_order_sha256=row_order(tally.ids),
        metadata_sha256=tally.metadata_sha256,
        confidence_sha256=None if confidence is None else sha256_of(staging / CONFIDENCE),
        canary=dict(canary),
        counts=tally.counts,
        options=options,
        report=Report(
            read=len(plan.sequences) - sum(item.views is None for item in tally.skipped),
            skipped=(*plan.skipped, *tally.skipped),
            notes=plan.notes,
        ),
        hints=Hints(
            encoder_folder=None if encoder_folder is None else str(encoder_folder.absolute()),
            roots=tuple(str(Path(root).absolute()) for root in plan.roots),
        ),
    )
    seal(staging, target, manifest)
    return manifest


def seal(staging: Path, target: Path, manifest: Manifest) -> None:
    """Complete a staged version with its manifest and put it in place below ``target``.

    A version folder that is there and whole is kept. Raises OSError.
    """
    write_atomically(staging / FILE, manifest.text.encode())
    for path in sorted(staging.iterdir()):
        sync(path)
    sync(staging)
    _move(staging, target / manifest.version, manifest)


def damages(folder: Path, manifest: Manifest) -> list[str]:
    """What of the folder's files is not as the manifest says; empty when all is well."""
    wanted = {stored.file: stored.sha256 for stored in manifest.heads.values()}
    wanted[IDS] = manifest.ids_sha256
    if manifest.confidence_sha256 is not None:
        wanted[CONFIDENCE] = manifest.confidence_sha256
    found = []
    for name, sha256 in sorted(wanted.items()):
        path = folder / name
        instead = instead_of_file(path)
        if instead is not None:
            found.append(f"{name} is {instead}")
        elif sha256_of(path) != sha256:
            found.append(f"{name} was changed: its SHA-256 is not the manifest's")
    return found


@dataclass(frozen=True, slots=True, eq=False)
class _Tally:
    ids: NDArray[np.int64]
    metadata_sha256: str
    counts: Counts
    skipped: tuple[Skipped, ...]


def _tally(plan: Plan, work: Path) -> _Tally:
    ids: list[int] = []
    instances: set[tuple[str, str]] = set()
    categories: set[str] = set()
    sequences: set[int] = set()
    skipped: list[Skipped] = []
    annotated = 0
    digest = hashlib.sha256()
    for number in range(len(plan.shards)):
        rows = shard_rows(plan, work, number)
        datasets = {row["id"]: row["dataset"] for row in rows.sequences}
        for row in rows.views:
            ids.append(row["id"])
            digest.update(row["fingerprint"].encode())
            instances.add((datasets[row["sequence_id"]], row["instance"]))
            categories.add(row["category"])
            sequences.add(row["sequence_id"])
            annotated += row["has_box9"]
        for item in ShardFile(shard_path(work, number)).skipped():
            reason = item.reason
            for root in plan.roots:
                reason = relative(reason, Path(root))
            skipped.append(item.model_copy(update={"reason": reason}))
    counts = Counts(
        views=len(ids),
        sequences=len(sequences),
        instances=len(instances),
        categories=len(categories),
        annotated=annotated,
    )
    return _Tally(np.array(ids, dtype=np.int64), digest.hexdigest(), counts, tuple(skipped))


def _write_head(plan: Plan, work: Path, staging: Path, head: str, dim: int) -> HeadFile:
    writer = FlatWriter(dim)
    for number in range(len(plan.shards)):
        writer.add(ShardFile(shard_path(work, number)).vectors(head))
    path = staging / f"vectors-{head}.faiss"
    writer.write(path)
    return HeadFile(dim=dim, file=path.name, bytes=path.stat().st_size, sha256=sha256_of(path))


def _move(staging: Path, folder: Path, manifest: Manifest) -> None:
    """Put the staged folder in place, unless a build killed later left the same one whole."""
    if folder.exists():
        if (folder / FILE).is_file() and not damages(folder, manifest):
            write_atomically(folder / FILE, manifest.text.encode())
            shutil.rmtree(staging)
            return
        aside = staging.with_name("damaged")
        shutil.rmtree(aside, ignore_errors=True)
        folder.rename(aside)
    staging.rename(folder)
    sync(folder.parent)
