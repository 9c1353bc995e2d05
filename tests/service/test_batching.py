"""The batcher: what waits is encoded together, fairly, and only where someone still wants it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Coroutine
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.stopwatch import Stopwatch
from service.batching import FIRST_CROPS, MOST_CROPS, Batcher, Embeddings, deal
from service.problems import RefusedError
from training.data.records import ImageRGB

LATER = time.monotonic() + 3600


def crops(*values: int) -> ImageRGB:
    """One 2 × 2 crop of each grey value."""
    return np.stack([np.full((2, 2, 3), value, np.uint8) for value in values])


class Encoder:
    """A crop's embedding is its grey value; while ``hold`` is clear, calls wait in their thread."""

    def __init__(self, crop_seconds: float = 0.0) -> None:
        self.calls: list[list[int]] = []
        self.hold = threading.Event()
        self.hold.set()
        self._crop_seconds = crop_seconds

    def encode(self, crops: ImageRGB) -> dict[str, Embeddings]:
        values = crops[:, 0, 0, 0]
        self.calls.append(values.tolist())
        assert self.hold.wait(20)
        time.sleep(self._crop_seconds * len(crops))
        if 254 in values:
            raise SystemExit("no Exception")
        if 255 in values:
            raise ZeroDivisionError("the encoder fails on white")
        rows = values[:, None].astype(np.float32)
        return {"pose": rows, "identity": -rows}


async def ask(batcher: Batcher, *values: int, deadline: float = LATER) -> list[float]:
    heads = await batcher.encode(crops(*values), deadline, Stopwatch())
    assert set(heads) == {"pose", "identity"}
    np.testing.assert_array_equal(heads["identity"], -heads["pose"])
    return [float(value) for value in heads["pose"][:, 0]]


async def begun(encoder: Encoder, calls: int = 1) -> None:
    """Returns when the encoder was called so often."""
    while len(encoder.calls) < calls:
        await asyncio.sleep(0.001)


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 20))


def test_what_waits_is_encoded_together_and_everyone_gets_their_own() -> None:
    async def test() -> None:
        encoder, sizes = Encoder(), list[int]()
        batcher = Batcher(encoder, 10.0, sizes.append)
        encoder.hold.clear()
        first = asyncio.create_task(ask(batcher, 1))
        await begun(encoder)
        others = [asyncio.create_task(ask(batcher, value)) for value in range(2, 6)]
        clip = asyncio.create_task(ask(batcher, 6, 7))
        await asyncio.sleep(0)
        assert batcher.waiting == 5
        encoder.hold.set()
        assert await first == [1]
        assert await asyncio.gather(*others) == [[2], [3], [4], [5]]
        assert await clip == [6, 7]
        assert [sorted(call) for call in encoder.calls] == [[1], [2, 3, 4, 5, 6, 7]]
        assert sizes == [1, 6]
        assert batcher.waiting == 0

    run(test())


def test_the_owner_comes_back_after_a_pause() -> None:
    async def test() -> None:
        encoder = Encoder()
        batcher = Batcher(encoder, 10.0)
        for value in (1, 2, 3):
            assert await ask(batcher, value) == [value]
            await asyncio.sleep(0.01)
        assert encoder.calls == [[1], [2], [3]]

    run(test())


def test_batches_grow_with_the_speed_of_the_encoder() -> None:
    """Sleeping 20 ms a crop, it may take two in 50 ms; one that takes no time gets the most."""

    async def test() -> None:
        slow, fast = Batcher(Encoder(0.02), 0.05), Batcher(Encoder(), 60.0)
        assert slow.batch_limit == fast.batch_limit == FIRST_CROPS
        await asyncio.gather(*(ask(slow, value) for value in range(8)))
        assert 1 <= slow.batch_limit <= 2
        await asyncio.gather(*(ask(fast, value) for value in range(8)))
        assert fast.batch_limit == MOST_CROPS

    run(test())


def test_a_clip_does_not_hold_up_a_single_crop() -> None:
    async def test() -> None:
        encoder = Encoder()
        batcher = Batcher(encoder, 60.0)
        encoder.hold.clear()
        first = asyncio.create_task(ask(batcher, 0))
        await begun(encoder)
        clip = asyncio.create_task(ask(batcher, *range(1, 101)))
        single = asyncio.create_task(ask(batcher, 200))
        await asyncio.sleep(0)
        encoder.hold.set()
        assert await single == [200]
        assert await clip == list(range(1, 101))
        assert [len(call) for call in encoder.calls] == [1, MOST_CROPS, 101 - MOST_CROPS]
        assert 200 in encoder.calls[1]
        await first

    run(test())


def test_a_missed_deadline_is_not_encoded() -> None:
    async def test() -> None:
        encoder = Encoder()
        batcher = Batcher(encoder, 10.0)
        encoder.hold.clear()
        first = asyncio.create_task(ask(batcher, 1, deadline=time.monotonic() + 0.02))
        await begun(encoder)
        late = asyncio.create_task(ask(batcher, 2, deadline=time.monotonic() + 0.02))
        in_time = asyncio.create_task(ask(batcher, 3))
        await asyncio.sleep(0.05)
        encoder.hold.set()
        assert await first == [1]  # it was begun in time
        assert await in_time == [3]
        with pytest.raises(RefusedError, match="POSEBANK_DEADLINE_SECONDS") as refused:
            await late
        assert refused.value.slug == "deadline"
        assert encoder.calls == [[1], [3]]

    run(test())


def test_a_missed_deadline_is_told_while_the_batch_before_it_takes_long() -> None:
    async def test() -> None:
        encoder = Encoder()
        batcher = Batcher(encoder, 10.0)
        encoder.hold.clear()
        first = asyncio.create_task(ask(batcher, 1))
        await begun(encoder)
        with pytest.raises(RefusedError, match="POSEBANK_DEADLINE_SECONDS"):
            await ask(batcher, 2, deadline=time.monotonic() + 0.02)
        assert batcher.waiting == 0
        encoder.hold.set()
        assert await first == [1]

    run(test())


def test_who_is_told_of_batches_may_fail() -> None:
    """Neither those of the batch nor those behind it wait for ever."""

    def fail(crops: int) -> None:
        raise StopIteration

    async def test() -> None:
        batcher = Batcher(Encoder(), 10.0, fail)
        asked = [asyncio.create_task(ask(batcher, value)) for value in range(20)]
        told = await asyncio.gather(*asked, return_exceptions=True)
        assert all(isinstance(one, RuntimeError) for one in told)

    run(test())


def test_a_cancelled_request_is_not_encoded() -> None:
    async def test() -> None:
        encoder = Encoder()
        batcher = Batcher(encoder, 10.0)
        encoder.hold.clear()
        under_way = asyncio.create_task(ask(batcher, 1))
        await begun(encoder)
        gone, stays = (asyncio.create_task(ask(batcher, value)) for value in (2, 3))
        await asyncio.sleep(0)
        gone.cancel()
        under_way.cancel()
        await asyncio.sleep(0)
        encoder.hold.set()
        assert await stays == [3]
        assert gone.cancelled()
        assert under_way.cancelled()
        assert encoder.calls == [[1], [3]]

    run(test())


def test_an_error_reaches_its_batch_alone() -> None:
    async def test() -> None:
        encoder = Encoder()
        batcher = Batcher(encoder, 10.0)
        encoder.hold.clear()
        first = asyncio.create_task(ask(batcher, 1))
        await begun(encoder)
        together = [asyncio.create_task(ask(batcher, value)) for value in (2, 255)]
        await asyncio.sleep(0)
        encoder.hold.set()
        assert await first == [1]
        for task in together:
            with pytest.raises(ZeroDivisionError):
                await task
        assert await ask(batcher, 4) == [4]

    run(test())


def test_crops_of_another_shape_fail_and_the_next_are_encoded() -> None:
    async def test() -> None:
        batcher = Batcher(Encoder(), 10.0)
        odd = batcher.encode(np.zeros((1, 3, 3, 3), np.uint8), LATER, Stopwatch())
        results = await asyncio.gather(ask(batcher, 1), odd, return_exceptions=True)
        assert all(isinstance(result, ValueError) for result in results)
        assert await ask(batcher, 2) == [2]

    run(test())


def test_waiting_and_encoding_are_timed_apart() -> None:
    async def test() -> None:
        encoder, watch = Encoder(), Stopwatch()
        batcher = Batcher(encoder, 10.0)
        encoder.hold.clear()
        first = asyncio.create_task(ask(batcher, 1))
        await begun(encoder)
        second = asyncio.create_task(batcher.encode(crops(2), LATER, watch))
        await asyncio.sleep(0.02)
        encoder.hold.set()
        await asyncio.gather(first, second)
        assert set(watch.seconds) == {"queue", "encode"}
        assert watch.seconds["queue"] >= 0.02

    run(test())


@given(st.lists(st.integers(1, 70), max_size=40), st.integers(1, 64))
def test_crops_are_dealt_evenly(wanted: list[int], room: int) -> None:
    taken = deal(wanted, room)
    assert sum(taken) == min(room, sum(wanted))
    assert all(0 <= one <= most for one, most in zip(taken, wanted, strict=True))
    for i, one in enumerate(taken):
        for j, other in enumerate(taken):
            if one < wanted[i]:  # nobody who wants more has two fewer than another
                assert other <= one + 1
                assert other <= one or j < i


def test_what_is_no_exception_fails_its_batch_and_stops_nothing() -> None:
    encoder = Encoder()

    async def run() -> None:
        with pytest.raises(RuntimeError, match="SystemExit: no Exception"):
            await ask(batcher, 254)
        assert await ask(batcher, 7) == [7.0]

    batcher = Batcher(encoder, 0.1)
    asyncio.run(asyncio.wait_for(run(), 20))
    batcher.close()
