"""One shard: the embedded views of a few whole sequences, in one file written atomically.

An .npz without pickles; its entries carry CRCs, so a damaged shard is noticed and made again.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.files import write_atomically
from index.manifest import Skipped


class BrokenShardError(Exception):
    """A shard file cannot be read; ``path`` can be deleted and made again."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self.path = path


@dataclass(frozen=True, slots=True, eq=False)
class Shard:
    """n embedded views.

    ``position`` (n, 2) int64: sequence and view in the plan; ``view_id`` (n,) int64;
    ``image_size`` (n, 2) int64 width and height; ``vectors`` head → (n, dim) float32; ``jpegs`` n
    thumbnails.
    """

    position: NDArray[np.int64]
    view_id: NDArray[np.int64]
    image_size: NDArray[np.int64]
    vectors: dict[str, NDArray[np.float32]]
    jpegs: list[bytes]
    skipped: tuple[Skipped, ...]


def shard_path(work: Path, number: int) -> Path:
    """Where shard ``number`` of a build lies."""
    return work / f"shard-{number:06d}.npz"


def is_there(path: Path) -> bool:
    """Whether the shard was finished; one with a broken directory is deleted."""
    if not path.exists():
        return False
    if zipfile.is_zipfile(path):
        return True
    path.unlink()
    return False


def write_shard(path: Path, shard: Shard) -> None:
    """Write the file so that it is whole or absent after any crash. Raises OSError."""
    buffer = io.BytesIO()
    skipped = json.dumps([item.model_dump() for item in shard.skipped]).encode()
    arrays: dict[str, Any] = {
        "position": shard.position,
        "view_id": shard.view_id,
        "image_size": shard.image_size,
        "jpeg_bytes": np.frombuffer(b"".join(shard.jpegs), dtype=np.uint8),
        "jpeg_sizes": np.array([len(jpeg) for jpeg in shard.jpegs], dtype=np.int64),
        "skipped": np.frombuffer(skipped, dtype=np.uint8),
    }
    arrays |= {f"vectors_{head}": vectors for head, vectors in shard.vectors.items()}
    np.savez(buffer, **arrays)
    write_atomically(path, buffer.getvalue())


class ShardFile:
    """A finished shard; each method reads only its part. All raise BrokenShardError."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def positions(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """``position`` and ``image_size``, see Shard."""
        position, image_size = self._read("position", "image_size")
        return position, image_size

    def view_ids(self) -> NDArray[np.int64]:
        """(n,) int64: which views it holds, whatever the plan."""
        return self._read("view_id")[0]

    def vectors(self, head: str) -> NDArray[np.float32]:
        """(n, dim) float32 vectors of one head."""
        return self._read(f"vectors_{head}")[0]

    def jpegs(self) -> Iterator[bytes]:
        """The n thumbnails."""
        content, sizes = self._read("jpeg_bytes", "jpeg_sizes")
        start = 0
        for size in sizes.tolist():
            yield content[start : start + size].tobytes()
            start += size

    def skipped(self) -> tuple[Skipped, ...]:
        """What could not be decoded or cropped."""
        items = json.loads(self._read("skipped")[0].tobytes())
        return tuple(Skipped(**item) for item in items)

    def _read(self, *names: str) -> list[NDArray]:
        try:
            with np.load(self.path, allow_pickle=False) as file:
                return [file[name] for name in names]
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise BrokenShardError(self.path) from error
