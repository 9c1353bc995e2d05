"""Work in threads: told in time that it is late, and let go of where nobody waits for it."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable

import pytest

from index.stopwatch import Stopwatch
from service.desk import Desk, Turn
from service.metrics import Metrics
from service.problems import RefusedError
from service.serving import Serving
from service.settings import Settings
from service.workers import NICER, Workers, abandonable, behind_the_loop


class Picture:
    """Something large that a piece of work holds."""

    def look(self) -> str:
        return "seen"


def one_thread() -> Desk:
    settings = Settings(threads=1)
    return Desk(settings, Metrics(Serving(settings)))


def test_late_work_is_refused_at_its_deadline_and_holds_nothing() -> None:
    """While every thread is busy, neither what was begun nor what waits keeps its client."""
    go = threading.Event()

    async def test() -> None:
        desk = one_thread()
        picture = Picture()
        held, start = weakref.ref(picture), time.monotonic()
        turn = Turn(desk, start + 0.1, Stopwatch())

        async def refused(work: Callable[[], object]) -> str:
            with pytest.raises(RefusedError) as error:
                await turn.run_in_time(work)
            return error.value.slug

        begun = asyncio.create_task(refused(lambda: go.wait(20)))
        await asyncio.sleep(0)
        waits = asyncio.create_task(refused(picture.look))
        del picture
        assert await asyncio.gather(begun, waits) == ["deadline", "deadline"]
        assert time.monotonic() - start < 5
        gc.collect()  # the frames of a refusal
        assert held() is None
        go.set()
        later = Turn(desk, time.monotonic() + 20, Stopwatch())
        assert await later.run_in_time(Picture().look) == "seen"
        desk.close()

    asyncio.run(asyncio.wait_for(test(), 20))


def test_an_error_of_the_work_itself_stays_what_it_is() -> None:
    async def test() -> None:
        desk = one_thread()

        def fail() -> None:
            raise TimeoutError("a file server")

        with pytest.raises(TimeoutError, match="file server"):
            await Turn(desk, time.monotonic() + 20, Stopwatch()).run_in_time(fail)
        desk.close()

    asyncio.run(test())


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no nice levels of their own")
def test_threads_go_behind_the_event_loop() -> None:
    """Else a server asked for more than it can carry hears of requests too late to refuse them."""
    workers = Workers(1, behind_the_loop)

    def nice() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    here = nice()
    assert asyncio.run(workers.run(nice)) == min(19, here + NICER)
    assert nice() == here
    workers.close()


def test_a_sandbox_without_nice_levels_is_no_reason_not_to_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refused(*_: int) -> None:
        raise OSError(errno.ENOSYS, "not here")

    monkeypatch.setattr(os, "setpriority", refused)
    workers = Workers(1, behind_the_loop)
    assert asyncio.run(workers.run(lambda: 7)) == 7
    workers.close()


def test_a_stop_iteration_reaches_who_waits() -> None:
    """A future refuses it, so that nobody would be told."""

    async def test() -> None:
        workers = Workers(1)
        with pytest.raises(RuntimeError, match="StopIteration"):
            await workers.run(lambda: next(iter(())))
        with pytest.raises(RuntimeError, match="StopIteration"):
            await abandonable(lambda: next(iter(())))
        workers.close()

    asyncio.run(asyncio.wait_for(test(), 20))


def test_abandonable_work_is_answered_and_keeps_no_loop_from_ending() -> None:
    hold = threading.Event()

    async def test() -> None:
        assert await abandonable(lambda: 7) == 7
        with pytest.raises(ZeroDivisionError):
            await abandonable(lambda: 1 // 0)
        stuck = asyncio.create_task(abandonable(lambda: hold.wait(60)))
        await asyncio.sleep(0.01)
        stuck.cancel()

    asyncio.run(asyncio.wait_for(test(), 20))  # returns while the work stands still
    assert any(thread.name == "posebank-abandonable" for thread in threading.enumerate())
    hold.set()
