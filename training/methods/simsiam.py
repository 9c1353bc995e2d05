"""SimSiam on frame pairs (Jean et al., equation 1; Chen and He 2021).

Symbols: f backbone with pooling, y = f(v); g projector, z = g(y); h predictor; v₁, v₂ the two
views of a pair; D(a, b) = −cos(a, b); the gradient of D's second argument is stopped.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from training.networks import EncoderNetwork


def simsiam_loss(h1: Tensor, h2: Tensor, z1: Tensor, z2: Tensor) -> Tensor:
    """½ D(h₁, sg z₂) + ½ D(h₂, sg z₁), the mean over the batch; each input is (N, d)."""
    first = cosine_similarity(h1.float(), z2.detach().float(), dim=1).mean()
    second = cosine_similarity(h2.float(), z1.detach().float(), dim=1).mean()
    return -0.5 * (first + second)


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


def predictor(width: int, hidden: int) -> nn.Sequential:
    """h: a bottleneck of ``hidden`` units (released code: 2048 → 512 → 2048)."""
    return nn.Sequential(
        nn.Linear(width, hidden),
        nn.BatchNorm1d(hidden),
        nn.ReLU(inplace=True),
        nn.Linear(hidden, width),
    )


class Step(NamedTuple):
    """What one forward pass of a pair gives: the loss (), projections z₁ and z₂ (N, d)."""

    loss: Tensor
    z1: Tensor
    z2: Tensor


class SimSiam(nn.Module):
    """The network under training: an encoder's network with one head, projector and predictor."""

    def __init__(self, encoder: EncoderNetwork, projector_dim: int, predictor_dim: int) -> None:
        super().__init__()
        (self.head,) = encoder.pools
        self.encoder = encoder
        self.projector = projector(encoder.heads[self.head].dim, projector_dim)
        self.predictor = predictor(projector_dim, predictor_dim)

    def forward(self, v1: Tensor, v2: Tensor) -> Step:
        """Two batches of views (N, 3, S, S) in [0, 1]; row i of both shows the same thing.

        Each batch passes on its own, so BatchNorm sees one side of the pairs at a time.
        """
        z1, z2 = (self.projector(self.embed(v)) for v in (v1, v2))
        return Step(simsiam_loss(self.predictor(z1), self.predictor(z2), z1, z2), z1, z2)

    def embed(self, views: Tensor) -> Tensor:
        """y (N, D): the pooled output of the backbone, which becomes the embedding."""
        return self.encoder.pooled(self.encoder.normalise(views))[self.head]
