"""All current galleries of a home, kept open and kept up to date."""

from __future__ import annotations

import threading
import time
from copy import copy
from dataclasses import dataclass
from weakref import ref

import sqlalchemy as sa

from index.gallery import Gallery
from index.home import Home
from index.opening import unknown_index
from index.store.database import reading
from index.store.enrolled import last_change
from index.store.migrate import migrate
from index.store.published import published_thumbnail, published_view
from index.store.stored_view import StoredView
from index.store.versions import current_names
from training.errors import GalleryError

WAIT_PER_SECOND_TRIED = 10.0
"""What fails and reads large files, as opening a damaged version does, is tried again and again, in
a tenth of the time at most (ours)."""


@dataclass(frozen=True, slots=True)
class _Failed:
    """A version that could not be opened and is not tried before ``until``, monotonic seconds.

    ``error`` is a copy that was never raised: a traceback would keep old galleries in memory.
    """

    version: str
    error: GalleryError
    until: float


class Catalog:
    """Index names → galleries of their current versions. Safe for many threads.

    ``refresh`` replaces what was promoted since; who still holds an old gallery keeps using it.
    ``follow`` takes in what was enrolled and erased, into old ones too.
    """

    def __init__(self, home: Home, threads: int | None = None) -> None:
        migrate(home)
        self.home = home
        self._threads = threads
        self._galleries: dict[str, Gallery] = {}
        self._opened: list[ref[Gallery]] = []
        self._failed: dict[str, _Failed] = {}
        self._opening = threading.Lock()
        self._following = threading.Lock()
        self.refresh()

    @property
    def errors(self) -> dict[str, GalleryError]:
        """Index name → why its current version could not be opened, to be raised or kept."""
        return {name: copy(failed.error) for name, failed in self._failed.items()}

    def follow(self) -> None:
        """Take in what this process and others enrolled and erased; never waits for an opening."""
        with self._following, reading(self.home) as connection:
            self._follow(connection)

    def _follow(self, connection: sa.Connection) -> None:
        newest = last_change(connection)
        for opened in self._opened:
            gallery = opened()
            if gallery is not None and gallery.seen < newest:
                gallery.follow(connection)

    def refresh(self) -> tuple[str, ...]:
        """Follow, open newly promoted versions, forget dropped indexes; the names that changed.

        An index that cannot be opened, for whatever reason, keeps its old gallery and goes to
        ``errors``. Raises GalleryError where the database fails.
        """
        with self._following, reading(self.home) as connection:
            self._follow(connection)
            held = {name: gallery.version for name, gallery in self._galleries.items()}
            if held == current_names(connection) and not self._failed:
                return ()
        with self._opening:
            with reading(self.home) as connection:
                current = current_names(connection)
            old = self._galleries
            fresh: dict[str, Gallery] = {}
            failed: dict[str, _Failed] = {}
            for name, version in current.items():
                gallery = old.get(name)
                if gallery is None or gallery.version != version:
                    opened = self._open(name, version)
                    if isinstance(opened, Gallery):
                        gallery = opened
                    elif self._is_current(name, version):
                        failed[name] = opened
                if gallery is not None:
                    fresh[name] = gallery
            self.follow()  # what came while they were opened
            self._galleries, self._failed = fresh, failed
            return tuple(
                sorted(
                    name
                    for name in old.keys() | fresh.keys()
                    if old.get(name) is not fresh.get(name)
                )
            )

    def _is_current(self, name: str, version: str) -> bool:
        """Whether it still is; an erasure may have put another in its place while it was read."""
        with reading(self.home) as connection:
            return current_names(connection).get(name) == version

    def _open(self, name: str, version: str) -> Gallery | _Failed:
        """The gallery; what came of the last try where that was too short a time ago."""
        last = self._failed.get(name)
        if last is not None and last.version == version and time.monotonic() < last.until:
            return last
        start = time.monotonic()
        try:
            gallery = Gallery.open(self.home, name, version, self._threads)
        except Exception as error:
            now = time.monotonic()
            until = now + WAIT_PER_SECOND_TRIED * (now - start)
            return _Failed(version, _told(error, name, version), until)
        with self._following:  # from now on it follows with the others, before it is in use
            in_use = [opened for opened in self._opened if opened() is not None]
            self._opened = [*in_use, ref(gallery)]
        return gallery

    def names(self) -> tuple[str, ...]:
        """The names of the open galleries, sorted."""
        return tuple(sorted(self._galleries))

    def get(self, name: str) -> Gallery:
        """The current gallery of ``name``. Raises GalleryError if there is none."""
        gallery = self._galleries.get(name)
        if gallery is None:
            raise self.errors.get(name) or unknown_index(name, None, list(self.names()))
        return gallery

    def view(self, view_id: int) -> StoredView | None:
        """The view with this id, whichever index it is in; None while a build is writing it."""
        with reading(self.home) as connection:
            return published_view(connection, view_id)

    def thumbnail(self, view_id: int) -> bytes | None:
        """The JPEG of a view's crop, or None."""
        with reading(self.home) as connection:
            return published_thumbnail(connection, view_id)


def _told(error: Exception, name: str, version: str) -> GalleryError:
    """The error of an opening, without its traceback, cause and context."""
    if isinstance(error, GalleryError):
        return copy(error)
    kind = type(error).__name__
    if isinstance(error, OSError) and error.strerror:
        kind = f"{kind}, {error.strerror}"
    return GalleryError(
        f"Version {version} of index {name!r} could not be opened: {kind}.",
        "See that this process has memory, files and disk left, and run "
        f"`index verify {name}`; it is tried again by itself.",
    )
