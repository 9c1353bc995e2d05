"""`posebank evaluate table2`: plan, carry out with progress, write the table, say what failed."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from index.evaluation.table2.display import markdown, show
from index.evaluation.table2.plan import BESIDE, Settings, TableRun
from index.evaluation.table2.runner import run_all
from index.evaluation.table2.summary import summarise
from training.appearing import appearing
from training.data.readers import open_reader


def check_data(settings: Settings) -> None:
    """Raises DataError, before hours of training, for a folder that no evaluation can use."""
    for split in ("train", "test"):
        next(open_reader(settings.root).sequences(split), None)
    for protocol, folder in settings.also:
        next(open_reader(folder, BESIDE[protocol]).sequences(), None)


def print_plan(runs: Sequence[TableRun], jobs: int) -> None:
    """Every run with its commands, and nothing done."""
    print(f"{len(runs)} runs, {jobs} at a time, {runs[0].settings.threads} threads each")
    for run in runs:
        print(f"\n{run.name}")
        for command in (run.train_command(), *map(run.evaluate_command, run.protocols)):
            print("  posebank " + shlex.join(command[1:]))


def make_table(runs: Sequence[TableRun], jobs: int, command: Sequence[str]) -> int:
    """Carry out the runs, write ``table2.json`` and ``table2.md``; the exit code."""
    progress = Progress(
        "runs",
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        "left",
        TimeRemainingColumn(),
        console=Console(stderr=True, soft_wrap=True),
        # Runs take minutes: the estimate is that of the runs so far, not of the last seconds.
        speed_estimate_period=1e9,
    )
    with progress:
        bar = progress.add_task("runs", total=len(runs))

        def finished(run: TableRun, reason: str | None) -> None:
            progress.advance(bar)
            progress.console.print(
                f"{run.name}: {'done' if reason is None else reason}", markup=False, highlight=False
            )

        failed = run_all(runs, jobs, finished)
    summary = summarise(runs, failed, command)
    out = runs[0].settings.out
    with appearing(out / "table2.json") as stream:
        stream.write((json.dumps(summary, indent=2, allow_nan=False) + "\n").encode())
    with appearing(out / "table2.md") as stream:
        stream.write(markdown(summary).encode())
    show(Console(), summary)
    print(f"written: {out / 'table2.json'}, {out / 'table2.md'}")
    return 1 if failed else 0
