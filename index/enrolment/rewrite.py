"""A version made of another one: without what was erased, or with what was enrolled."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from index.building.assemble import seal
from index.confidence import FILE as CONFIDENCE
from index.confidence import read_confidence
from index.files import sha256_of, write_array
from index.home import Home
from index.manifest import IDS, Derived, HeadFile, Manifest, metadata_digest, row_order
from index.opening import StoredVersion
from index.part import count_rows
from index.vectors import FlatWriter, copy_rows

WORK = "rewrite"


def rewritten(
    home: Home,
    stored: StoredVersion,
    fingerprints: Sequence[str | None],
    by: Literal["compact", "erase"],
) -> tuple[Manifest, NDArray[np.int64]]:
    """Write the version that ``stored`` becomes, and return its manifest and view ids in row order.

    ``fingerprints`` are those of its rows. Rows of erased views are left out; ``compact`` adds the
    enrolled views at the end. Equal contents give equal bytes and one name, so that it may be done
    any number of times. Raises GalleryError where the old files are damaged, and OSError.
    """
    folder = home.index_folder(stored.record.name)
    staging = folder / ".work" / WORK / "staging"
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    keep = stored.columns.known
    new = stored.enrolled
    folded = len(new.view_ids) if by == "compact" else 0
    kept_ids = stored.view_ids[keep]
    ids = np.append(kept_ids, new.view_ids[:folded])
    write_array(staging / IDS, ids)
    old, source = stored.manifest, folder / stored.record.version
    kept_texts = [text for text in fingerprints if text is not None]
    confidence = _carried_over(source, staging, old)
    columns = stored.columns.without_rows().extended(
        {name: values[:folded] for name, values in new.texts.items()}, new.has_box9[:folded]
    )
    manifest = old.model_copy(
        update={
            "heads": {
                head: _copied(source, staging, file, keep, new.vectors[head][:folded])
                for head, file in old.heads.items()
            },
            "ids_sha256": sha256_of(staging / IDS),
            "row_order_sha256": row_order(ids),
            "metadata_sha256": metadata_digest(kept_texts + new.fingerprints[:folded]),
            "counts": count_rows([(stored.columns, keep), (columns, columns.known)]),
            "derived": Derived(
                by=by,
                version=stored.record.version,
                folded=folded,
                erased=len(keep) - len(kept_ids),
                confidence_of=confidence,
            ),
        }
    )
    seal(staging, folder, manifest)
    shutil.rmtree(staging.parent, ignore_errors=True)
    return manifest, ids


def _copied(
    source: Path,
    staging: Path,
    file: HeadFile,
    keep: NDArray[np.bool_],
    new: NDArray[np.float32],
) -> HeadFile:
    writer = FlatWriter(file.dim)
    copy_rows(source / file.file, file.sha256, file.dim, keep, writer)
    writer.add(new)
    path = staging / file.file
    writer.write(path)
    return HeadFile(dim=file.dim, file=file.file, bytes=path.stat().st_size, sha256=sha256_of(path))


def _carried_over(source: Path, staging: Path, old: Manifest) -> str | None:
    """Copy the calibration; the version that measured it, None where there is none."""
    if read_confidence(source, old.confidence_sha256) is None:
        return None
    shutil.copyfile(source / CONFIDENCE, staging / CONFIDENCE)
    return old.version if old.derived is None else old.derived.confidence_of
