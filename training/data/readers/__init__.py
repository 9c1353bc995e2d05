"""One reader per dataset, all giving the same records.

``open_reader(root)`` finds the reader by the layout on disk; ``READERS`` lists them by kind.
"""

from __future__ import annotations

import inspect
import os
from pathlib import Path
from typing import Any

from training.data.readers.base import CLOSED_RING, Reader, subsample
from training.data.readers.bop import Bop
from training.data.readers.coil100 import Coil100
from training.data.readers.eth80 import Eth80
from training.data.readers.manifest import Manifest
from training.data.readers.objectron import Objectron
from training.data.readers.objectron_records import ObjectronRecords
from training.data.readers.report import ReadReport, Skipped
from training.data.readers.ucf101 import Ucf101
from training.data.readers.videos import Videos
from training.errors import DataError

# Detection asks in this order: cheap looks first, a mere folder of videos last.
READERS: dict[str, type[Reader]] = {
    reader.kind: reader
    for reader in (Manifest, Bop, Eth80, Coil100, Objectron, ObjectronRecords, Ucf101, Videos)
}

__all__ = [
    "CLOSED_RING",
    "READERS",
    "ReadReport",
    "Reader",
    "Skipped",
    "open_reader",
    "subsample",
]


def open_reader(root: Path, kind: str | None = None, **options: Any) -> Reader:
    """The reader of the dataset at ``root``; ``kind`` None detects it by layout.

    ``options`` go to the reader (``fps``, ``dataset``, ...). Raises DataError for an unknown
    kind, an unknown option, a missing root or a layout no reader recognises.
    """
    root = Path(root)
    kinds = ", ".join(sorted(READERS))
    if not root.exists():
        raise DataError(f"There is nothing at {root}.", "Check the path of the dataset.")
    if not os.access(root, os.R_OK | (os.X_OK if root.is_dir() else 0)):
        raise DataError(f"{root} may not be read.", "Give this user the right to read it.")
    if kind is None:
        kind = next((name for name, reader in READERS.items() if reader.recognises(root)), None)
        if kind is None:
            raise DataError(
                f"The layout of {root} is none that is known.",
                f"Name its kind ({kinds}) or write a manifest.jsonl.",
            )
    if kind not in READERS:
        raise DataError(f"There is no reader '{kind}'.", f"Use one of {kinds}.")
    known = inspect.signature(READERS[kind]).parameters
    for name in options:
        if name not in known:
            raise DataError(
                f"The reader '{kind}' of {root} has no option '{name}'.",
                "Leave it out for this data.",
            )
    return READERS[kind](root, **options)
