"""What every method on frame pairs shares: the projector, and what one training step gives."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn


class Step(NamedTuple):
    """What one forward pass gives: the loss (), and z₁ (N, d) of the first views."""

    loss: Tensor
    z: Tensor


def projector(width_in: int, width: int) -> nn.Sequential:
    """g: three linear layers with BatchNorm, ReLU after the first two (released code)."""
    return nn.Sequential(
        nn.Linear(width_in, width),
        nn.BatchNorm1d(width),
        nn.ReLU(inplace=True),
        nn.Linear(width, width),
        nn.BatchNorm1d(width),
        nn.ReLU(inplace=True),
        nn.Linear(width, width),
        nn.BatchNorm1d(width),
    )
