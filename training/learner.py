"""The method as a LightningModule: batches in, optimiser and schedules per step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

# Before lightning: it reaches torchvision, which needs the cure in this module.
from training import torchvision_import  # noqa: F401  isort: skip
import lightning.pytorch as pl
from torch import nn
from torch.utils.data import DataLoader, Dataset

from training.augment import Augmenter
from training.dataset import TrainingData
from training.methods.objective import Step
from training.methods.simsiam import SimSiam
from training.model import Model
from training.recipes.schema import AugmentRecipe, OptimiseRecipe, Recipe
from training.schedule import warmup_cosine

Batch = dict[str, Any]


class EpochBatches(Dataset[Batch]):
    """The batches of one epoch in order; item k is this process's share of step k.

    ``views`` holds for each head its two or three batches (N, C, C, 3) uint8 of views that belong
    together; ``seed`` () int64 starts the augmentation. Everything follows from (seed, epoch, k,
    process).
    """

    def __init__(
        self, data: TrainingData, recipe: Recipe, epoch: int, rank: int = 0, world: int = 1
    ) -> None:
        self._data = data
        self._pairs = {name: data.pairs(name, epoch) for name in recipe.heads}
        self._count = min(len(pairs) for pairs in self._pairs.values())
        self._key = (recipe.run.seed, epoch, rank)
        self._rank, self._world = rank, world
        self._batch = min(recipe.optimise.batch_size, self._count) // world

    def __len__(self) -> int:
        return self._count // (self._batch * self._world)

    def __getitem__(self, step: int) -> Batch:
        if not 0 <= step < len(self):
            raise IndexError(step)
        start = (step * self._world + self._rank) * self._batch
        views = {
            name: tuple(
                torch.from_numpy(self._data.cache.rows(rows))
                for rows in pairs[start : start + self._batch].T
            )
            for name, pairs in self._pairs.items()
        }
        seed = np.random.SeedSequence((*self._key, step)).generate_state(1, np.uint64)[0]
        return {"views": views, "seed": torch.tensor(int(seed >> 1))}


class Learner(pl.LightningModule):
    """Trains a model on pairs, or triplets, of cached crops."""

    def __init__(self, recipe: Recipe, model: Model, data: TrainingData) -> None:
        super().__init__()
        self.recipe = recipe
        # Convolutions run on channels-last memory without copying it back and forth.
        self.model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.data = data
        self.augment = {
            name: Augmenter(augment_of(recipe, name), recipe.network.size) for name in recipe.heads
        }

    def train_dataloader(self) -> DataLoader[Batch]:
        """The batches of the current epoch; called anew for each."""
        batches = EpochBatches(
            self.data, self.recipe, self.current_epoch, self.global_rank, self.trainer.world_size
        )
        workers = 2 if self.device.type == "cuda" else 0
        return DataLoader(batches, batch_size=None, num_workers=workers, pin_memory=workers > 0)

    def training_step(self, batch: Batch, index: int) -> dict[str, Any]:
        """Augment on the device, pass all views, give the loss and every head's projections z₁."""
        generator = torch.Generator().manual_seed(int(batch["seed"]))
        views = {
            name: [
                view.contiguous(memory_format=torch.channels_last)
                for view in self.augment[name](crops, generator)
            ]
            for name, crops in batch["views"].items()
        }
        steps: dict[str, Step] = self.model(views)
        heads = self.recipe.heads
        loss = torch.stack([heads[name].weight * step.loss for name, step in steps.items()]).sum()
        return {"loss": loss, "z": {name: step.z.detach() for name, step in steps.items()}}

    def configure_optimizers(self) -> Any:
        """SGD with one schedule per parameter group, stepped every iteration."""
        optimise = self.recipe.optimise
        steps = self.data.steps_per_epoch(optimise.batch_size)
        span = optimise.schedule_epochs or optimise.epochs
        groups = parameter_groups(self.model, optimise)

        def scheduled(step: int) -> float:
            warmup, total = optimise.warmup_epochs * steps, span * steps
            return warmup_cosine(step, warmup, total, optimise.lr) / optimise.lr

        def constant(step: int) -> float:
            return 1.0

        optimizer = torch.optim.SGD(groups, lr=optimise.lr, momentum=optimise.momentum)
        factors: list[Callable[[int], float]] = [
            constant if group["constant_lr"] else scheduled for group in groups
        ]
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factors)
        return [optimizer], [{"scheduler": scheduler, "interval": "step"}]


def augment_of(recipe: Recipe, head: str) -> AugmentRecipe:
    """The augmentation of one head's views: the recipe's, with the head's own trust in colour."""
    own = {"hue": recipe.heads[head].hue, "gray": recipe.heads[head].gray}
    given = {name: value for name, value in own.items() if value is not None}
    return recipe.augment.model_copy(update=given)


def parameter_groups(model: Model, optimise: OptimiseRecipe) -> list[dict[str, Any]]:
    """Parameters by rate (the backbone's may be lower, the predictors' constant) and by decay."""
    objectives: list[Any] = list(model.objectives.values())
    projectors = nn.ModuleList(objective.projector for objective in objectives)
    predictors = nn.ModuleList(
        objective.predictor for objective in objectives if isinstance(objective, SimSiam)
    )
    groups: list[dict[str, Any]] = []
    parts: tuple[tuple[nn.Module, float, bool], ...] = (
        (model.encoder, optimise.backbone_lr, False),
        (projectors, 1.0, False),
        (predictors, 1.0, optimise.predictor_constant_lr),
    )
    for part, share, constant in parts:
        learning = [p for p in part.parameters() if p.requires_grad]
        # BatchNorm's parameters and all biases are vectors; weights have two or more dimensions.
        weights = [p for p in learning if p.ndim > 1]
        vectors = [p for p in learning if p.ndim <= 1]
        decay = optimise.weight_decay
        for parameters, strength in (
            (weights, decay),
            (vectors, decay if optimise.decay_bn_and_bias else 0.0),
        ):
            groups.append(
                {
                    "params": parameters,
                    "lr": share * optimise.lr,
                    "weight_decay": strength,
                    "constant_lr": constant,
                }
            )
    return groups
