"""A home to attack: its servers and commands as processes, and pictures to enrol in it.

Processes are forked from one that has imported everything, so that a server is there in a part of a
second; what runs in them is `posebank serve` and `index` from the command line on.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import sqlalchemy as sa

FORKED = multiprocessing.get_context("forkserver")
FORKED.set_forkserver_preload(
    ["attacked", "service.cli", "service.serve", "index.cli", "index.build", "index.verify"]
)


def attack_options(description: str) -> argparse.ArgumentParser:
    """A parser of the options that all attacks on a home take."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--data", type=Path, default=Path("examples/sequences"))
    parser.add_argument("--encoder", type=Path, default=Path("examples/encoder"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--postgres", help="a database of a server that may make another one")
    return parser


def run_command(words: tuple[str, ...], environment: dict[str, str], out: Path) -> None:
    """The body of a process: `posebank` with these words; all it prints goes to ``out``."""
    from service.cli import main

    for name in [name for name in os.environ if name.startswith("POSEBANK_")]:
        del os.environ[name]
    os.environ.update(environment)
    target = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(target, 1)
    os.dup2(target, 2)
    sys.stdout = os.fdopen(1, "w", buffering=1)
    sys.stderr = os.fdopen(2, "w", buffering=1)
    sys.argv = ["posebank", *words]
    main()


@dataclass
class Command:
    """A command under way; ``out`` is the file with what it prints."""

    process: Any
    out: Path

    def wait(self) -> tuple[int, str]:
        """Its exit code, negative for a signal, and what it printed."""
        self.process.join()
        return self.process.exitcode, self.out.read_text()


@dataclass
class Attacked:
    """A home, its database, a folder for logs, and the port its servers take in turn."""

    home: Path
    database: str
    logs: Path
    port: int = 0
    server: Command | None = None
    seconds: list[float] = field(default_factory=list)
    """How long each start took."""

    def __post_init__(self) -> None:
        self.logs.mkdir(exist_ok=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._commands = 0

    @property
    def url(self) -> str:
        """Where the server is."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def server_log(self) -> Path:
        """What all servers printed."""
        return self.logs / "serve"

    def begin(self, *words: object, out: Path | None = None) -> Command:
        """Begins `posebank` with these words."""
        self._commands += 1
        out = out or self.logs / f"{self._commands}"
        environment = {
            "POSEBANK_HOME": str(self.home),
            "POSEBANK_DATABASE_URL": self.database,
            "OMP_NUM_THREADS": "1",
        }
        process = FORKED.Process(
            target=run_command, args=(tuple(map(str, words)), environment, out)
        )
        process.start()
        return Command(process, out)

    def index(self, *words: object) -> tuple[int, str]:
        """Runs `posebank index` to its end: its exit code and what it printed."""
        return self.begin("index", *words).wait()

    def start(self) -> None:
        """Starts `posebank serve` and waits until it is ready."""
        began = time.perf_counter()
        self.launch()
        self.until(self.ready, 60.0)
        self.seconds.append(time.perf_counter() - began)

    def launch(self) -> None:
        """Starts `posebank serve`."""
        self.server = self.begin("serve", "--port", self.port, out=self.server_log)

    def ready(self) -> bool:
        """Whether /readyz says so. Raises RuntimeError where the process has ended."""
        if self.server is None or not self.server.process.is_alive():
            raise RuntimeError(f"the server ended: {self.server_log.read_text()[-2000:]}")
        try:
            return httpx.get(f"{self.url}/readyz", timeout=30).status_code == 200
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        """Ends the server with SIGKILL."""
        if self.server is not None:
            self.server.process.kill()
            self.server.process.join()
            self.server = None

    def until(self, met: Callable[[], bool], seconds: float) -> None:
        """Waits. Raises RuntimeError after ``seconds``."""
        end = time.monotonic() + seconds
        while not met():
            if time.monotonic() > end:
                raise RuntimeError(
                    f"waited {seconds} s in vain: {self.server_log.read_text()[-2000:]}"
                )
            time.sleep(0.02)


class Asked:
    """Asks `/reid/search` again and again while the block runs."""

    def __init__(self, url: str) -> None:
        self.answers: Counter[str] = Counter()
        """Version → how many questions it answered."""
        self.failures: list[str] = []
        self._url = url
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> Asked:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _ask(self) -> None:
        image = picture(0)
        with httpx.Client(base_url=self._url, timeout=60) as client:
            while not self._stop.is_set():
                answer = client.post("/reid/search", files={"image": ("q.jpg", image)})
                if answer.status_code == 200:
                    self.answers[answer.json()["index"]["version"]] += 1
                else:
                    self.failures.append(answer.text)
                self._stop.wait(0.05)


@contextmanager
def database(server: str | None, folder: Path) -> Iterator[str]:
    """The URL of a new database, dropped afterwards: on a Postgres, or SQLite in ``folder``."""
    if server is None:
        yield f"sqlite:///{folder / 'posebank.sqlite'}"
        return
    url = sa.make_url(server.replace("postgresql://", "postgresql+psycopg://"))
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    name = f"posebank_attacked_{os.getpid()}"
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
        try:
            yield url.set(database=name).render_as_string(hide_password=False)
        finally:
            connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))


def picture(seed: int) -> bytes:
    """A JPEG like no other: 64 × 64 pixels of patches in strong colours."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (6, 6, 3), np.uint8)
    image = cv2.resize(coarse, (64, 64), interpolation=cv2.INTER_NEAREST)
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()


def annotated(instance: str, sequence: str, frame: int = 0) -> dict[str, Any]:
    """The annotations of a picture to enrol."""
    return {
        "dataset": "attacked",
        "instance": instance,
        "category": "thing",
        "sequence": sequence,
        "frame": frame,
    }


def report(options: argparse.Namespace, found: dict[str, Any], log: str, faults: list[str]) -> int:
    """Prints what was found as one JSON object; the exit code, 1 where there are faults or the
    server's ``log`` has stack traces."""
    crashes = log.count("Traceback")
    about = {"database": "postgres" if options.postgres else "sqlite", "seed": options.seed}
    ends = {"tracebacks_in_the_log": crashes, "faults": faults}
    print(json.dumps({**about, **found, **ends}, indent=1))
    return 1 if faults or crashes else 0
