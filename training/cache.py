"""Crops decoded once, kept as plain arrays: every epoch after that reads pixels, not videos.

A cache is a folder of shards, each whole sequences in order. A shard appears by rename when it is
complete, so a build that was killed goes on where it stopped.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Lock
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from training.appearing import PARTIAL, appearing
from training.data.crop import crop_view
from training.data.images import file_states, load_views
from training.data.records import ImageRGB, View
from training.errors import DataError

SHARD_CROPS = 512
"""Shards close after the sequence that reaches this many crops (ours)."""

IN_MEMORY_BYTES = 2 << 30
"""Caches up to this size are held in memory; larger ones are mapped (ours)."""

_MANIFEST = "manifest.json"


@dataclass(frozen=True)
class CropPlan:
    """What to cut: per sequence, views whose box is the window to cut, in frame order.

    Row r of the cache is the r-th view over all sequences. ``size`` is the side of the stored
    square in pixels; ``margin`` grows every box.
    """

    sequences: Sequence[Sequence[View]]
    size: int
    margin: float

    @property
    def count(self) -> int:
        """Rows of the cache."""
        return sum(len(views) for views in self.sequences)

    @property
    def bytes(self) -> int:
        """Size on disk."""
        return self.count * self.size * self.size * 3

    def shards(self) -> list[list[View]]:
        """The views of every shard; a sequence is never split, so a video is decoded once."""
        shards: list[list[View]] = [[]]
        for views in self.sequences:
            if len(shards[-1]) >= SHARD_CROPS:
                shards.append([])
            shards[-1].extend(views)
        return shards

    def fingerprint(self) -> str:
        """SHA-256 over every image reference, box, file state and crop parameter, in hex."""
        digest = hashlib.sha256(f"{self.size}|{self.margin}|{SHARD_CROPS}|".encode())
        for views in self.sequences:
            for view in views:
                box = np.asarray(view.bbox_xyxy, np.float64).tobytes()
                digest.update(view.image.reference.encode() + b"\0" + box)
            digest.update(b"|")
        files = file_states(view for views in self.sequences for view in views)
        digest.update(repr(files).encode())
        return digest.hexdigest()


class CropCache:
    """The finished cache. ``failed`` maps rows that could not be cut to the reason."""

    def __init__(self, shards: list[NDArray[np.uint8]], failed: dict[int, str]) -> None:
        self._shards = shards
        self._starts = np.cumsum([0, *(len(shard) for shard in shards)])
        self.failed = failed

    def __len__(self) -> int:
        return int(self._starts[-1])

    def rows(self, indices: NDArray[np.int64]) -> ImageRGB:
        """(N, C, C, 3) uint8 RGB crops of the given rows."""
        owner = np.searchsorted(self._starts, indices, side="right") - 1
        crops = np.empty((len(indices), *self._shards[0].shape[1:]), np.uint8)
        for shard in np.unique(owner):
            mine = np.flatnonzero(owner == shard)
            crops[mine] = self._shards[shard][indices[mine] - self._starts[shard]]
        return crops


def build_cache(
    folder: Path,
    plan: CropPlan,
    progress: Callable[[int, int], None] = lambda done, total: None,
    workers: int | None = None,
    replace: bool = True,
) -> CropCache:
    """Cut everything in ``plan`` that ``folder`` does not hold yet, then open it.

    ``progress`` hears (crops done, crops in all). A cache of another plan is replaced, or refused
    without ``replace``. Images that cannot be decoded and boxes outside them fail alone. Several
    processes may call this at once: one cuts, the others wait for it. Raises DataError when
    nothing could be cut, the disk is too small or the cache is of another plan.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # let go of when the process ends, however it ends
        _prepare(folder, plan, replace)
        _cut_missing(folder, plan, progress, workers)
    return _open(folder, plan.shards(), plan)


def _prepare(folder: Path, plan: CropPlan, replace: bool) -> None:
    """Leave in ``folder`` only complete shards of ``plan``; files not a cache's own stay."""
    manifest = {"fingerprint": plan.fingerprint(), "crops": plan.count, "size": plan.size}
    held = _read_json(folder / _MANIFEST)
    for partial in folder.glob(f"*{PARTIAL}"):
        partial.unlink()
    if held == manifest:
        return
    if held and not replace:
        raise DataError(
            f"{folder} holds {held.get('crops')} crops of other data; this run has {plan.count}.",
            "Go on with the same --data, --reader and --split, or name another --out.",
        )
    for stale in (*folder.glob("shard-*.npy"), *folder.glob("shard-*.json")):
        stale.unlink()
    free = shutil.disk_usage(folder).free
    if plan.bytes > free:
        raise DataError(
            f"The crop cache needs {plan.bytes / 1e9:.1f} GB; {folder} has {free / 1e9:.1f}.",
            "Put --out on a larger disk, or lower data.fps or network.size.",
        )
    with appearing(folder / _MANIFEST) as stream:
        stream.write(json.dumps(manifest).encode())


def _cut_missing(
    folder: Path, plan: CropPlan, progress: Callable[[int, int], None], workers: int | None
) -> None:
    shards = plan.shards()
    missing = [n for n in range(len(shards)) if not _paths(folder, n)[0].exists()]
    done = plan.count - sum(len(shards[n]) for n in missing)
    progress(done, plan.count)
    counting, stopped = Lock(), Event()
    failures: list[BaseException] = []  # the first is the cause; others may have been told to stop

    def tell() -> None:
        nonlocal done
        if stopped.is_set():
            raise _StoppedError
        with counting:
            done += 1
            progress(done, plan.count)

    def cut(number: int) -> None:
        try:
            _cut_shard(_paths(folder, number), shards[number], plan, tell)
        except BaseException as error:
            if not stopped.is_set():
                failures.append(error)
            stopped.set()
            raise

    with ThreadPoolExecutor(workers or min(8, os.cpu_count() or 1)) as pool:
        try:
            list(pool.map(cut, missing))
        except BaseException as error:
            stopped.set()
            cause = failures[0] if failures else error
            if isinstance(cause, OSError):
                raise DataError(
                    f"{folder} cannot be written: {cause.strerror}.",
                    "Make room and give the same command again; whole shards are kept.",
                ) from cause
            raise cause from None


class _StoppedError(Exception):
    """Another thread failed, or the run was interrupted."""


def _cut_shard(
    paths: tuple[Path, Path], views: list[View], plan: CropPlan, tell: Callable[[], None]
) -> None:
    """Write crops as they come: those of one long video need not fit into memory."""
    failed: dict[int, str] = {}
    row_of = {id(view): row for row, view in enumerate(views)}
    shape = (len(views), plan.size, plan.size, 3)
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    with appearing(paths[0]) as stream:

        def fail(view: View, error: DataError) -> None:
            failed[row_of[id(view)]] = error.message
            stream.write(bytes(plan.size * plan.size * 3))
            tell()

        np.lib.format.write_array_header_1_0(stream, header)
        for view, image in load_views(views, on_error=fail):
            try:
                crop = crop_view(image, view.bbox_xyxy, plan.size, plan.margin)
            except DataError as error:
                fail(view, error)
                continue
            stream.write(crop.tobytes())
            tell()
        with appearing(paths[1]) as reasons:
            reasons.write(json.dumps(failed).encode())


def _open(folder: Path, shards: list[list[View]], plan: CropPlan) -> CropCache:
    mode: Literal["r"] | None = None if plan.bytes <= IN_MEMORY_BYTES else "r"
    mapped: list[NDArray[np.uint8]] = []
    failed: dict[int, str] = {}
    start = 0
    for number, views in enumerate(shards):
        array, reasons = _paths(folder, number)
        mapped.append(np.load(array, mmap_mode=mode, allow_pickle=False))
        failed.update({start + int(row): why for row, why in _read_json(reasons).items()})
        start += len(views)
    if len(failed) == start:
        why = next(iter(failed.values()), "there are none")
        raise DataError(
            f"None of the {start} views could be cut; the first: {why}", "Check the dataset."
        )
    return CropCache(mapped, failed)


def _paths(folder: Path, number: int) -> tuple[Path, Path]:
    return folder / f"shard-{number:05d}.npy", folder / f"shard-{number:05d}.json"


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
