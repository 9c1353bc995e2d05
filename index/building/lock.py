"""One build, compaction or erasure of an index at a time."""

from __future__ import annotations

import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from training.errors import BusyError

_PAUSE_S = 0.02

_MOMENT_S = 1.0
"""As long as a server may take to tidy up behind a killed build or a full disk."""


@contextmanager
def exclusive(folder: Path, patience_s: float = _MOMENT_S) -> Iterator[None]:
    """Hold ``folder`` alone. Raises BusyError, naming who holds it, if another one still does
    after ``patience_s`` seconds.

    The kernel lets go of the lock when its process dies, so a lock left by a killed build does
    not count: the file stays, the lock does not.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("a+") as file:
        deadline = time.monotonic() + patience_s
        while not _taken(file):
            if time.monotonic() >= deadline:
                file.seek(0)
                holder = file.read().strip() or "another process"
                raise BusyError(
                    f"Index {folder.name!r} is being built or changed by {holder}.",
                    "Wait until it is done, or end that process; its finished shards are kept.",
                )
            time.sleep(_PAUSE_S)
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}")
        file.flush()
        yield


def _taken(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
