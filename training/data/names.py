"""Names of files: which there are, and which are no text.

Linux allows any bytes in a name; records, reports and JSON do not.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path


def is_text(name: str) -> bool:
    """Whether ``name`` came from valid UTF-8 and not from other bytes (PEP 383)."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def readable(name: str) -> str:
    """``name`` with bytes that are not UTF-8 written as escapes."""
    return name.encode("utf-8", "backslashreplace").decode()


def files_under(root: Path, note: Callable[[str], None]) -> Iterator[Path]:
    """Every file under ``root``, sorted, through links to folders too; each folder once.

    ``note`` hears of folders that may not be read, which ``Path.rglob`` passes over in silence.
    """
    found: list[Path] = []
    seen: set[str] = set()

    def refused(error: OSError) -> None:
        note(f"Left out {readable(str(error.filename))}: {error.strerror}.")

    for folder, folders, files in os.walk(root, onerror=refused, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:  # a link back up, or a second link to one folder
            folders.clear()
            continue
        seen.add(real)
        found += [Path(folder, name) for name in files]
    yield from sorted(found)
