"""The folder of a report: it appears whole, and takes the place of an earlier report alone."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from training.errors import DataError

PAGE = "index.html"
IMAGES = "images"
GENERATOR = '<meta name="generator" content="Posebank">'
"""By this line of its head a page is known as one of ours."""


def require_free(folder: Path) -> None:
    """Raises DataError where ``folder`` holds anything but an earlier report."""
    if not folder.exists():
        return
    remedy = "Name a folder that does not exist yet, or that of an earlier report."
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder.", remedy)
    foreign = sorted({path.name for path in folder.iterdir()} - {PAGE, IMAGES})
    page = folder / PAGE
    if foreign or (page.exists() and GENERATOR not in page.read_text("utf-8", "replace")):
        raise DataError(
            f"{folder} holds {foreign[0] if foreign else 'a page'} that is no report's.", remedy
        )


@contextmanager
def appearing_folder(folder: Path) -> Iterator[Path]:
    """A folder to write into that takes the place of ``folder`` when the block ends well.

    Raises DataError where the place is taken or cannot be written.
    """
    require_free(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as name:
            partial = Path(name) / folder.name
            (partial / IMAGES).mkdir(parents=True)
            yield partial
            if folder.exists():
                shutil.rmtree(folder)
            partial.rename(folder)
    except OSError as error:
        raise DataError(
            f"The report cannot be written to {folder}: {error.strerror or error}.",
            "Name another folder, or make room.",
        ) from error
