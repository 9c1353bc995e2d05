"""What needs no encoder: bounded, in time, dropped where nobody waits, and in no question's way."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from fastapi import Request

from index.catalog import Catalog
from index.store.stored_view import StoredView
from service import desk as module
from service.desk import LOOK_UP_THREADS, Desk
from service.metrics import Metrics
from service.problems import RefusedError
from service.serving import Serving
from service.settings import Settings
from tests.service.conftest import Query, Start, ask_alone, assert_problem, wait_until
from tests.service.test_overload import count

NOBODY = "/views/0123456789abcdef"
GONE = 'posebank_dropped_total{reason="gone"}'


class Stall:
    """Look-ups of a view stand still until ``release``; ``begun`` counts them."""

    def __init__(self) -> None:
        self.begun = 0
        self._go = threading.Event()

    def view(self, catalog: Catalog, view_id: int) -> StoredView | None:
        self.begun += 1
        assert self._go.wait(20)
        return None

    def release(self) -> None:
        self._go.set()


@pytest.fixture
def stall(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stall]:
    stall = Stall()
    monkeypatch.setattr(Catalog, "view", lambda catalog, view_id: stall.view(catalog, view_id))
    yield stall
    stall.release()


def test_a_crowd_of_them_keeps_no_question_waiting(
    start: Start, home: Path, query: Query, stall: Stall, pool: ThreadPoolExecutor
) -> None:
    server = start(home)
    crowd = [pool.submit(httpx.get, server.url + NOBODY, timeout=30) for _ in range(32)]
    wait_until(lambda: stall.begun == LOOK_UP_THREADS)
    assert ask_alone(server.url, query).status_code == 200
    assert not any(one.done() for one in crowd)
    stall.release()
    for one in crowd:
        assert_problem(one.result(), 404, "unknown-view")


def test_of_a_client_that_left_they_are_dropped(start: Start, home: Path, stall: Stall) -> None:
    server = start(home)
    host, port = server.url.removeprefix("http://").split(":")
    leaving = []
    for waiting in range(1, LOOK_UP_THREADS + 4):
        leaves = socket.create_connection((host, int(port)))
        leaves.sendall(f"GET {NOBODY} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        leaving.append(leaves)
        wait_until(lambda waiting=waiting: stall.begun == min(waiting, LOOK_UP_THREADS))
    for leaves in leaving:
        leaves.close()
    wait_until(lambda: count(server, GONE) == len(leaving))
    stall.release()
    assert_problem(server.client.get(NOBODY), 404, "unknown-view")
    assert stall.begun == LOOK_UP_THREADS + 1


def test_they_have_a_deadline(start: Start, home: Path, stall: Stall) -> None:
    server = start(home, deadline_seconds=0.3)
    late = server.client.get(NOBODY)
    assert_problem(late, 503, "deadline")
    assert late.headers["retry-after"] == "1"


class Stays:
    """A request whose client waits."""

    async def receive(self) -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError


def test_of_too_many_some_are_told_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_UPS", 3)
    settings = Settings(deadline_seconds=0.2)

    async def test() -> None:
        desk = Desk(settings, Metrics(Serving(settings)))
        go = threading.Event()
        request = cast(Request, Stays())
        asked = [desk.look_up(request, go.wait) for _ in range(5)]
        told = await asyncio.gather(*asked, return_exceptions=True)
        slugs = [one.slug for one in told if isinstance(one, RefusedError)]
        assert slugs == ["deadline"] * 3 + ["busy"] * 2
        assert "3 look-ups" in str(told[-1])
        assert desk.held == 0
        go.set()
        assert await desk.look_up(request, lambda: 7) == 7
        desk.close()

    asyncio.run(asyncio.wait_for(test(), 20))
