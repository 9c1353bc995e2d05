"""Work that is cheaper for many at once: what waits is done together, lot by lot."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from service.workers import Workers, settle
from training.errors import GalleryError

Q = TypeVar("Q")
A = TypeVar("A")


@dataclass(frozen=True, slots=True, eq=False)
class _Job(Generic[Q, A]):
    item: Q
    kind: Hashable
    most: int
    future: asyncio.Future[A]


class Together(Generic[Q, A]):
    """Does ``work``, alike items to as many results, ``at_once`` lots at a time in threads. For one
    event loop.

    It starts at once where a thread is idle; what comes meanwhile makes the next lots. Where a lot
    fails, each of its items is tried alone, so that none fails for another's sake; but not for a
    GalleryError, which is none of the items' fault.
    """

    def __init__(
        self, workers: Workers, work: Callable[[Sequence[Q]], Sequence[A]], at_once: int = 1
    ) -> None:
        self._workers = workers
        self._work = work
        self._at_once = at_once
        self._jobs: list[_Job[Q, A]] = []
        self._owners: set[asyncio.Task[None]] = set()
        self._busy = 0

    async def run(self, item: Q, kind: Hashable, most: int) -> A:
        """The result for one item. Raises what the work raises for it.

        A lot has at most ``most`` items, all of one ``kind``. Cancelled before its lot began, an
        item is not worked on.
        """
        future: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        job = _Job(item, kind, most, future)
        self._jobs.append(job)
        if self._busy < self._at_once:
            self._busy += 1
            owner = asyncio.create_task(self._own())
            self._owners.add(owner)  # the event loop itself would not keep it
            owner.add_done_callback(self._owners.discard)
        try:
            return await future
        finally:
            if job in self._jobs:
                self._jobs.remove(job)

    async def _own(self) -> None:
        """Does lot after lot until nothing waits."""
        try:
            while lot := self._next_lot():
                try:
                    results = await self._workers.run(partial(self._do, [job.item for job in lot]))
                    for job, result in zip(lot, results, strict=True):
                        settle(job.future, result)
                except BaseException as error:  # the threads are closed, or it is no Exception
                    ended = isinstance(error, asyncio.CancelledError)
                    for job in (*lot, *(self._jobs if ended else ())):
                        settle(job.future, error)
                    if ended:
                        raise
        finally:
            self._busy -= 1  # at once: who comes before the task has ended needs another owner

    def _next_lot(self) -> list[_Job[Q, A]]:
        """The next jobs of the kind that has waited longest."""
        jobs = [job for job in self._jobs if not job.future.done()]
        lot = [job for job in jobs if job.kind == jobs[0].kind]
        lot = lot[: jobs[0].most] if jobs else []
        self._jobs = [job for job in jobs if job not in lot]
        return lot

    def _do(self, items: Sequence[Q]) -> list[A | Exception]:
        try:
            return list(self._work(items))
        except GalleryError as error:
            return [copy.copy(error) for _ in items]
        except Exception as error:
            if len(items) == 1:
                return [error]
            return [result for item in items for result in self._do([item])]
