"""More than can be answered, clients that leave, and a server told to stop, over real sockets."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest

from tests.service.conftest import Live, Query, Start, assert_problem, wait_until
from tests.service.test_commands import POSEBANK, free_port, plain_environment
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


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(64) as pool:
        yield pool


def ask(url: str, query: Query) -> httpx.Response:
    """One question over a connection of its own."""
    with httpx.Client(base_url=url, timeout=30) as client:
        return Live(url, client).ask("/pose/estimate", query.jpeg, query.request)


def count(live: Live, metric: str) -> float:
    """The value of a metric, by its name with its labels; 0 where it was never counted."""
    lines = live.client.get("/metrics").text.splitlines()
    return next((float(line.split()[-1]) for line in lines if line.startswith(f"{metric} ")), 0.0)


def test_what_cannot_be_answered_in_time_is_told_when_to_come_back(
    start: Start, home: Path, query: Query, brake: Brake, pool: ThreadPoolExecutor
) -> None:
    """While the encoder stands still, all are refused sooner or later, and none after it goes."""
    server = start(home, threads=1)
    brake.pull()
    asked: list[Future[httpx.Response]] = []

    def refused() -> httpx.Response | None:
        asked.append(pool.submit(ask, server.url, query))
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
    assert ask(server.url, query).status_code == 200


def test_a_question_past_its_deadline_is_dropped_and_counted(
    start: Start, home: Path, query: Query, brake: Brake, pool: ThreadPoolExecutor
) -> None:
    server = start(home, deadline_seconds=0.3)
    brake.pull()
    dropped = 'posebank_dropped_total{reason="deadline"}'
    first = pool.submit(ask, server.url, query)
    wait_until(lambda: len(brake.calls) == 1)
    late = pool.submit(ask, server.url, query)
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
    server = start(home, deadline_seconds=60)
    brake.pull()
    dropped = 'posebank_dropped_total{reason="gone"}'
    first = pool.submit(ask, server.url, query)
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
    stays = pool.submit(ask, server.url, query)
    wait_until(lambda: count(server, "posebank_queue_depth") >= 1)
    brake.release()
    assert first.result().status_code == 200
    assert stays.result().status_code == 200
    assert count(server, "posebank_batch_crops_sum") == 2


Serve = Callable[..., tuple[subprocess.Popen[str], str]]

STANDS_STILL = """
import os, sys, time
from training.encoder import Encoder
encode = Encoder.encode
def stand_still(self, crops, *more):
    if os.path.exists(os.environ["STAND_STILL"]):
        print("standing still", file=sys.stderr, flush=True)
    while os.path.exists(os.environ["STAND_STILL"]):
        time.sleep(0.01)
    return encode(self, crops, *more)
Encoder.encode = stand_still
from service.cli import main
main()
"""


@pytest.fixture
def serve(home: Path, tmp_path: Path) -> Iterator[Serve]:
    """``serve(command, **environment)``: `posebank serve` as a process, and its url when ready."""
    started: list[subprocess.Popen[str]] = []

    def run(
        command: Sequence[str] = POSEBANK, **environment: str
    ) -> tuple[subprocess.Popen[str], str]:
        port = free_port()
        with (tmp_path / "log").open("w") as log:
            process = subprocess.Popen(
                [*command, "serve", "--port", str(port), "--home", str(home)],
                stderr=log,
                text=True,
                env=plain_environment(environment),
            )
        started.append(process)
        url = f"http://127.0.0.1:{port}"

        def ready() -> bool:
            assert process.poll() is None, (tmp_path / "log").read_text()
            try:
                return httpx.get(f"{url}/readyz").status_code == 200
            except httpx.TransportError:
                return False

        wait_until(ready)
        return process, url

    yield run
    for process in started:
        process.kill()
        process.wait()


def test_sigterm_under_load_loses_no_question(serve: Serve, query: Query, tmp_path: Path) -> None:
    """What was asked before the signal is answered; what comes after is told or finds nobody."""
    process, url = serve()
    asked: list[tuple[float, int | None]] = []
    stopped = threading.Event()

    def keep_asking() -> None:
        with httpx.Client(base_url=url, timeout=30) as client:
            while not stopped.is_set():
                begun = time.monotonic()
                try:
                    answer = Live(url, client).ask("/pose/estimate", query.jpeg, query.request)
                except httpx.TransportError:
                    asked.append((begun, None))
                    continue
                if answer.status_code == 503:
                    assert_problem(answer, 503, "draining")
                    assert answer.headers["connection"] == "close"
                asked.append((begun, answer.status_code))

    askers = [threading.Thread(target=keep_asking) for _ in range(6)]
    for asker in askers:
        asker.start()
    try:
        wait_until(lambda: len(asked) > 60)
        told = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        stopped.set()
        for asker in askers:
            asker.join(30)
    before = [status for begun, status in asked if begun < told]
    after = {status for begun, status in asked if begun >= told}
    assert None not in before
    assert set(before) <= {200, 429, 503}
    assert before.count(200) > 60
    assert after <= {None, 200, 503}
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_what_was_taken_is_answered_while_the_server_drains(
    serve: Serve, query: Query, tmp_path: Path, pool: ThreadPoolExecutor
) -> None:
    still = tmp_path / "still"
    process, url = serve([sys.executable, "-c", STANDS_STILL], STAND_STILL=str(still))
    still.touch()
    taken = pool.submit(ask, url, query)
    wait_until(lambda: (tmp_path / "log").read_text().count("standing still") == 1)
    process.send_signal(signal.SIGTERM)
    wait_until(lambda: httpx.get(f"{url}/readyz").status_code == 503)
    assert_problem(httpx.get(f"{url}/readyz"), 503, "draining")
    refused = ask(url, query)
    assert_problem(refused, 503, "draining")
    assert refused.headers["connection"] == "close"
    assert refused.headers["retry-after"] == "1"
    assert httpx.get(f"{url}/healthz").status_code == 200
    assert not taken.done()
    still.unlink()
    assert taken.result().status_code == 200
    assert process.wait(20) == 0
