"""What does not fit on the disk is an error, whichever library writes it and however little."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest

from index.files import write_array
from index.vectors import FlatWriter

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
