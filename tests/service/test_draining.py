"""A server told to stop finishes what it took, and tells the others so, over real sockets."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from tests.service.conftest import (
    BuildToys,
    Live,
    Query,
    ask_alone,
    assert_problem,
    wait_until,
)
from tests.service.test_commands import POSEBANK, free_port, plain_environment

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
    """``serve(command, home, **environment)``: `posebank serve` as a process, and its url when
    ready."""
    started: list[subprocess.Popen[str]] = []

    def run(
        command: Sequence[str] = POSEBANK, home: Path = home, **environment: str
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
    taken = pool.submit(ask_alone, url, query)
    wait_until(lambda: (tmp_path / "log").read_text().count("standing still") == 1)
    process.send_signal(signal.SIGTERM)
    wait_until(lambda: httpx.get(f"{url}/readyz").status_code == 503)
    assert_problem(httpx.get(f"{url}/readyz"), 503, "draining")
    refused = ask_alone(url, query)
    assert_problem(refused, 503, "draining")
    assert refused.headers["connection"] == "close"
    assert refused.headers["retry-after"] == "1"
    assert httpx.get(f"{url}/healthz").status_code == 200
    assert not taken.done()
    still.unlink()
    assert taken.result().status_code == 200
    assert process.wait(20) == 0


@pytest.fixture
def own_home(tmp_path: Path, build_toys: BuildToys) -> Path:
    """A home of toys that a test may change."""
    folder = tmp_path / "home"
    folder.mkdir()
    build_toys(folder)
    return folder


OPENS_FOR_LONG = """
import os, sys, time
from index.gallery import Gallery
def open_slowly(*given):
    if os.path.exists(os.environ["OPENS"]):
        print("opening", file=sys.stderr, flush=True)
    while os.path.exists(os.environ["OPENS"]):
        time.sleep(0.01)
    return opened(*given)
opened, Gallery.open = Gallery.open, open_slowly
from service.cli import main
main()
"""


def test_a_version_that_is_being_opened_keeps_no_server_from_ending(
    serve: Serve, tmp_path: Path, own_home: Path, build_toys: BuildToys
) -> None:
    opens = tmp_path / "opens"
    process, _ = serve([sys.executable, "-c", OPENS_FOR_LONG], home=own_home, OPENS=str(opens))
    opens.touch()
    build_toys(own_home, frames=3)
    wait_until(lambda: "opening" in (tmp_path / "log").read_text())
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    assert "Traceback" not in (tmp_path / "log").read_text()


class Locked:
    """A database that another process writes to until the block ends, and an enrolment that waits
    for it."""

    def __init__(self, folder: Path) -> None:
        self._database = sqlite3.connect(folder / "posebank.sqlite", isolation_level=None)
        self._database.execute("BEGIN IMMEDIATE")

    def enrolling(self, url: str, query: Query, pool: ThreadPoolExecutor) -> Future[httpx.Response]:
        request = {"bbox": query.request["bbox"], "dataset": "d", "instance": "i", "category": "c"}
        files = {"image": ("q.jpg", query.jpeg)}
        data = {"request": json.dumps(request | {"frame": 0})}
        answer = pool.submit(httpx.post, f"{url}/views", files=files, data=data, timeout=60)
        encoded = 'posebank_stage_seconds_count{stage="encode"} 1.0'
        wait_until(lambda: encoded in httpx.get(f"{url}/metrics").text)
        return answer

    def close(self) -> None:
        self._database.close()


def test_a_change_that_was_taken_is_answered_while_the_server_drains(
    serve: Serve, query: Query, own_home: Path, pool: ThreadPoolExecutor
) -> None:
    """Also where it waits longer than the last bytes of answers may take."""
    process, url = serve(home=own_home, POSEBANK_DRAIN_SECONDS="30")
    with closing(Locked(own_home)) as locked:
        answer = locked.enrolling(url, query, pool)
        process.send_signal(signal.SIGTERM)
        time.sleep(3.5)
        assert not answer.done()
    assert answer.result().status_code == 201
    assert process.wait(20) == 0


def test_a_change_that_the_end_overtakes_is_told_so(
    serve: Serve, query: Query, tmp_path: Path, own_home: Path, pool: ThreadPoolExecutor
) -> None:
    process, url = serve(home=own_home, POSEBANK_DRAIN_SECONDS="1")
    with closing(Locked(own_home)) as locked:
        answer = locked.enrolling(url, query, pool)
        process.send_signal(signal.SIGTERM)
        problem = assert_problem(answer.result(), 503, "draining")
    assert "may have been stored" in str(problem["detail"])
    assert answer.result().headers["retry-after"] == "1"
    assert process.wait(20) == 0
    assert "Traceback" not in (tmp_path / "log").read_text()
