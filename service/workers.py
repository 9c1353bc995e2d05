"""The threads that do what would hold up the event loop: decoding, cropping, searching, fitting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class Workers:
    """``threads`` pieces of work at a time, in the order they came."""

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="posebank")

    async def run(self, work: Callable[[], T]) -> T:
        """The result of ``work`` from a thread.

        Cancelled before it began, it is not done, and what it holds, such as an image, is let go.
        """
        waiting = [work]
        try:
            return await asyncio.wrap_future(self._pool.submit(lambda: waiting.pop()()))
        finally:
            waiting.clear()

    def close(self) -> None:
        """Waits for the work under way; what has not begun is dropped."""
        self._pool.shutdown(wait=True, cancel_futures=True)
