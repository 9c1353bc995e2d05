"""The training loop: records to crops, crops to pairs, pairs to a frozen encoder.

A run folder holds ``recipe.json`` (what is trained), ``cache/`` (crops), ``checkpoints/``,
``metrics.jsonl`` (one line an epoch) and, at the end, ``encoder/``. Data order and augmentation
are functions of (seed, epoch, step) alone, so a run that was killed and resumed goes on as if it
had never stopped.
"""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

# Before lightning: it reaches torchvision, which needs the cure in this module.
from training import torchvision_import  # noqa: F401  isort: skip
import lightning.pytorch as pl
from lightning.pytorch.callbacks import ModelCheckpoint

from training.appearing import appearing
from training.artifact import INFO_FILE, EncoderInfo
from training.dataset import TrainingData
from training.errors import RecipeError
from training.export import export_encoder
from training.imagenet import imagenet_source
from training.learner import Learner
from training.model import build_model
from training.monitor import embed_crops
from training.networks import EncoderNetwork
from training.recipes.schema import Recipe
from training.watch import EpochReport, Watch
from training.whitening import fit_whitening

Report = Callable[[EpochReport], None]
Advance = Callable[[int, int, int], None]

WHITENING_CROPS = 20_000
"""Training crops that whitening is fitted on at most: ten or more for each of its numbers."""


class TrainingStoppedError(Exception):
    """The run was asked to stop (SIGTERM, Ctrl-C); its last checkpoint is complete."""


@dataclass(frozen=True)
class Run:
    """Where a run lives on disk."""

    folder: Path

    def checkpoint(self) -> Path | None:
        """The newest checkpoint that can be read, or None."""
        for path in sorted((self.folder / "checkpoints").glob("epoch-*.ckpt"), reverse=True):
            # Read apart from parsing: a disk that cannot be read now is no reason to delete.
            content = io.BytesIO(path.read_bytes())
            try:
                torch.load(content, map_location="cpu", weights_only=True)
            except (OSError, RuntimeError, EOFError, ValueError, UnpicklingError):
                path.unlink(missing_ok=True)  # cut off when the machine went down
                continue
            return path
        return None

    @property
    def begun(self) -> bool:
        """Whether an epoch was finished: before that there is nothing to go on with."""
        return any((self.folder / "checkpoints").glob("epoch-*.ckpt"))

    def finished(self, recipe: Recipe) -> bool:
        """Whether all epochs ran and the encoder was written."""
        if not recipe.optimise.epochs:
            return (self.folder / "encoder" / INFO_FILE).exists()
        last = self.folder / "checkpoints" / f"epoch-{recipe.optimise.epochs - 1:04d}.ckpt"
        return last.exists() and (self.folder / "encoder" / INFO_FILE).exists()

    def open(self, recipe: Recipe, resume: bool) -> None:
        """Create the folder, or check that it holds the same training. Raises RecipeError."""
        path = self.folder / "recipe.json"
        wanted = recipe.model_dump(mode="json")
        if not self.begun:
            self.folder.mkdir(parents=True, exist_ok=True)
            with appearing(path) as stream:
                stream.write((json.dumps(wanted, indent=2) + "\n").encode())
            return
        if not resume:
            raise RecipeError(
                f"{self.folder} already holds a training.",
                "Add --resume to go on with it, or name another --out.",
            )
        held = json.loads(path.read_bytes())
        for section, value in wanted.items():
            if section != "run" and held.get(section) != value:
                raise RecipeError(
                    f"{self.folder} was begun with another {section}: {held.get(section)}.",
                    "Resume with the same recipe and --set values, or name another --out.",
                )


def train(
    recipe: Recipe,
    data: TrainingData,
    out: Path,
    resume: bool = False,
    report: Report = lambda epoch: None,
    advance: Advance = lambda epoch, step, steps: None,
) -> Path:
    """Train ``recipe`` on ``data`` and return the encoder folder ``out/encoder``.

    ``report`` hears of every epoch, ``advance`` of every step (epoch from 0, steps done, steps
    an epoch). Only the first of several processes exports. Raises RecipeError for what cannot be
    trained, TrainingStoppedError when asked to stop.
    """
    run = Run(out)
    torch.manual_seed(recipe.run.seed)
    if recipe.run.threads:
        torch.set_num_threads(recipe.run.threads)
    model = build_model(recipe)
    if not recipe.optimise.epochs:
        return _export(recipe, data, model.encoder, out, _story(recipe, data), {})
    learner = Learner(recipe, model, data)
    watch = Watch(recipe, data, out / "metrics.jsonl", report, advance)
    trainer = _trainer(recipe, out, watch)
    try:
        with warnings.catch_warnings():
            # Advice about workers and intervals that does not fit batches made in memory.
            warnings.filterwarnings("ignore", module="lightning")
            begin = run.checkpoint() if resume else None
            trainer.fit(learner, ckpt_path=begin, weights_only=True)
    except SystemExit as error:  # lightning's answer to SIGTERM and to Ctrl-C
        raise TrainingStoppedError from error
    if not trainer.is_global_zero:
        return out / "encoder"
    story = _story(recipe, data) | {
        "epochs": trainer.current_epoch,
        "steps": trainer.global_step,
        "processes": trainer.world_size,
        "precision": str(trainer.precision),
        "device": trainer.strategy.root_device.type,
        "seconds": watch.seconds,
    }
    return _export(recipe, data, model.encoder, out, story, watch.summary())


def _export(
    recipe: Recipe,
    data: TrainingData,
    network: EncoderNetwork,
    out: Path,
    story: dict[str, Any],
    metrics: dict[str, Any],
) -> Path:
    _whiten(network, recipe, data)
    info = EncoderInfo(
        method=recipe.method,
        recipe=recipe.name,
        backbone=network.backbone_name,
        heads=network.heads,
        preprocessing=network.preprocessing,
        training=story,
        metrics=metrics,
    )
    export_encoder(network, out / "encoder", info)
    return out / "encoder"


def _whiten(network: EncoderNetwork, recipe: Recipe, data: TrainingData) -> None:
    wanted = {name: head for name, head in recipe.heads.items() if head.whiten is not None}
    if wanted:
        rows = data.sample_rows(WHITENING_CROPS)
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        embeddings = embed_crops(network.to(device), data.cache.rows(rows), device)
        for name, head in wanted.items():
            fitted = fit_whitening(embeddings[name], head.whiten or 0, head.whiten_power)
            network.cpu().whiten(name, *map(torch.from_numpy, fitted))
    network.cpu()


def _trainer(recipe: Recipe, out: Path, watch: Watch) -> pl.Trainer:
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    cuda = torch.cuda.is_available()
    devices = recipe.run.devices or (torch.cuda.device_count() if cuda else 1)
    if recipe.optimise.batch_size < 2 * devices:
        raise RecipeError(
            f"optimise.batch_size = {recipe.optimise.batch_size} leaves each of {devices} "
            "processes less than the 2 pairs that BatchNorm needs.",
            f"Set it to {2 * devices} or more, or run.devices lower.",
        )
    checkpoints = ModelCheckpoint(
        dirpath=out / "checkpoints",
        filename="epoch-{epoch:04d}",
        auto_insert_metric_name=False,
        monitor="epoch",
        mode="max",
        save_top_k=2,  # one to fall back on
        save_on_train_epoch_end=True,
    )
    return pl.Trainer(
        accelerator="gpu" if cuda else "cpu",
        devices=devices,
        strategy="ddp" if devices > 1 else "auto",
        sync_batchnorm=cuda and devices > 1,
        precision=_precision(recipe.run.precision),
        max_epochs=recipe.optimise.epochs,
        reload_dataloaders_every_n_epochs=1,
        use_distributed_sampler=False,
        callbacks=[watch, checkpoints],
        default_root_dir=out,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def _precision(wanted: str) -> Any:
    if wanted != "auto":
        return wanted
    if not torch.cuda.is_available():
        return "32-true"
    return "bf16-mixed" if torch.cuda.is_bf16_supported() else "16-mixed"


def _story(recipe: Recipe, data: TrainingData) -> dict[str, Any]:
    """What encoder.json says about every encoder, trained or frozen; no paths."""
    network = recipe.network
    begun = {"weights": imagenet_source(network.backbone)} if network.init == "imagenet" else {}
    return {
        "seed": recipe.run.seed,
        "recipe": recipe.model_dump(mode="json"),
        **begun,
        "data": data.describe(),
        "epochs": 0,
        "torch": torch.__version__,
    }
