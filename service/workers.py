"""Where the work of a request runs: a bounded pool of threads with a bounded queue.

This is the one seam between the event loop and everything slow.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from service.problems import RefusedError

T = TypeVar("T")


class Workers:
    """``threads`` pieces of work at a time, ``max_waiting`` more may wait, the next is refused."""

    def __init__(self, threads: int, max_waiting: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="posebank")
        self._limit = threads + max_waiting
        self._held = 0

    async def run(self, work: Callable[[], T]) -> T:
        """The result of ``work`` from a thread. Raises RefusedError ``busy`` if full."""
        if self._held >= self._limit:
            raise RefusedError(
                "busy",
                f"{self._held} requests are being answered or wait, the limit is {self._limit}.",
                "Try again in a second, or raise POSEBANK_MAX_WAITING on the server.",
            )
        self._held += 1
        future = self._pool.submit(work)
        # The place in the queue is free when the work is done, not when its client has gone.
        loop = asyncio.get_running_loop()
        future.add_done_callback(lambda _: self._release_on(loop))
        return await asyncio.wrap_future(future)

    def _release_on(self, loop: asyncio.AbstractEventLoop) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(self._release)

    def _release(self) -> None:
        self._held -= 1

    def close(self) -> None:
        """Waits for the work under way; what has not begun is dropped."""
        self._pool.shutdown(wait=True, cancel_futures=True)
