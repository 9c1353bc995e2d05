"""The network under training: an encoder's network and, for each head, the method it learns by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from training.artifact import Preprocessing
from training.errors import RecipeError
from training.methods.nt_xent import NTXent
from training.methods.objective import Step
from training.methods.simsiam import SimSiam
from training.methods.tcn import TimeContrastive
from training.networks import EncoderNetwork
from training.recipes.schema import HeadRecipe, NetworkRecipe, Recipe

NARROWEST = 8
"""Input channels of a shortcut. For fewer, the gradient of a strided 1 × 1 convolution is written
past its end by torch 2.13 (oneDNN 3.12) on CPUs with AVX2 and without AVX-512: the heap breaks."""


class Model(nn.Module):
    """Batches of views in, one ``Step`` a head out; the objectives are dropped after training."""

    def __init__(self, encoder: EncoderNetwork, recipe: Recipe) -> None:
        super().__init__()
        self.encoder = encoder
        self.objectives = nn.ModuleDict(
            {
                name: _objective(head, recipe.network, encoder.pooled_dim(name))
                for name, head in recipe.heads.items()
            }
        )

    def forward(self, views: Mapping[str, Sequence[Tensor]]) -> dict[str, Step]:
        """Two or three batches (N, 3, S, S) in [0, 1] a head; rows i belong together.

        Each batch passes on its own, so BatchNorm sees one side of the pairs at a time.
        """
        return {
            head: self.objectives[head](*(self.embed(batch, head) for batch in batches))
            for head, batches in views.items()
        }

    def embed(self, views: Tensor, head: str) -> Tensor:
        """y (N, D): the pooled output of the backbone, which becomes the embedding."""
        return self.encoder.pooled_head(self.encoder.normalise(views), head)


def build_model(recipe: Recipe) -> Model:
    """The untrained model of a recipe.

    Raises RecipeError for a backbone that cannot be had or is too narrow to be trained.
    """
    network = EncoderNetwork(
        recipe.network.backbone,
        {name: head.pool_grid for name, head in recipe.heads.items()},
        Preprocessing(size=recipe.network.size, margin=recipe.data.margin),
        recipe.network.init,
        recipe.network.own_stages,
        {name: head.skip_stages for name, head in recipe.heads.items()},
    )
    narrowest = min(_shortcut_widths(network), default=NARROWEST)
    if narrowest < NARROWEST:
        raise RecipeError(
            f"network.backbone = {recipe.network.backbone!r} has shortcuts of {narrowest} channels;"
            f" training needs {NARROWEST} or more.",
            f"Set it to resnet10_w{NARROWEST} or a wider one.",
        )
    network.freeze(recipe.network.frozen_stages)
    return Model(network, recipe)


def _shortcut_widths(network: nn.Module) -> list[int]:
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    return [m.in_channels for m in layers if m.kernel_size == (1, 1) and m.stride != (1, 1)]


def _objective(head: HeadRecipe, network: NetworkRecipe, dim: int) -> nn.Module:
    if head.method == "nt-xent":
        return NTXent(dim, network.projector_dim, head.temperature)
    if head.method == "tcn":
        return TimeContrastive(dim, network.projector_dim, head.triplet_margin)
    return SimSiam(dim, network.projector_dim, network.predictor_dim)
