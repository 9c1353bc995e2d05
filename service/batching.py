"""One encoder for many requests: what waits is encoded together, by one owner at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from index.stopwatch import Stopwatch
from service.problems import RefusedError
from service.workers import behind_the_loop, contained, settle
from training.data.records import ImageRGB

Embeddings = NDArray[np.float32]

MOST_CROPS: Final = 64
"""Crops of one call; more make no encoder faster, and each waits for all of them."""

FIRST_CROPS: Final = 8
"""Crops of the first call, before any was timed."""

MEMORY: Final = 0.8
"""Weight of what was measured before against the newest batch."""


class Encodes(Protocol):
    """The part of an encoder that a batcher needs."""

    def encode(self, crops: ImageRGB) -> dict[str, Embeddings]:
        """(N, S, S, 3) uint8 to (N, dim) float32 per head."""
        ...


@dataclass(slots=True, eq=False)
class _Job:
    """The crops of one request; ``begun`` of them went to the encoder, ``parts`` came back."""

    crops: ImageRGB
    deadline: float
    watch: Stopwatch
    future: asyncio.Future[dict[str, Embeddings]]
    came: float = field(default_factory=time.perf_counter)
    begun: int = 0
    parts: list[dict[str, Embeddings]] = field(default_factory=list)

    def expire(self) -> None:
        """Refuses the request unless it was begun."""
        if not self.begun and not self.future.done():
            self.future.set_exception(too_late())


class Batcher:
    """Encodes crops of many requests together. For one event loop.

    An idle encoder starts at once; what comes while it works makes the next batch. A batch is as
    large as it can be encoded within ``window_seconds``, by the time that earlier ones took; each
    request in turn gets one crop in, so a clip does not hold up single crops. ``batched`` is told
    the size of every batch.
    """

    def __init__(
        self,
        encoder: Encodes,
        window_seconds: float,
        batched: Callable[[int], None] = lambda crops: None,
    ) -> None:
        self._encoder = encoder
        self._window = window_seconds
        self._batched = batched
        self._thread = ThreadPoolExecutor(
            1, thread_name_prefix="posebank-encoder", initializer=behind_the_loop
        )
        self._jobs: list[_Job] = []
        self._owner: asyncio.Task[None] | None = None
        self._crop_seconds: float | None = None

    @property
    def waiting(self) -> int:
        """Requests of which some crop waits for the encoder."""
        return len(self._jobs)

    @property
    def batch_limit(self) -> int:
        """Crops that the next batch may have."""
        if self._crop_seconds is None:
            return FIRST_CROPS
        return max(1, min(MOST_CROPS, int(self._window / self._crop_seconds)))

    async def encode(
        self, crops: ImageRGB, deadline: float, watch: Stopwatch
    ) -> dict[str, Embeddings]:
        """(N, S, S, 3) uint8 crops to (N, dim) L2-normalised float32 per head.

        Raises RefusedError ``deadline`` where none was begun at ``deadline`` (time.monotonic), and
        what the encoder raises for a batch with one of them. Cancelled, what waits is not encoded.
        ``watch`` gets the stages queue and encode.
        """
        loop = asyncio.get_running_loop()
        job = _Job(crops, deadline, watch, loop.create_future())
        self._jobs.append(job)
        if self._owner is None:
            self._owner = asyncio.create_task(self._own())
        # Also while a batch takes long; between two, ``_next_batch`` looks itself.
        expiry = loop.call_later(deadline - time.monotonic(), job.expire)
        try:
            return await job.future
        finally:
            expiry.cancel()
            if job in self._jobs:
                self._jobs.remove(job)

    async def _own(self) -> None:
        """Encodes batch after batch until nothing waits."""
        try:
            while batch := self._next_batch():
                try:
                    await self._encode(batch)
                except BaseException as error:  # the thread is closed, or it is no Exception
                    ended = isinstance(error, asyncio.CancelledError)
                    for job in (*(job for job, _ in batch), *(self._jobs if ended else ())):
                        settle(job.future, error)
                    if ended:
                        raise
        finally:
            self._owner = None

    async def _encode(self, batch: Sequence[tuple[_Job, ImageRGB]]) -> None:
        """Encodes a batch and hands out what comes of it."""
        start = time.perf_counter()
        crops = np.concatenate([part for _, part in batch])
        work = contained(partial(self._encoder.encode, crops))
        heads = await asyncio.get_running_loop().run_in_executor(self._thread, work)
        spent = time.perf_counter() - start
        self._learn(spent / len(crops))
        self._batched(len(crops))
        _deliver(batch, heads, start, spent)

    def _next_batch(self) -> list[tuple[_Job, ImageRGB]]:
        """The jobs of the next batch, each with its crops in it; empty where none waits."""
        now = time.monotonic()
        for job in self._jobs:
            if now > job.deadline:
                job.expire()
        jobs = [job for job in self._jobs if not job.future.done()]
        batch = []
        for job, taken in zip(
            jobs, deal([len(job.crops) - job.begun for job in jobs], self.batch_limit), strict=True
        ):
            if taken:
                batch.append((job, job.crops[job.begun : job.begun + taken]))
                job.begun += taken
        self._jobs = [job for job in jobs if job.begun < len(job.crops)]
        return batch

    def _learn(self, crop_seconds: float) -> None:
        known = self._crop_seconds
        self._crop_seconds = (
            crop_seconds if known is None else MEMORY * known + (1 - MEMORY) * crop_seconds
        )

    def close(self) -> None:
        """Waits for the batch under way."""
        self._thread.shutdown(wait=True)


def deal(wanted: Sequence[int], room: int) -> list[int]:
    """How many of the crops ``wanted`` by each job fit ``room``: one for each in turn."""
    taken = [0] * len(wanted)
    while room:
        hungry = [i for i, most in enumerate(wanted) if taken[i] < most][:room]
        if not hungry:
            break
        for i in hungry:
            taken[i] += 1
        room -= len(hungry)
    return taken


def too_late() -> RefusedError:
    """The refusal of a request that waited past its deadline."""
    return RefusedError(
        "deadline",
        "The request waited longer than POSEBANK_DEADLINE_SECONDS and was dropped.",
        "Try again; if it stays, ask less often, or give the server more cores or a GPU.",
    )


def _deliver(
    batch: Sequence[tuple[_Job, ImageRGB]],
    heads: dict[str, Embeddings],
    start: float,
    spent: float,
) -> None:
    """Hands every job its rows, and its answer once it has all of them."""
    row = 0
    for job, crops in batch:
        rows = slice(row, row + len(crops))
        row += len(crops)
        if job.future.done():
            continue
        if not job.parts:
            job.watch.add("queue", start - job.came)
        job.watch.add("encode", spent)
        job.parts.append({name: values[rows] for name, values in heads.items()})
        if sum(len(next(iter(part.values()))) for part in job.parts) == len(job.crops):
            job.future.set_result(
                {name: np.concatenate([part[name] for part in job.parts]) for name in heads}
            )
