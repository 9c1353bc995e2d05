"""All current galleries of a home, kept open and kept up to date."""

from __future__ import annotations

import threading
import time
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
"""A version that cannot be opened is hashed again and again, in a tenth of the time at most."""


class Catalog:
    """Index names → galleries of their current versions. Safe for many threads.

    ``refresh`` replaces what was promoted since; who still holds an old gallery keeps using it.
    ``follow`` takes in what was enrolled and erased, into old ones too. ``errors`` says which
    indexes could not be opened, and why.
    """

    def __init__(self, home: Home, threads: int | None = None) -> None:
        migrate(home)
        self.home = home
        self.errors: dict[str, GalleryError] = {}
        self._threads = threads
        self._galleries: dict[str, Gallery] = {}
        self._opened: list[ref[Gallery]] = []
        self._failed: dict[tuple[str, str], tuple[GalleryError, float]] = {}
        self._opening = threading.Lock()
        self._following = threading.Lock()
        self.refresh()

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

        An index that cannot be opened keeps its old gallery and goes to ``errors``.
        """
        with self._following, reading(self.home) as connection:
            self._follow(connection)
            held = {name: gallery.version for name, gallery in self._galleries.items()}
            if held == current_names(connection) and not self.errors:
                return ()
        with self._opening:
            with reading(self.home) as connection:
                current = current_names(connection)
            old = self._galleries
            fresh: dict[str, Gallery] = {}
            errors: dict[str, GalleryError] = {}
            for name, version in current.items():
                if name in old and old[name].version == version:
                    fresh[name] = old[name]
                    continue
                try:
                    fresh[name] = self._open(name, version)
                except GalleryError as error:
                    if self._is_current(name, version):
                        errors[name] = error
                    if name in old:
                        fresh[name] = old[name]
            self.follow()  # what came while they were opened
            self._galleries, self.errors = fresh, errors
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

    def _open(self, name: str, version: str) -> Gallery:
        """The gallery; the error of the last try where that was too short a time ago."""
        failed = self._failed.get((name, version))
        if failed is not None and time.monotonic() < failed[1]:
            raise failed[0]
        start = time.monotonic()
        try:
            gallery = Gallery.open(self.home, name, version, self._threads)
        except GalleryError as error:
            now = time.monotonic()
            self._failed[name, version] = error, now + WAIT_PER_SECOND_TRIED * (now - start)
            raise
        self._failed.pop((name, version), None)
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
