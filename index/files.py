"""Files that are whole or absent: atomic writes, checksums, folders renamed into place."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.errors import GalleryError, StorageFullError

FULL = {errno.ENOSPC, errno.EDQUOT}

KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def instead_of_file(path: Path) -> str | None:
    """What is there where a file should be, such as ``a pipe, not a file``; None if it is one.

    Reading what is no file may never end. Raises OSError.
    """
    if not path.exists():
        return "a link to nothing" if path.is_symlink() else "missing"
    kind = KINDS.get(stat.S_IFMT(path.stat().st_mode))
    return None if kind is None else f"{kind}, not a file"


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal. Raises GalleryError if it cannot be read."""
    try:
        found = instead_of_file(path)
        if found is not None:
            raise OSError(errno.EINVAL, f"it is {found}")
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise GalleryError(
            f"{path} cannot be read: {error.strerror}.",
            "Run `index verify`, then build the index again or promote another version.",
        ) from error


def check_sha256(path: Path, sha256: str) -> None:
    """Raises GalleryError if the file cannot be read or is another one than was written."""
    found = sha256_of(path)
    if found != sha256:
        raise GalleryError(
            f"{path} was changed: it has SHA-256 {found[:12]}… where the manifest says "
            f"{sha256[:12]}….",
            "Run `index verify`, then build the index again or promote another version.",
        )


def write_atomically(path: Path, content: bytes) -> None:
    """Write ``content`` so that after any crash ``path`` is either whole or absent."""
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
    sync(path.parent)


def write_array(path: Path, array: NDArray) -> None:
    """Write an array as .npy. Raises OSError, of which NumPy by itself does not keep the number."""
    content = io.BytesIO()
    np.save(content, array)
    path.write_bytes(content.getbuffer())


def sync(path: Path) -> None:
    """Wait until a file's content or a folder's entries are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turn an OSError while writing below ``folder`` into a GalleryError that says what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise StorageFullError(
                f"The disk of {folder} is full.",
                "Free space and run the same command again: finished shards are kept, and the "
                "current version of the index was not touched.",
            ) from error
        raise GalleryError(
            f"Writing below {folder} failed: {error}.",
            "Check the disk and its permissions, then run the same command again.",
        ) from error
