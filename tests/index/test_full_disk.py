"""What does not fit on the disk is an error, whichever library writes it and however little."""

from __future__ import annotations

import errno
import resource
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from index.files import write_array
from index.store.database import close_database, overwrite_deleted, writing
from index.vectors import FlatWriter
from training.errors import GalleryError, StorageFullError

FULL = Path("/dev/full")
"""Takes nothing, as a disk without a free block; what is buffered fails when it is flushed."""


@pytest.mark.parametrize("rows", [1, 10, 1000, 10_001])
def test_vectors(rows):
    writer = FlatWriter(8)
    writer.add(np.ones((rows, 8), np.float32))
    with pytest.raises(OSError, match="No space left") as caught:
        writer.write(FULL)
    assert caught.value.errno == errno.ENOSPC


@pytest.mark.parametrize("rows", [1, 1000, 100_000])
def test_ids(rows):
    with pytest.raises(OSError, match="No space left") as caught:
        write_array(FULL, np.arange(rows))
    assert caught.value.errno == errno.ENOSPC


def test_the_lock_of_an_index(build, home, monkeypatch):
    def full(_file):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("index.building.lock._taken", full)
    with pytest.raises(StorageFullError, match="is full") as caught:
        build()
    assert str(home.index_folder("things")) in caught.value.message


def test_a_database_that_cannot_grow_when_its_log_is_emptied(build, home):
    build()
    close_database(home)
    size = Path(home.database_url.removeprefix("sqlite:///")).stat().st_size
    with writing(home) as connection:
        connection.execute(sa.text("CREATE TABLE grown AS SELECT zeroblob(50000)"))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        with pytest.raises(GalleryError, match="disk I/O error"):
            overwrite_deleted(home)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    overwrite_deleted(home)
