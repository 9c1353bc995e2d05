"""Where everything lives: the folder of index versions and the database of their metadata."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from training.errors import GalleryError

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Home:
    """A Posebank home: ``path`` holds ``indexes/``; ``database_url`` names the metadata store."""

    path: Path
    database_url: str

    @classmethod
    def open(cls, path: Path | str | None = None, database_url: str | None = None) -> Home:
        """The home at ``path``, else POSEBANK_HOME, else ``./.posebank``; made when missing.

        ``database_url`` falls back to POSEBANK_DATABASE_URL, then to SQLite inside the home.
        Plain ``postgresql://`` means psycopg 3. Raises GalleryError if the folder cannot be made.
        """
        folder = Path(path or os.environ.get("POSEBANK_HOME") or ".posebank").expanduser()
        folder = folder.absolute()
        try:
            (folder / "indexes").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise GalleryError(
                f"The home {folder} cannot be created: {error.strerror}.",
                "Set POSEBANK_HOME to a folder you may write.",
            ) from error
        url = database_url or os.environ.get("POSEBANK_DATABASE_URL") or ""
        if not url:
            url = f"sqlite:///{folder / 'posebank.sqlite'}"
        return cls(folder, re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", url))

    def index_folder(self, name: str) -> Path:
        """The folder of one index. Raises GalleryError if ``name`` is not a legal index name."""
        if not NAME.fullmatch(name):
            raise GalleryError(
                f"{name!r} is not an index name.",
                "Use 1 to 64 of a-z 0-9 . _ - and start with a letter or digit.",
            )
        return self.path / "indexes" / name

    def version_folder(self, name: str, version: str) -> Path:
        """The folder of one immutable version of an index."""
        return self.index_folder(name) / version
