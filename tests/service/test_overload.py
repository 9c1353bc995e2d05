"""More than can be answered, and clients that leave, over real sockets."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest

from tests.service.conftest import Live, Query, Start, ask_alone, assert_problem, wait_until
from training.encoder import Encoder


class Brake:
    """From ``pull`` to ``release`` calls of an encoder stand still; ``calls`` are their crops."""

    def __init__(self) -> None:
        self.calls: list[int] = []
        self._go = threading.Event()
        self._go.set()

    def pass_by(self, crops: int) -> None:
        if not self._go.is_set():
            self.calls.append(crops)
            assert self._go.wait(20)

    def pull(self) -> None:
        self._go.clear()

    def release(self) -> None:
        self._go.set()


@pytest.fixture
def brake(monkeypatch: pytest.MonkeyPatch) -> Iterator[Brake]:
    brake, encode = Brake(), Encoder.encode

    def held(self: Encoder, crops: np.ndarray, *more: object) -> dict[str, np.ndarray]:
        brake.pass_by(len(crops))
        return encode(self, crops, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(Encoder, "encode", held)
    yield brake
    brake.release()


def count(live: Live, metric: str) -> float:
    """The value of a metric, by its name with its labels; 0 where it was never counted."""
    lines = live.client.get("/metrics").text.splitlines()
    return next((float(line.split()[-1]) for line in lines if line.startswith(f"{metric} ")), 0.0)


def test_what_cannot_be_answered_in_time_is_told_when_to_come_back(
    start: Start, home: Path, query: Query, brake: Brake, pool: ThreadPoolExecutor
) -> None:
    """While the encoder stands still, all are refused sooner or later, and none after it goes."""
    server = start(home, threads=1, deadline_seconds=2)
    brake.pull()
    asked: list[Future[httpx.Response]] = []

    def refused() -> httpx.Response | None:
        asked.append(pool.submit(ask_alone, server.url, query))
        return next((f.result() for f in asked if f.done()), None)

    wait_until(lambda: refused() is not None)
    answer = refused()
    assert answer is not None
    problem = assert_problem(answer, 429, "busy")
    assert int(answer.headers["retry-after"]) >= 1
    assert "a second" in str(problem["detail"])
    assert server.client.get("/healthz").status_code == 200
    assert server.client.get("/readyz").status_code == 200
    brake.release()
    told = Counter(one.result().status_code for one in asked)
    assert told[200] >= 1
    assert set(told) <= {200, 429, 503}  # 503: it waited past its deadline
    assert ask_alone(server.url, query).status_code == 200


def test_a_question_past_its_deadline_is_dropped_and_counted(
    start: Start, home: Path, query: Query, brake: Brake, pool: ThreadPoolExecutor
) -> None:
    server = start(home, deadline_seconds=0.3)
    brake.pull()
    dropped = 'posebank_dropped_total{reason="deadline"}'
    first = pool.submit(ask_alone, server.url, query)
    wait_until(lambda: len(brake.calls) == 1)
    late = pool.submit(ask_alone, server.url, query)
    time.sleep(0.6)
    brake.release()
    assert first.result().status_code == 200  # it was begun in time
    problem = assert_problem(late.result(), 503, "deadline")
    assert "POSEBANK_DEADLINE_SECONDS" in str(problem["detail"])
    assert late.result().headers["retry-after"] == "1"
    assert count(server, "posebank_batch_crops_sum") == 1
    assert count(server, dropped) == 1


def test_the_work_of_a_client_that_left_is_dropped_and_counted(
    start: Start, home: Path, query: Query, brake: Brake, pool: ThreadPoolExecutor
) -> None:
    server = start(home)
    brake.pull()
    dropped = 'posebank_dropped_total{reason="gone"}'
    first = pool.submit(ask_alone, server.url, query)
    wait_until(lambda: len(brake.calls) == 1)
    body = httpx.Request("POST", server.url, files={"image": ("q.jpg", query.jpeg)})
    head = (
        f"POST /pose/estimate HTTP/1.1\r\nHost: {body.headers['host']}\r\n"
        f"Content-Type: {body.headers['content-type']}\r\n"
        f"Content-Length: {body.headers['content-length']}\r\n\r\n"
    )
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as leaves:
        leaves.sendall(head.encode() + body.read())
        wait_until(lambda: count(server, "posebank_queue_depth") == 1)
    wait_until(lambda: count(server, dropped) == 1)
    stays = pool.submit(ask_alone, server.url, query)
    wait_until(lambda: count(server, "posebank_queue_depth") >= 1)
    brake.release()
    assert first.result().status_code == 200
    assert stays.result().status_code == 200
    assert count(server, "posebank_batch_crops_sum") == 2
