"""One training as a user sees it in a terminal: what was read, progress with ETA, the result."""

from __future__ import annotations

import os
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from training.artifact import read_info
from training.dataset import Loaded, Source, TrainingData, load_source
from training.recipes.schema import Recipe
from training.trainer import Run, TrainingStoppedError, train
from training.watch import EpochReport

SIGTERM_EXIT = 143


def run_training(recipe: Recipe, sources: list[Source], out: Path, resume: bool) -> int:
    """Read, cut, train and export, printing as it goes; the exit code of the process.

    Raises PosebankError for what cannot be done.
    """
    first = int(os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0"))) == 0
    console = Console(quiet=not first, highlight=False, soft_wrap=True)
    run = Run(out)
    if first:  # the other processes of a run start after the first has opened it
        run.open(recipe, resume)
        if resume and run.finished(recipe):
            console.print(f"This training is complete: {out / 'encoder'}")
            return 0
    loaded = []
    for source in sources:
        loaded.append(load_source(source, recipe.data.fps))
        _print_source(console, loaded[-1])
    with _progress(console) as bar:
        crops = bar.add_task("crops", total=None)
        data = TrainingData(
            loaded,
            recipe,
            out / "cache",
            lambda done, total: bar.update(crops, completed=done, total=total),
            replace=not run.begun,
        )
    _print_data(console, data)
    with _progress(console) as bar:
        steps = bar.add_task("training", total=None)

        def advance(epoch: int, step: int, of: int) -> None:
            bar.update(steps, completed=epoch * of + step, total=recipe.optimise.epochs * of)

        try:
            encoder = train(recipe, data, out, resume, lambda e: _print_epoch(console, e), advance)
        except TrainingStoppedError:
            console.print("Stopped. Give the same command with --resume to go on.")
            return SIGTERM_EXIT
    if first:
        _print_result(console, encoder)
    return 0


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )


def _print_source(console: Console, source: Loaded) -> None:
    views = sum(len(sequence.views) for sequence in source.sequences)
    console.print(f"{source.dataset}: {len(source.sequences)} sequences, {views} views")
    for skipped in source.report.skipped:
        console.print(f"  skipped {skipped.sequence}: {skipped.reason}")
    for note in source.report.notes:
        console.print(f"  note: {note}")


def _print_data(console: Console, data: TrainingData) -> None:
    facts = data.describe()
    console.print(
        f"{facts['pairs']} pairs an epoch and head, {facts['crops']} crops, "
        f"{facts['heldout_sequences']} sequences held out"
    )
    if facts["crops_failed"]:
        reason = next(iter(data.cache.failed.values()))
        console.print(f"  {facts['crops_failed']} crops left out; the first: {reason}")


def _print_epoch(console: Console, epoch: EpochReport) -> None:
    parts = [f"epoch {epoch.epoch}/{epoch.epochs}"]
    if epoch.loss is not None and epoch.collapse_ratio is not None:
        parts += [f"loss {epoch.loss:.4f}", f"spread {epoch.collapse_ratio:.2f} of 1/√d"]
    parts += [f"{name} {value:.3f}" for name, value in epoch.scores.items()]
    if epoch.eta_s is not None:
        parts.append(f"{epoch.eta_s / 60:.1f} min left")
    console.print(" · ".join(parts))
    if epoch.collapsed:
        console.print(
            "  warning: the network has collapsed, all its outputs are alike. Lower optimise.lr, "
            "enlarge optimise.batch_size, or see docs/training.md."
        )


def _print_result(console: Console, folder: Path) -> None:
    info = read_info(folder)
    heads = ", ".join(f"{name} ({head.dim})" for name, head in info.heads.items())
    console.print(f"Encoder {info.identity[:12]} with head {heads}: {folder}")
    if info.metrics.get("collapsed"):
        console.print("warning: it ended collapsed; its embeddings say nothing.")
