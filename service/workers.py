"""The threads that do what would hold up the event loop: decoding, cropping, searching, fitting."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, ThreadPoolExecutor
from typing import Final, TypeVar

T = TypeVar("T")

ABANDONABLE: Final = "posebank-abandonable"

NICER: Final = 5
"""Nice levels (ours): three let an overloaded event loop wait for seconds still, ten let threads
starve beside other processes of their control group."""


def behind_the_loop() -> None:
    """Lets the event loop go before this thread where there is no core for both.

    A loop that waits hears of requests too late to refuse them: a server asked for three times
    what it can carry then takes nearly all, and answers them seconds late. Linux only, where
    threads have nice levels of their own.
    """
    if sys.platform == "linux":
        me = threading.get_native_id()
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, me, os.getpriority(os.PRIO_PROCESS, me) + NICER)


class Workers:
    """``threads`` pieces of work at a time, in the order they came.

    ``begin`` is called in each thread first.
    """

    def __init__(self, threads: int, begin: Callable[[], None] | None = None) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="posebank", initializer=begin)

    async def run(self, work: Callable[[], T]) -> T:
        """The result of ``work`` from a thread.

        Cancelled before it began, it is not done, and what it holds, such as an image, is let go.
        """
        waiting = [work]
        try:
            return await asyncio.wrap_future(self._pool.submit(lambda: contained(waiting.pop())()))
        finally:
            waiting.clear()

    def close(self) -> None:
        """Waits for the work under way; what has not begun is dropped."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def contained(work: Callable[[], T]) -> Callable[[], T]:
    """``work``, raising nothing that a future does not take for an answer: with a StopIteration or
    a CancelledError of its own, who waits for it would wait for ever."""

    def run() -> T:
        try:
            return work()
        except (StopIteration, CancelledError, asyncio.CancelledError) as error:
            raise RuntimeError(f"{type(error).__name__}: {error}") from error

    return run


async def abandonable(work: Callable[[], T]) -> T:
    """The result of ``work`` from a thread of its own, which no end of the process waits for where
    that ends by ``leave_abandoned``."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def run() -> None:
        try:
            result: T | BaseException = contained(work)()
        except BaseException as error:
            result = error
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(settle, future, result)

    threading.Thread(target=run, daemon=True, name=ABANDONABLE).start()
    return await future


def leave_abandoned() -> None:
    """Ends the process with code 0 where abandoned work goes on.

    Coming back from native code while the interpreter is taken down, it would abort the process.
    """
    if any(thread.name == ABANDONABLE for thread in threading.enumerate()):
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def settle(future: asyncio.Future[T], result: T | BaseException) -> None:
    """Hands over a result or an error, unless nobody waits for it any more."""
    if future.done():
        return
    if isinstance(result, asyncio.CancelledError):
        future.cancel()
    elif isinstance(result, Exception) and not isinstance(result, StopIteration):
        future.set_exception(result)
    elif isinstance(result, BaseException):  # not for a future
        future.set_exception(RuntimeError(f"{type(result).__name__}: {result}"))
    else:
        future.set_result(result)
