"""How far a build is, when it will be done, and which stage holds it up."""

from __future__ import annotations

import time
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from index.stopwatch import Stopwatch


class StageClock(Stopwatch):
    """The stages of a build, all of which it has."""

    def __init__(self) -> None:
        super().__init__("decode", "encode", "disk")

    @property
    def bottleneck(self) -> str:
        """The busiest stage: decode, encode or disk."""
        return max(self.seconds, key=lambda name: self.seconds[name])


class Observer(Protocol):
    """Whoever wants to see a build go on."""

    def step(self, name: str) -> None:
        """A step without a count begins, such as ``read annotations``."""
        ...

    def begin(self, total: int, done: int) -> None:
        """``total`` views are to be embedded, ``done`` of them were found done."""
        ...

    def advance(self, views: int, clock: StageClock) -> None:
        """``views`` more are done."""
        ...


class Silent:
    """Shows nothing."""

    def step(self, name: str) -> None:
        """Nothing."""

    def begin(self, total: int, done: int) -> None:
        """Nothing."""

    def advance(self, views: int, clock: StageClock) -> None:
        """Nothing."""


class Bar:
    """A rich progress bar with the time left and the bottleneck; a context manager."""

    def __init__(self, console: Console | None = None) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[bottleneck]}"),
            console=console,
        )
        self._task: TaskID | None = None
        self._start = 0.0
        self._done = 0

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def step(self, name: str) -> None:
        """Print the step above the bar."""
        self._progress.console.print(f"[dim]{name}[/dim]")

    def begin(self, total: int, done: int) -> None:
        """Show the bar."""
        self._start = time.perf_counter()
        self._task = self._progress.add_task(
            "embed views", total=total, completed=done, rate="", bottleneck=""
        )

    def advance(self, views: int, clock: StageClock) -> None:
        """Move the bar; name the stage that takes the most time."""
        assert self._task is not None
        self._done += views
        rate = self._done / max(time.perf_counter() - self._start, 1e-9)
        self._progress.update(
            self._task,
            advance=views,
            rate=f"{rate:.0f} views/s",
            bottleneck=f"bottleneck: {clock.bottleneck}",
        )
