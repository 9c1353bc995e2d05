"""Watching a run: has the network collapsed, and does a nearest neighbour already know things?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate, normalize

from training.networks import EncoderNetwork

COLLAPSED_BELOW = 0.25
"""Share of 1/√d under which an epoch counts as collapsed (ours; a healthy run stays near 1)."""


def output_std(z: Tensor) -> Tensor:
    """Standard deviation of the L2-normalised rows of ``z`` (N, d), the mean over dimensions.

    1/√d for rows spread evenly over the sphere, 0 for a constant output (Chen and He 2021, 4.1).
    """
    return normalize(z.detach().float(), dim=1).std(dim=0).mean()


@dataclass(frozen=True)
class Collapse:
    """One epoch's verdict: ``std`` against ``expected`` = 1/√d; ``ratio`` is their quotient."""

    std: float
    expected: float

    @property
    def ratio(self) -> float:
        """1 for evenly spread outputs, 0 for a constant output."""
        return self.std / self.expected

    @property
    def collapsed(self) -> bool:
        """Whether the ratio is below ``COLLAPSED_BELOW`` or not a number."""
        return not self.ratio >= COLLAPSED_BELOW


class CollapseMonitor:
    """Averages ``output_std`` over the steps of an epoch without waiting for the device."""

    def __init__(self) -> None:
        self._sum: Tensor | None = None
        self._steps = 0
        self._dim = 1

    def update(self, z: Tensor) -> None:
        """Add one batch of projections (N, d)."""
        std = output_std(z)
        self._sum = std if self._sum is None else self._sum + std
        self._steps += 1
        self._dim = z.shape[1]

    def finish(self) -> Collapse:
        """The verdict over everything since the last call."""
        std = math.nan if self._sum is None else float(self._sum) / self._steps
        self._sum, self._steps = None, 0
        return Collapse(std=std, expected=1.0 / math.sqrt(self._dim))


@dataclass(frozen=True)
class MonitoredViews:
    """What the nearest-neighbour score knows of N views.

    ``position`` is the place of a view in its sequence from 0 to 1; ``closed`` that the sequence
    is a ring, where 1 neighbours 0; ``is_query`` marks the views of held-out sequences.
    """

    categories: Sequence[str]
    instances: Sequence[str]
    sequences: Sequence[str]
    position: NDArray[np.float64]
    closed: NDArray[np.bool_]
    is_query: NDArray[np.bool_]


def neighbour_score(
    embeddings: NDArray[np.float32], views: MonitoredViews, apart: float = 0.1
) -> dict[str, float]:
    """Top-1 shares over the query views; ``embeddings`` is (N, d), L2-normalised.

    ``nn_category``: the nearest view of another instance has the query's category (the released
    code's val_accuracy in spirit). ``nn_instance``: the nearest view has the query's instance,
    leaving out views of its own sequence nearer than ``apart`` of its length (ours). A share over
    no queries, or one that could not fail for want of another category or instance, is left out.
    """
    rows = np.flatnonzero(views.is_query)
    category, instance, sequence = (
        np.unique(np.asarray(labels), return_inverse=True)[1]
        for labels in (views.categories, views.instances, views.sequences)
    )
    if not len(rows):
        return {}
    similarity = embeddings[rows] @ embeddings.T
    same_instance = instance[rows, None] == instance[None]
    distance = np.abs(views.position[rows, None] - views.position[None])
    distance = np.where(views.closed, np.minimum(distance, 1.0 - distance), distance)
    too_near = (sequence[rows, None] == sequence[None]) & (distance < apart)
    scores: dict[str, float] = {}
    for name, labels, excluded in (
        ("nn_category", category, same_instance),
        ("nn_instance", instance, too_near),
    ):
        right = labels[rows, None] == labels[None]
        answerable = (right & ~excluded).any(axis=1) & (~right & ~excluded).any(axis=1)
        if not answerable.any():
            continue
        nearest = np.where(excluded, -np.inf, similarity).argmax(axis=1)
        scores[name] = float((labels[nearest] == labels[rows])[answerable].mean())
    return scores


def embed_crops(
    network: EncoderNetwork, crops: NDArray[np.uint8], device: torch.device, batch: int = 128
) -> dict[str, NDArray[np.float32]]:
    """(N, C, C, 3) uint8 cached crops to (N, d) a head, L2-normalised and not whitened.

    Runs in eval mode and leaves the network in the mode it was in.
    """
    was_training = network.training
    network.eval()
    size = network.preprocessing.size
    parts: dict[str, list[NDArray[np.float32]]] = {name: [] for name in network.pools}
    with torch.no_grad():
        for start in range(0, len(crops), batch):
            part = torch.from_numpy(crops[start : start + batch]).to(device)
            images = part.permute(0, 3, 1, 2).float() / 255.0
            images = interpolate(images, (size, size), mode="bilinear", antialias=True)
            for name, y in network.pooled(network.normalise(images)).items():
                parts[name].append(normalize(y.float(), dim=1).cpu().numpy())
    network.train(was_training)
    return {name: np.concatenate(rows) for name, rows in parts.items()}
