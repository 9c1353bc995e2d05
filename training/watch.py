"""The callback that watches a run: collapse, nearest neighbours, one metrics line an epoch."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

# Before lightning: it reaches torchvision, which needs the cure in this module.
from training import torchvision_import  # noqa: F401  isort: skip
import lightning.pytorch as pl

from training.dataset import TrainingData
from training.monitor import Collapse, CollapseMonitor, embed_crops, neighbour_score
from training.recipes.schema import Recipe


@dataclass(frozen=True)
class EpochReport:
    """One epoch in numbers. ``epoch`` counts finished epochs: 0 is the untrained network.

    ``collapse_ratio`` is the output standard deviation over 1/√d, of the head that spreads least;
    ``scores`` those of ``monitor.neighbour_score``, under ``<head>.<score>`` where there are two
    heads; ``seconds`` of training so far, over all resumes; ``eta_s`` the
    seconds left at the pace since the last.
    """

    epoch: int
    epochs: int
    loss: float | None
    lr: float
    output_std: float | None
    collapse_ratio: float | None
    collapsed: bool
    scores: dict[str, float]
    seconds: float
    eta_s: float | None


class Watch(pl.Callback):
    """Reports every epoch and keeps the history a resumed run goes on with."""

    def __init__(
        self,
        recipe: Recipe,
        data: TrainingData,
        log: Path,
        report: Callable[[EpochReport], None],
        advance: Callable[[int, int, int], None],
    ) -> None:
        self._recipe = recipe
        self._data = data
        self._log = log
        self._report = report
        self._advance = advance
        self._monitors = {name: CollapseMonitor() for name in recipe.heads}
        self._history: list[dict[str, Any]] = []
        self._loss: Tensor | None = None
        self._steps = 0
        self._begun = 0.0
        self._done_before = 0
        self._seconds_before = 0.0

    def state_dict(self) -> dict[str, Any]:
        """The history, for the checkpoint."""
        return {"history": self._history}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up the history of a checkpoint."""
        self._history = list(state["history"])

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Score the untrained network, so that every later score has its baseline."""
        self._begun = time.monotonic()
        self._done_before = trainer.current_epoch
        self._seconds_before = self.seconds if self._history else 0.0
        if not self._history:
            self._add(trainer, module, epoch=0)
        if trainer.is_global_zero:
            lines = [_line(entry) for entry in self._history]
            self._log.write_text("".join(lines))

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        """Collect what the epoch's line needs without waiting for the device."""
        for name, z in outputs["z"].items():
            self._monitors[name].update(z)
        loss = outputs["loss"].detach().float()
        self._loss = loss if self._loss is None else self._loss + loss
        self._steps += 1
        if trainer.is_global_zero:
            self._advance(trainer.current_epoch, index + 1, int(trainer.num_training_batches))

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Judge the epoch; stop a collapsed run where the recipe asks for it."""
        entry = self._add(trainer, module, epoch=trainer.current_epoch + 1)
        if trainer.is_global_zero:
            with self._log.open("a") as stream:
                stream.write(_line(entry))
        # All processes must stop together, so the first one's verdict counts.
        collapsed = trainer.strategy.broadcast(entry["collapsed"])
        if collapsed and self._recipe.run.stop_on_collapse:
            trainer.should_stop = True

    @property
    def seconds(self) -> float:
        """Seconds of training behind the last epoch, those before a resume included."""
        return float(self._history[-1]["seconds"])

    def summary(self) -> dict[str, Any]:
        """What encoder.json says: first and last line, and which epochs had collapsed."""
        first, last = self._history[0], self._history[-1]
        return {
            "loss": last["loss"],
            "output_std": last["output_std"],
            "collapse_ratio": last["collapse_ratio"],
            "collapsed": last["collapsed"],
            "collapsed_epochs": [e["epoch"] for e in self._history if e["collapsed"]],
            "scores": last["scores"],
            "scores_untrained": first["scores"],
        }

    def _add(self, trainer: pl.Trainer, module: Any, epoch: int) -> dict[str, Any]:
        watched = self._data.watched
        scores: dict[str, float] = {}
        if trainer.is_global_zero and watched is not None:
            crops = self._data.cache.rows(watched.rows)
            embedded = embed_crops(module.model.encoder, crops, module.device)
            for head, embeddings in embedded.items():
                prefix = f"{head}." if len(embedded) > 1 else ""
                found = neighbour_score(embeddings, watched.views)
                scores |= {prefix + name: score for name, score in found.items()}
        verdict: Collapse | None = None
        if epoch:
            verdicts = [monitor.finish() for monitor in self._monitors.values()]
            verdict = min(verdicts, key=lambda one: -math.inf if one.collapsed else one.ratio)
        here = time.monotonic() - self._begun
        done = epoch - self._done_before
        line = EpochReport(
            epoch=epoch,
            epochs=self._recipe.optimise.epochs,
            loss=None if self._loss is None else float(self._loss) / self._steps,
            lr=trainer.optimizers[0].param_groups[0]["lr"],
            output_std=verdict.std if verdict else None,
            collapse_ratio=verdict.ratio if verdict else None,
            collapsed=bool(verdict and verdict.collapsed),
            scores=scores,
            seconds=round(self._seconds_before + here, 2),
            eta_s=here / done * (self._recipe.optimise.epochs - epoch) if done > 0 else None,
        )
        self._loss, self._steps = None, 0
        entry = asdict(line)
        self._history.append(entry)
        if trainer.is_global_zero:
            self._report(line)
        return entry


def _line(entry: dict[str, Any]) -> str:
    """One line of JSON, which knows no NaN: what a diverged run has for a loss becomes null."""
    known = {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in entry.items()
    }
    return json.dumps(known, allow_nan=False) + "\n"
