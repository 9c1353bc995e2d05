"""One pass over images for all heads of an encoder, kept on disk when asked to."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.evaluation.encoders import ViewEncoder
from index.evaluation.views import ViewTable
from training.data.images import file_states, load_views
from training.data.records import ImageRGB, View
from training.errors import DataError

Progress = Callable[[int, int], None]
"""Told how many of how many views are done."""

BATCH = 64


@dataclass(frozen=True)
class SkippedView:
    """A view that could not be decoded or cropped, and why."""

    reference: str
    reason: str


@dataclass(frozen=True, eq=False)
class EmbeddedViews:
    """N embedded views: ``vectors[head]`` is (N, dim) float32, L2-normalised, row for row."""

    table: ViewTable
    vectors: dict[str, NDArray[np.float32]]
    skipped: tuple[SkippedView, ...] = ()

    def __len__(self) -> int:
        return len(self.table)

    def take(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> EmbeddedViews:
        """Only these rows: (n,) numbers, or an (N,) mask."""
        vectors = {head: array[rows] for head, array in self.vectors.items()}
        return EmbeddedViews(self.table.take(rows), vectors, self.skipped)


def embed_views(
    encoder: ViewEncoder,
    table: ViewTable,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> EmbeddedViews:
    """Decode, crop and encode every view once; a view that cannot be is left out with its reason.

    ``cache`` is a folder of earlier passes, found again by the encoder's identity and the views
    (reference, box and the file's size and time of change). Raises DataError where not one view
    could be embedded.
    """
    file = cache / f"{_fingerprint(encoder, table)}.npz" if cache is not None else None
    if file is not None and file.is_file():
        return _read(file, table)
    embedded = _embed(encoder, table, progress)
    if file is not None:
        _write(file, embedded, table)
    return embedded


def _embed(encoder: ViewEncoder, table: ViewTable, progress: Progress | None) -> EmbeddedViews:
    row_of = {id(view): row for row, view in enumerate(table.views)}
    skipped: list[SkippedView] = []
    kept: list[int] = []
    waiting: list[ImageRGB] = []
    parts: list[dict[str, NDArray[np.float32]]] = []

    def flush() -> None:
        if waiting:
            parts.append(encoder.encode(np.stack(waiting)))
            waiting.clear()
        if progress is not None:
            progress(len(kept) + len(skipped), len(table))

    def skip(view: View, error: DataError) -> None:
        skipped.append(SkippedView(view.image.reference, error.message))

    for view, image in load_views(table.views, on_error=skip):
        try:
            waiting.append(encoder.crop(image, view.bbox_xyxy))
        except DataError as error:
            skip(view, error)
            continue
        kept.append(row_of[id(view)])
        if len(waiting) == BATCH:
            flush()
    flush()
    if not kept:
        raise DataError(
            f"Not one of {len(table)} views could be embedded; the first: {skipped[0].reason}",
            "Check that the images belong to the annotations.",
        )
    vectors = {head: np.concatenate([part[head] for part in parts]) for head in encoder.heads}
    return EmbeddedViews(table.take(np.array(kept)), vectors, tuple(skipped))


def _fingerprint(encoder: ViewEncoder, table: ViewTable) -> str:
    digest = hashlib.sha256(encoder.identity.encode())
    for sequence, view in zip(table.sequence, table.views, strict=True):
        digest.update(f"\n{sequence}|{view.image.reference}|{view.instance}|".encode())
        digest.update(np.asarray(view.bbox_xyxy, np.float64).tobytes())
    digest.update(repr(file_states(table.views)).encode())
    return digest.hexdigest()[:32]


def _write(file: Path, embedded: EmbeddedViews, table: ViewTable) -> None:
    row_of = {id(view): row for row, view in enumerate(table.views)}
    rows = np.array([row_of[id(view)] for view in embedded.table.views])
    skipped = json.dumps([[view.reference, view.reason] for view in embedded.skipped])
    arrays: dict[str, Any] = {f"head.{head}": array for head, array in embedded.vectors.items()}
    arrays |= {"rows": rows, "skipped": np.array(skipped)}
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=file.parent, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as stream:
            np.savez(stream, **arrays)
        os.replace(name, file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _read(file: Path, table: ViewTable) -> EmbeddedViews:
    with np.load(file, allow_pickle=False) as archive:
        vectors = {
            name.removeprefix("head."): archive[name]
            for name in archive.files
            if name.startswith("head.")
        }
        skipped = tuple(SkippedView(*pair) for pair in json.loads(str(archive["skipped"])))
        return EmbeddedViews(table.take(archive["rows"]), vectors, skipped)
