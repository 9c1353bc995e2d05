"""One build of an index at a time."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from training.errors import BusyError


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Hold ``folder`` alone. Raises BusyError, naming who holds it, if another process does.

    The kernel lets go of the lock when its process dies, so a lock left by a killed build does
    not count: the file stays, the lock does not.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            holder = file.read().strip() or "another process"
            raise BusyError(
                f"Index {folder.name!r} is being built or changed by {holder}.",
                "Wait until it is done, or end that process; its finished shards are kept.",
            ) from error
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}")
        file.flush()
        yield
