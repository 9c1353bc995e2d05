"""Backbones by name, and the network an encoder freezes: crops in, named embeddings out."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping
from copy import deepcopy
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize, relu

from training.artifact import HeadInfo, Preprocessing
from training.errors import RecipeError
from training.imagenet import load_imagenet

_NARROW = re.compile(r"resnet(10|18)_w([1-9]\d{0,3})")
_TORCHVISION = ("resnet", "resnext", "wide_resnet", "squeezenet")
_BLOCKS = {"10": (1, 1, 1, 1), "18": (2, 2, 2, 2)}


def backbone_names() -> list[str]:
    """Every ResNet and SqueezeNet of torchvision, besides ``resnet10_w<n>``, ``resnet18_w<n>``."""
    from training.torchvision_import import models

    return [
        name
        for name in models.list_models(module=models)
        if name.startswith(_TORCHVISION) and not name.startswith("resnet_")
    ]


class BasicBlock(nn.Module):
    """Two 3×3 convolutions with a shortcut (He et al. 2016, figure 2)."""

    def __init__(self, width_in: int, width_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width_in, width_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width_out)
        self.conv2 = nn.Conv2d(width_out, width_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width_out)
        self.shortcut = nn.Sequential()
        if stride != 1 or width_in != width_out:
            self.shortcut = nn.Sequential(
                nn.Conv2d(width_in, width_out, 1, stride, bias=False), nn.BatchNorm2d(width_out)
            )

    def forward(self, x: Tensor) -> Tensor:
        """(N, width_in, H, W) to (N, width_out, H / stride, W / stride)."""
        y = relu(self.bn1(self.conv1(x)))
        return relu(self.bn2(self.conv2(y)) + self.shortcut(x))


def narrow_resnet(width: int, blocks: tuple[int, ...]) -> nn.Sequential:
    """A ResNet for small crops on few cores (ours): widths ``width`` × 1, 2, 4, 8.

    The stem is one 3×3 convolution of stride 2 without max pooling, so that a 64-pixel crop
    still has a 4×4 map at the end.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["conv1"] = nn.Conv2d(3, width, 3, 2, 1, bias=False)
    layers["bn1"] = nn.BatchNorm2d(width)
    layers["relu"] = nn.ReLU(inplace=True)
    width_in = width
    for stage, count in enumerate(blocks):
        width_out = width << stage
        units = [BasicBlock(width_in, width_out, stride=2 if stage else 1)]
        units += [BasicBlock(width_out, width_out, stride=1) for _ in range(count - 1)]
        layers[f"layer{stage + 1}"] = nn.Sequential(*units)
        width_in = width_out
    for module in layers.values():
        for layer in module.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(layers)


def build_backbone(name: str, init: str = "random") -> nn.Sequential:
    """The convolutional part of a network, stage by stage: (N, 3, H, W) float to (N, C, h, w).

    h = H / 32 for ResNets, about H / 17 for SqueezeNet. ``init`` is ``random`` or ``imagenet``:
    the weights of ``training.imagenet``. Raises RecipeError for an unknown name or weights that
    cannot be had.
    """
    if narrow := _NARROW.fullmatch(name):
        if init == "imagenet":
            raise RecipeError(
                f"There are no ImageNet weights for {name}.",
                "Use init = 'random', or a torchvision backbone such as resnet18.",
            )
        return narrow_resnet(int(narrow[2]), _BLOCKS[narrow[1]])
    from training.torchvision_import import models

    known = backbone_names()
    if name not in known:
        raise RecipeError(
            f"Unknown backbone {name!r}.",
            f"Use resnet10_w<width>, resnet18_w<width>, or one of {', '.join(known)}.",
        )
    model = models.get_model(name, weights=None)
    if init == "imagenet":
        load_imagenet(name, model)
    if name.startswith("squeezenet"):
        return model.features
    # Everything but the average pooling and the classifier.
    return nn.Sequential(OrderedDict(list(model.named_children())[:-2]))


def grid_pool(features: Tensor, cells: int) -> Tensor:
    """Average over a ``cells`` × ``cells`` grid: (N, C, H, W) to (N, C·cells²).

    Cell i averages rows floor(i·H/cells) to ceil((i+1)·H/cells), as adaptive pooling does, written
    as two matrix products so that it exports for any map size. 1 is the paper's global average.
    """
    if cells == 1:
        return features.mean(dim=(2, 3))
    rows = _averaging(features.shape[2], cells).to(features)
    columns = _averaging(features.shape[3], cells).to(features)
    return (rows @ features @ columns.T).flatten(1)


def _averaging(length: int, cells: int) -> Tensor:
    """(cells, length) matrix whose rows average the positions of their cell."""
    matrix = torch.zeros(cells, length)
    for cell in range(cells):
        first, end = cell * length // cells, -(-(cell + 1) * length // cells)
        matrix[cell, first:end] = 1.0 / (end - first)
    return matrix


class EncoderNetwork(nn.Module):
    """Backbone, pooling, L2 normalisation and, if fitted, whitening: what an encoder freezes.

    A head may leave out the backbone's last ``skip_stages``: deep maps forget where things are.
    With ``own_stages`` the last so many stages of those that all heads use exist once a head,
    begun alike: what one head must know and the other must forget then needs no room in the same
    channels (both ours). Stages are computed once where heads share them.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        backbone: str,
        pools: Mapping[str, int],
        preprocessing: Preprocessing,
        init: str = "random",
        own_stages: int = 0,
        skip_stages: Mapping[str, int] | None = None,
    ) -> None:
        """``pools`` names the heads and gives each its pooling grid; ``skip_stages`` likewise.

        Raises RecipeError for an unknown backbone or more stages than it has.
        """
        super().__init__()
        self.backbone_name = backbone
        self.own_stages = own_stages
        self.pools = dict(pools)
        self.skip_stages = {name: (skip_stages or {}).get(name, 0) for name in self.pools}
        self.preprocessing = preprocessing
        stages = list(build_backbone(backbone, init).named_children())
        depth = {name: len(stages) - skip for name, skip in self.skip_stages.items()}
        shared = min(depth.values()) - own_stages
        if shared < 1:
            raise RecipeError(
                f"own_stages = {own_stages} and skip_stages = {max(self.skip_stages.values())}, "
                f"but {backbone} has {len(stages)} stages.",
                "Leave the heads at least one in common.",
            )
        self.backbone = nn.Sequential(OrderedDict(stages[:shared]))
        self._frozen = 0
        self.branches = nn.ModuleDict(
            {
                name: nn.Sequential(OrderedDict(deepcopy(stages[shared:end])))
                for name, end in depth.items()
                if end > shared
            }
        )
        self.channels = {name: self._channels(name) for name in self.pools}
        for name in ("mean", "std"):
            values = torch.tensor(getattr(preprocessing, name)).view(3, 1, 1)
            self.register_buffer(name, values, persistent=False)

        self.whitening = nn.ModuleDict()

    @property
    def heads(self) -> dict[str, HeadInfo]:
        """Every head by name with its dimension and pooling grid."""
        return {
            name: HeadInfo(
                dim=self.whitening[name].out_features  # type: ignore[arg-type]
                if name in self.whitening
                else self.pooled_dim(name),
                pool=pool,
                skip_stages=self.skip_stages[name],
                whitened=name in self.whitening,
            )
            for name, pool in self.pools.items()
        }

    def pooled_dim(self, head: str) -> int:
        """The dimension of a head before whitening: channels · pool²."""
        return self.channels[head] * self.pools[head] ** 2

    def whiten(self, head: str, weight: Tensor, bias: Tensor) -> None:
        """Put ``weight`` (d, D) and ``bias`` (d,) between a head's L2-normalised y and its end."""
        dim, width = weight.shape
        linear = nn.Linear(width, dim)
        with torch.no_grad():
            linear.weight.copy_(weight)
            linear.bias.copy_(bias)
        self.whitening[head] = linear.requires_grad_(False)

    def freeze(self, stages: int) -> None:
        """Keep the first ``stages`` of those that all heads share as they are: no gradient, and
        BatchNorm with the statistics it came with. Raises RecipeError for more than are shared.
        """
        if stages > len(self.backbone):
            raise RecipeError(
                f"frozen_stages = {stages}, but the heads share {len(self.backbone)} stages of "
                f"{self.backbone_name}.",
                f"Use {len(self.backbone)} at most.",
            )
        self._frozen = stages
        self.backbone[:stages].requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        """As ``nn.Module.train``, but for the frozen stages, which stay as in evaluation."""
        super().train(mode)
        self.backbone[: self._frozen].eval()
        return self

    def normalise(self, images: Tensor) -> Tensor:
        """(N, 3, S, S) RGB in [0, 1] to the backbone's input range."""
        return (images - self.mean) / self.std

    def pooled(self, inputs: Tensor) -> dict[str, Tensor]:
        """The paper's y per head, not normalised: (N, 3, S, S) inputs to (N, dim) each."""
        features = self.backbone(inputs)
        return {name: self._head(features, name) for name in self.pools}

    def pooled_head(self, inputs: Tensor, head: str) -> Tensor:
        """y of one head alone, as ``pooled`` gives it: (N, 3, S, S) to (N, dim)."""
        return self._head(self.backbone(inputs), head)

    def _head(self, features: Tensor, head: str) -> Tensor:
        return grid_pool(self._branch(features, head), self.pools[head])

    def _branch(self, features: Tensor, head: str) -> Tensor:
        return self.branches[head](features) if head in self.branches else features

    def _channels(self, head: str) -> int:
        was_training = self.training
        self.eval()
        with torch.no_grad():
            channels = self._branch(self.backbone(torch.zeros(1, 3, 64, 64)), head).shape[1]
        self.train(was_training)
        return int(channels)

    def forward(self, crops: Tensor) -> tuple[Tensor, ...]:
        """(N, S, S, 3) uint8 RGB to one (N, dim) L2-normalised float32 per head, in their order."""
        images = crops.permute(0, 3, 1, 2).to(torch.float32) / 255.0
        outputs = []
        for name, pooled in self.pooled(self.normalise(images)).items():
            y = normalize(pooled, dim=1)
            if name in self.whitening:
                y = normalize(self.whitening[name](y), dim=1)
            outputs.append(y)
        return tuple(outputs)
