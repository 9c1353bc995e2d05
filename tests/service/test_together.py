"""Work done together: one lot at a time of one kind, each item with its own result or error."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from service.together import Together
from service.workers import Workers
from training.errors import GalleryError

MOST = 4


class Squares:
    """Squares numbers; while ``hold`` is clear, lots wait in their thread."""

    def __init__(self) -> None:
        self.lots: list[list[int]] = []
        self.hold = threading.Event()
        self.hold.set()

    def work(self, items: Sequence[int]) -> list[int]:
        self.lots.append(list(items))
        assert self.hold.wait(20)
        if any(item < 0 for item in items):
            raise ValueError(f"{min(items)} is negative")
        if 999 in items:
            raise SystemExit("no Exception")
        if 1000 in items:
            raise GalleryError("The database is away.", "Start it.")
        return [item * item for item in items]


@contextmanager
def together(squares: Squares, at_once: int = 1) -> Iterator[Together[int, int]]:
    workers = Workers(2)
    try:
        yield Together(workers, squares.work, at_once)
    finally:
        workers.close()


async def ask(one: Together[int, int], *items: int, kind: str = "") -> list[int | BaseException]:
    return await asyncio.gather(
        *(one.run(item, kind, MOST) for item in items), return_exceptions=True
    )


async def begun(squares: Squares, lots: int = 1) -> None:
    while len(squares.lots) < lots:
        await asyncio.sleep(0.001)


def test_what_came_at_once_is_one_lot_and_each_gets_its_own() -> None:
    squares = Squares()
    with together(squares) as one:
        assert asyncio.run(ask(one, 1, 2, 3)) == [1, 4, 9]
    assert squares.lots == [[1, 2, 3]]


def test_what_comes_meanwhile_waits_and_makes_lots_of_its_kinds_in_turn() -> None:
    squares = Squares()

    async def run() -> None:
        squares.hold.clear()
        first = asyncio.create_task(ask(one, 1))
        await begun(squares)
        rest = [asyncio.create_task(ask(one, i, kind="ab"[i % 2])) for i in range(2, 6)]
        await asyncio.sleep(0)
        squares.hold.set()
        assert await first == [1]
        assert await asyncio.gather(*rest) == [[4], [9], [16], [25]]

    with together(squares) as one:
        asyncio.run(run())
    assert squares.lots == [[1], [2, 4], [3, 5]]


def test_a_lot_is_no_larger_than_its_limit() -> None:
    squares = Squares()
    with together(squares) as one:
        assert asyncio.run(ask(one, *range(MOST + 3))) == [i * i for i in range(MOST + 3)]
    assert [len(lot) for lot in squares.lots] == [MOST, 3]


def test_none_fails_for_another_s_sake() -> None:
    squares = Squares()
    with together(squares) as one:
        found = asyncio.run(ask(one, 1, -2, 3))
    assert (found[0], found[2]) == (1, 9)
    with pytest.raises(ValueError, match="-2 is negative"):
        raise found[1]  # type: ignore[misc]
    assert squares.lots == [[1, -2, 3], [1], [-2], [3]]


def test_a_database_that_is_away_is_asked_once_for_all() -> None:
    squares = Squares()
    with together(squares) as one:
        found = asyncio.run(ask(one, 1, 1000, 3))
    assert all(isinstance(error, GalleryError) for error in found)
    assert squares.lots == [[1, 1000, 3]]


def test_who_went_away_before_its_lot_began_is_not_worked_for() -> None:
    squares = Squares()

    async def run() -> None:
        squares.hold.clear()
        first = asyncio.create_task(ask(one, 1))
        await begun(squares)
        gone, stays = (asyncio.create_task(one.run(item, "", MOST)) for item in (2, 3))
        await asyncio.sleep(0)
        gone.cancel()
        squares.hold.set()
        assert (await first, await stays) == ([1], 9)
        with pytest.raises(asyncio.CancelledError):
            await gone

    with together(squares) as one:
        asyncio.run(run())
    assert squares.lots == [[1], [3]]


def test_who_goes_away_while_its_lot_is_done_takes_nobody_along() -> None:
    squares = Squares()

    async def run() -> None:
        squares.hold.clear()
        gone, stays = (asyncio.create_task(one.run(item, "", MOST)) for item in (2, 3))
        await begun(squares)
        gone.cancel()
        squares.hold.set()
        assert await stays == 9

    with together(squares) as one:
        asyncio.run(run())
    assert squares.lots == [[2, 3]]


def test_threads_that_are_closed_fail_everyone_and_leave_none_waiting() -> None:
    workers = Workers(1)
    one = Together(workers, Squares().work)
    workers.close()
    found = asyncio.run(asyncio.wait_for(ask(one, 1, 2), 20))
    assert all(isinstance(error, RuntimeError) for error in found)


def test_what_is_no_exception_fails_its_lot_and_stops_nothing() -> None:
    squares = Squares()

    async def run() -> None:
        failed = await ask(one, 1, 999)
        assert all(isinstance(error, RuntimeError) for error in failed)
        assert await ask(one, 2) == [4]

    with together(squares) as one:
        asyncio.run(asyncio.wait_for(run(), 20))


def test_as_many_lots_as_may_are_worked_on_at_once() -> None:
    squares = Squares()

    async def run() -> None:
        squares.hold.clear()
        first = asyncio.create_task(ask(one, 1, 2))
        await begun(squares, 1)
        second = asyncio.create_task(ask(one, 3))
        await begun(squares, 2)
        third = asyncio.create_task(ask(one, 4, 5))
        await asyncio.sleep(0.01)
        assert squares.lots == [[1, 2], [3]]
        squares.hold.set()
        assert await asyncio.gather(first, second, third) == [[1, 4], [9], [16, 25]]

    with together(squares, at_once=2) as one:
        asyncio.run(asyncio.wait_for(run(), 20))
    assert squares.lots == [[1, 2], [3], [4, 5]]


@pytest.mark.parametrize("at_once", [1, 2])
def test_who_comes_as_the_last_lot_ends_is_not_forgotten(at_once: int) -> None:
    """Each client asks again in the very step of the event loop in which it was answered."""
    squares = Squares()

    async def client(kind: str) -> None:
        for item in range(100):
            assert await one.run(item, kind, MOST) == item * item

    async def run() -> None:
        await asyncio.gather(*(client(kind) for kind in "ab"[:at_once]))

    with together(squares, at_once) as one:
        asyncio.run(asyncio.wait_for(run(), 20))
