"""Takes requests that need the encoder, and gives each the means: threads, batches, a deadline."""

from __future__ import annotations

import asyncio
import time
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from fastapi import Request
from starlette.requests import ClientDisconnect

from index.stopwatch import Stopwatch
from service.admission import Admission
from service.batching import Batcher, Embeddings, too_late
from service.metrics import Metrics
from service.problems import RefusedError
from service.settings import Settings
from service.together import Together
from service.workers import Workers, behind_the_loop
from training.cores import available_cores
from training.data.records import ImageRGB
from training.encoder import Encoder

Q = TypeVar("Q")
T = TypeVar("T")

BATCH_SHARE: Final = 0.25
"""Of the deadline, what one batch may take (ours): it is short against what may wait for it, and
long enough that no encoder measured gets slower per crop."""

LOOK_UP_THREADS: Final = 4
"""They wait for the database more than they compute (ours)."""

LOOK_UPS: Final = 256
"""Held whatever their rate (ours): a gallery page asks for a hundred pictures at once."""


class Desk:
    """One for each app. ``admission`` says which questions are taken; ``metrics`` hear of what was
    dropped."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self.settings = settings
        self.admission = Admission(settings.deadline_seconds, least=2 * settings.threads)
        self.workers = Workers(settings.threads, behind_the_loop)
        # Apart: behind many images to decode, what is nearly done would wait for what is not.
        self._finishers = Workers(settings.threads, behind_the_loop)
        # Apart too: a crowd that turns the pages of the gallery keeps no question waiting.
        self._readers = Workers(LOOK_UP_THREADS, behind_the_loop)
        self._drawers = Workers(1, behind_the_loop)
        self._look_ups = Admission(settings.deadline_seconds, LOOK_UPS, "look-ups")
        self._at_once = min(settings.threads, available_cores())
        self._metrics = metrics
        self._batchers: weakref.WeakKeyDictionary[Encoder, Batcher] = weakref.WeakKeyDictionary()
        self._together: dict[Callable[..., Any], Together[Any, Any]] = {}
        metrics.watch_queue(lambda: sum(one.waiting for one in list(self._batchers.values())))

    @asynccontextmanager
    async def take(self, request: Request, images: int = 1) -> AsyncIterator[Turn]:
        """A request, read to its end, with ``images`` to encode, until the block ends.

        The block is cancelled where the client goes away. Raises RefusedError ``busy`` or
        ``draining``, and ClientDisconnect.
        """
        with self.admission.hold(images) as deadline, self._metrics.question() as watch:
            async with self._watched(request):
                yield Turn(self, deadline, watch)

    async def look_up(self, request: Request, work: Callable[[], T], long: bool = False) -> T:
        """The result of ``work`` for a request without an image, from a thread.

        What takes ``long``, as maps do, is done one after the other, apart from the rest. Dropped
        where the client goes away before it began. Raises RefusedError ``busy``, ``deadline`` and
        ``draining``, and ClientDisconnect.
        """
        self.admission.check_open()
        with self._look_ups.hold() as deadline:
            async with self._watched(request):
                workers = self._drawers if long else self._readers
                return await in_time(deadline, workers.run(work))

    @property
    def held(self) -> int:
        """Images and look-ups that were taken and are not answered yet."""
        return self.admission.held + self._look_ups.held

    @asynccontextmanager
    async def _watched(self, request: Request) -> AsyncIterator[None]:
        """Ends the block where the client goes away; counts what was dropped."""
        try:
            async with _while_connected(request):
                yield
        except ClientDisconnect:
            self._metrics.count_dropped("gone")
            raise
        except RefusedError as error:
            if error.slug == "deadline":
                self._metrics.count_dropped("deadline")
            raise

    def batcher(self, encoder: Encoder) -> Batcher:
        """The one batcher of an encoder; it goes when the encoder does."""
        found = self._batchers.get(encoder)
        if found is None:
            window = BATCH_SHARE * self.settings.deadline_seconds
            found = Batcher(weakref.proxy(encoder), window, self._metrics.observe_batch)
            self._batchers[encoder] = found
        return found

    def together(self, work: Callable[[Sequence[Q]], Sequence[T]]) -> Together[Q, T]:
        """The one that does this ``work``, a function of a module."""
        if work not in self._together:
            self._together[work] = Together(self._finishers, work, self._at_once)
        return self._together[work]

    def close(self) -> None:
        """Waits for the work under way in every thread."""
        for workers in (self.workers, self._finishers, self._readers, self._drawers):
            workers.close()
        for batcher in self._batchers.values():
            batcher.close()


@dataclass(frozen=True, slots=True)
class Turn:
    """A request that was taken. ``watch`` counts the seconds of its stages."""

    desk: Desk
    deadline: float
    watch: Stopwatch

    async def run(self, work: Callable[[], T]) -> T:
        """The result of ``work`` from a thread."""
        return await self.desk.workers.run(work)

    async def run_in_time(self, work: Callable[[], T]) -> T:
        """As ``run``, until the deadline; see ``in_time``."""
        return await in_time(self.deadline, self.run(work))

    async def run_together(
        self, work: Callable[[Sequence[Q]], Sequence[T]], item: Q, kind: Hashable, most: int
    ) -> T:
        """The result of ``work`` for one item, from a thread, together with others of its kind,
        at most ``most`` at a time."""
        return await self.desk.together(work).run(item, kind, most)

    async def encode(self, encoder: Encoder, crops: ImageRGB) -> dict[str, Embeddings]:
        """(N, S, S, 3) uint8 crops, N ≥ 1, to (N, dim) float32 per head, batched with others'.

        Raises RefusedError ``deadline``.
        """
        return await self.desk.batcher(encoder).encode(crops, self.deadline, self.watch)


async def in_time(deadline: float, result: Awaitable[T]) -> T:
    """``result``; raises RefusedError ``deadline`` as soon as it is past, whatever the threads are
    busy with. Work begun by then runs to its end, for nobody."""
    try:
        async with asyncio.timeout(deadline - time.monotonic()) as limit:
            return await result
    except TimeoutError:
        if limit.expired():
            raise too_late() from None
        raise


@asynccontextmanager
async def _while_connected(request: Request) -> AsyncIterator[None]:
    """Cancels the block where the client goes away; raises ClientDisconnect then."""
    block = asyncio.current_task()
    assert block is not None
    gone = False

    async def watch() -> None:
        nonlocal gone
        while (await request.receive())["type"] != "http.disconnect":
            pass
        gone = True
        block.cancel()

    watcher = asyncio.create_task(watch())
    try:
        yield
    except asyncio.CancelledError:
        if gone and block.uncancel() == 0:
            raise ClientDisconnect from None
        raise
    finally:
        watcher.cancel()
