"""NT-Xent, the contrastive loss of SimCLR, on frame pairs (Jean et al., Table 2; Chen et al. 2020).

Of 2N projections each has one positive, the other view of its pair, and 2N − 2 negatives.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from training.methods.objective import Step, projector


def nt_xent_loss(z1: Tensor, z2: Tensor, temperature: float) -> Tensor:
    """Mean over 2N rows of −log(exp(s⁺/T) / Σ exp(s/T)), s being cosines; z₁, z₂ are (N, d).

    The sum leaves out the row itself and nothing else. The released code subtracts exp(1) for it
    in place of exp(1/T), so that most of the self-similarity stays in its denominator.
    """
    count = len(z1)
    z = normalize(torch.cat([z1, z2]).float(), dim=1)
    logits = (z @ z.T) / temperature
    logits = logits.masked_fill(torch.eye(2 * count, dtype=torch.bool, device=z.device), -torch.inf)
    positive = torch.arange(2 * count, device=z.device).roll(count)
    return cross_entropy(logits, positive)


class NTXent(nn.Module):
    """Pulls the views of a pair together and pushes those of all other pairs away."""

    def __init__(self, dim: int, projector_dim: int, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature
        self.projector = projector(dim, projector_dim)

    def forward(self, y1: Tensor, y2: Tensor) -> Step:
        """(N, dim) embeddings of two views each; row i of both shows the same thing."""
        z1, z2 = self.projector(y1), self.projector(y2)
        return Step(nt_xent_loss(z1, z2, self.temperature), z1)
