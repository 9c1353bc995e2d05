"""The one thread of this process that changes what is stored."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

from service.problems import RefusedError
from service.serving import Serving
from service.workers import Workers
from training.errors import GalleryError, StorageFullError

T = TypeVar("T")

MOST_WAITING: Final = 64
RETRY_SECONDS: Final = 2


class Writer:
    """Enrolments and deletions, one after the other, apart from the threads that answer questions:
    a deletion that writes an index anew keeps no question waiting, and no change waits for a new
    version to be opened.
    """

    def __init__(self, serving: Serving) -> None:
        self._serving = serving
        self._workers = Workers(1)
        self._held = 0
        self.failed = asyncio.Event()
        """Set where a change could not be stored: of a deletion, something may be left to do."""

    @property
    def held(self) -> int:
        """Changes that were taken and are not answered yet."""
        return self._held

    async def run(self, change: Callable[[], T]) -> T:
        """The result of ``change``, once the questions of this process see what it did.

        Raises RefusedError ``busy`` where MOST_WAITING others wait, ``storage-full`` and
        ``not-written``.
        """
        if self._held >= MOST_WAITING:
            raise RefusedError(
                "busy",
                f"{self._held} changes wait to be written, the limit is {MOST_WAITING}.",
                "Try again after the seconds of the header Retry-After, or enrol in batches.",
                retry_after=RETRY_SECONDS,
            )

        def change_and_follow() -> T:
            try:
                done = change()
            except GalleryError as error:
                slug = "storage-full" if isinstance(error, StorageFullError) else "not-written"
                raise RefusedError(slug, error.message, error.remedy) from error
            self._serving.follow()
            return done

        self._held += 1
        try:
            return await self._workers.run(change_and_follow)
        except RefusedError:
            self.failed.set()
            raise
        finally:
            self._held -= 1

    def close(self) -> None:
        """Waits for the change under way."""
        self._workers.close()
