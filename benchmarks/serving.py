"""A `posebank serve` of the sample in a process of its own, for the scripts beside this one."""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

START_SECONDS = 60.0
STOP_SECONDS = 30.0


@dataclass(frozen=True)
class Server:
    """A server that is ready: its url, its process, its home and the file of its log."""

    url: str
    pid: int
    home: Path
    log: Path

    def memory_mb(self, field: str) -> float:
        """A line of /proc/PID/status in MB: VmRSS is resident now, VmHWM was at the most."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(rf"^{field}:\s+(\d+) kB", status, re.MULTILINE)
        assert found is not None
        return int(found[1]) * 1024 / 1e6

    def crashes(self) -> int:
        """Errors that nobody foresaw, by the server's own log."""
        return self.log.read_text("utf-8", errors="replace").count("Traceback (most recent call")


def posebank(*words: object) -> list[str]:
    """The command line of one of Posebank's commands, such as `index.cli build`."""
    module, *arguments = map(str, words)
    return [sys.executable, "-m", module, *arguments]


def build_sample(home: Path, sample: Path, encoder: Path, name: str = "sample") -> None:
    """Builds the index ``name`` of the sample's sequences into ``home``."""
    data = ("--data", sample / "sequences", "--encoder", encoder, "--home", home)
    subprocess.run(posebank("index.cli", "build", name, *data), check=True, stdout=sys.stderr)


def sample_options(description: str) -> argparse.ArgumentParser:
    """A parser of the options that say what ``built_sample`` builds, and where."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--sample", type=Path, default=Path("examples"))
    parser.add_argument("--encoder", type=Path, default=Path("examples/encoder"))
    parser.add_argument("--database", help="SQLAlchemy URL of an empty database; else SQLite")
    return parser


@contextmanager
def built_sample(arguments: argparse.Namespace) -> Iterator[Path]:
    """A home with the sample's index, for as long as the block runs; servers of it find its
    database by their environment."""
    if arguments.database:
        os.environ["POSEBANK_DATABASE_URL"] = arguments.database
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        build_sample(home, arguments.sample, arguments.encoder)
        yield home


@contextmanager
def serving(home: Path, cores: Set[int] = frozenset(), **settings: object) -> Iterator[Server]:
    """A ready server of a home, on these cores or on all; ``settings`` are POSEBANK_* variables in
    small letters. It is told to stop at the end, and has to end well."""
    from service.listen import listen

    with listen("127.0.0.1", 0) as probe:
        port = probe.getsockname()[1]
    set_ = {f"POSEBANK_{name.upper()}": str(value) for name, value in settings.items()}
    log = home / "server.log"
    with log.open("ab") as stream:
        process = subprocess.Popen(
            posebank("service.cli", "serve", "--home", home, "--port", port),
            stdout=stream,
            stderr=stream,
            env={**os.environ, **set_},
            preexec_fn=(lambda: os.sched_setaffinity(0, cores)) if cores else None,
        )
    server = Server(f"http://127.0.0.1:{port}", process.pid, home, log)
    try:
        _wait_ready(server, process)
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    assert code == 0, f"the server ended with {code}; see {log}"


def _wait_ready(server: Server, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        assert process.poll() is None, f"the server did not start:\n{server.log.read_text()}"
        try:
            if httpx.get(f"{server.url}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise TimeoutError(f"the server is not ready after {START_SECONDS:g} s; see {server.log}")
