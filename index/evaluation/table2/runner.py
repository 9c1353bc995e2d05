"""Carries out the runs of a table side by side; each can be killed and gone on with.

A finished step is never repeated: the encoder and every result appear whole or not at all. A run
locks its folder, and its processes inherit the lock: a second table over the same folder, or one
started again while the processes of a killed one still train, leaves that run alone.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from index.evaluation.table2.plan import TableRun
from training.appearing import appearing
from training.artifact import INFO_FILE
from training.cores import available_cores

LOG = "log.txt"
COMMAND = "{}.command.json"
"""What a step was made by, so that results of other settings are not taken for this table's."""

Finished = Callable[[TableRun, str | None], None]


class _StepError(Exception):
    """A run cannot go on; the others can."""


def run_all(runs: Sequence[TableRun], jobs: int, finished: Finished) -> dict[str, str]:
    """Carry out all runs, ``jobs`` at a time; the reasons of those that failed, by their names.

    ``finished`` hears of each run and why it failed, if it did. SIGTERM and Ctrl-C stop the
    processes; a training stops at its last checkpoint. The same call goes on later.
    """
    crew = _Crew()
    failed: dict[str, str] = {}
    with crew.stopped_by_signals(), ThreadPoolExecutor(jobs) as pool:
        try:
            tasks = {pool.submit(_carry_out, run, crew): run for run in runs}
            for task in as_completed(tasks):
                run, reason = tasks[task], task.result()
                if reason is not None:
                    failed[run.name] = reason
                finished(run, reason)
        except BaseException:
            crew.stop()
            pool.shutdown(cancel_futures=True)
            raise
    return {run.name: failed[run.name] for run in runs if run.name in failed}


class _Crew:
    """The processes at work, to be stopped together."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._working: set[subprocess.Popen[bytes]] = set()
        self._stopped = False

    def run(self, command: list[str], stdout: BinaryIO, log: BinaryIO, lock: BinaryIO) -> int:
        """The exit code of a command that holds the run's lock while it lives."""
        with self._guard:
            if self._stopped:
                raise _StepError("stopped")
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=log,
                pass_fds=(lock.fileno(),),
                start_new_session=True,  # Ctrl-C reaches it once, from `stop`
            )
            self._working.add(process)
        code = process.wait()
        with self._guard:
            self._working.discard(process)
        return code

    def stop(self) -> None:
        """Ask every process to end."""
        with self._guard:
            self._stopped = True
            for process in self._working:
                process.terminate()

    @contextmanager
    def stopped_by_signals(self) -> Iterator[None]:
        """SIGTERM ends the table as Ctrl-C does."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def interrupt(number: int, frame: object) -> None:
            raise KeyboardInterrupt

        before = signal.signal(signal.SIGTERM, interrupt)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)


def _carry_out(run: TableRun, crew: _Crew) -> str | None:
    """Train, then measure, whatever of it is not done; why it failed, or None."""
    run.folder.mkdir(parents=True, exist_ok=True)
    try:
        with (run.folder / "lock").open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return "another process is at work on it; wait for it, then give the command again"
            _train(run, crew, lock)
            for protocol in run.protocols:
                _measure(run, protocol, crew, lock)
    except _StepError as error:
        return str(error)
    except OSError as error:
        return f"{error.filename or run.folder}: {error.strerror}"
    return None


def _train(run: TableRun, crew: _Crew, lock: BinaryIO) -> None:
    _same_as_before(run.folder / COMMAND.format("train"), run.training(), run)
    if (run.folder / "encoder" / INFO_FILE).exists():
        return
    with (run.folder / LOG).open("ab") as log:
        _checked(crew.run(run.train_command(), log, log, lock), "training", run)
    shutil.rmtree(run.folder / "cache", ignore_errors=True)  # crops are no use to anyone now


def _measure(run: TableRun, protocol: str, crew: _Crew, lock: BinaryIO) -> None:
    _same_as_before(run.folder / COMMAND.format(protocol), run.evaluation(protocol), run)
    if run.result(protocol).exists():
        return
    printed = run.folder / f"{protocol}.txt"
    with printed.open("wb") as stdout, (run.folder / LOG).open("ab") as log:
        _checked(crew.run(run.evaluate_command(protocol), stdout, log, lock), protocol, run)
    line = printed.read_bytes().rstrip().split(b"\n")[-1]
    with appearing(run.result(protocol)) as stream:
        stream.write(line + b"\n")
    printed.unlink()


def _same_as_before(path: Path, arguments: list[str], run: TableRun) -> None:
    """Whether what is kept was made by the same arguments; they are written down the first time."""
    if not path.exists():
        with appearing(path) as stream:
            stream.write(json.dumps(arguments).encode())
        return
    before = json.loads(path.read_bytes())
    if before != arguments:
        raise _StepError(
            f"{run.folder} was made by `posebank {' '.join(before)}`; name another --out, "
            "or remove that folder"
        )


def _checked(code: int, step: str, run: TableRun) -> None:
    if code:
        log = run.folder / LOG
        raise _StepError(f"{step} ended with {code}: {_last_words(log)} ({log})")


def _last_words(log: Path) -> str:
    """The last line of a log that is not a remedy."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    said = [line for line in lines if not line.startswith("remedy:")]
    return said[-1].strip() if said else "it said nothing"


def share_of_cores(jobs: int) -> int:
    """CPU threads for each of so many runs."""
    return max(1, available_cores() // jobs)
