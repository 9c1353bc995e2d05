"""Time-contrastive triplets of one video (Jean et al., Table 2; Sermanet et al. 2018).

Anchor and positive are near in time, the negative is another, farther frame of the same video.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import triplet_margin_loss

from training.methods.objective import Step, projector


class TimeContrastive(nn.Module):
    """max(0, ‖z_a − z_p‖ − ‖z_a − z_n‖ + margin), on projections that are not normalised.

    Euclidean distances, as the released code has them.
    """

    def __init__(self, dim: int, projector_dim: int, margin: float) -> None:
        super().__init__()
        self.margin = margin
        self.projector = projector(dim, projector_dim)

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Step:
        """(N, dim) embeddings of three views each."""
        z, near, far = (self.projector(y) for y in (anchor, positive, negative))
        loss = triplet_margin_loss(z.float(), near.float(), far.float(), margin=self.margin)
        return Step(loss, z)
