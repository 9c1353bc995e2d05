"""SimSiam on frame pairs (Jean et al., equation 1; Chen and He 2021).

Symbols: f backbone with pooling, y = f(v); g projector, z = g(y); h predictor; v₁, v₂ the two
views of a pair; D(a, b) = −cos(a, b); the gradient of D's second argument is stopped.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from training.methods.objective import Step, projector


def simsiam_loss(h1: Tensor, h2: Tensor, z1: Tensor, z2: Tensor) -> Tensor:
    """½ D(h₁, sg z₂) + ½ D(h₂, sg z₁), the mean over the batch; each input is (N, d)."""
    first = cosine_similarity(h1.float(), z2.detach().float(), dim=1).mean()
    second = cosine_similarity(h2.float(), z1.detach().float(), dim=1).mean()
    return -0.5 * (first + second)


def predictor(width: int, hidden: int) -> nn.Sequential:
    """h: a bottleneck of ``hidden`` units (released code: 2048 → 512 → 2048)."""
    return nn.Sequential(
        nn.Linear(width, hidden),
        nn.BatchNorm1d(hidden),
        nn.ReLU(inplace=True),
        nn.Linear(hidden, width),
    )


class SimSiam(nn.Module):
    """Pulls the two views of a pair together by way of a predictor; needs no negatives."""

    def __init__(self, dim: int, projector_dim: int, predictor_dim: int) -> None:
        super().__init__()
        self.projector = projector(dim, projector_dim)
        self.predictor = predictor(projector_dim, predictor_dim)

    def forward(self, y1: Tensor, y2: Tensor) -> Step:
        """(N, dim) embeddings of two views each; row i of both shows the same thing."""
        z1, z2 = self.projector(y1), self.projector(y2)
        return Step(simsiam_loss(self.predictor(z1), self.predictor(z2), z1, z2), z1)
