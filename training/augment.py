"""Augmentation of whole batches in tensor operations, every sample with its own draws.

One affine resampling makes crop and flip, one affine colour matrix per sample makes jitter and
greyscale, one separable filter makes the blur: no loop over samples, so that on two cores the
time goes into convolutions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, pad

from training.recipes.schema import AugmentRecipe

_LUMA = (0.299, 0.587, 0.114)
_TRIES = 10


@dataclass(frozen=True)
class PixelDraws:
    """What was drawn for one side of N pairs, on the CPU.

    ``box`` (N, 4) is x0, y0, width, height of the crop in [0, 1]; ``color`` (N, 4) the factors of
    brightness, contrast, saturation and the hue turn in radians, neutral where not applied;
    ``order`` (N, 4) in which these are applied; ``gray`` (N,) bool; ``sigma`` (N,) blur in pixels
    of the output, 0 for none.
    """

    box: Tensor
    color: Tensor
    order: Tensor
    gray: Tensor
    sigma: Tensor


class Augmenter:
    """Turns cached crops into the views of a pair or triplet.

    Pixel draws are independent between the sides, flips are shared (paper, section 3.5).
    """

    def __init__(self, recipe: AugmentRecipe, size: int) -> None:
        self.recipe = recipe
        self.size = size

    def __call__(self, crops: Sequence[Tensor], generator: torch.Generator) -> tuple[Tensor, ...]:
        """(N, C, C, 3) uint8 batches to as many (N, 3, S, S) float batches in [0, 1].

        All draws come from ``generator`` (on the CPU), whatever device the images are on.
        """
        count = len(crops[0])
        flip = torch.rand(count, generator=generator) < self.recipe.flip
        sides = [(side, self.draw(count, generator)) for side in crops]
        return tuple(self.apply(side, drawn, flip) for side, drawn in sides)

    def draw(self, count: int, generator: torch.Generator) -> PixelDraws:
        """Draw everything one side of ``count`` pairs needs."""
        recipe = self.recipe

        def uniform(low: float, high: float) -> Tensor:
            return low + (high - low) * torch.rand(count, generator=generator)

        factors = [
            uniform(max(0.0, 1.0 - strength), 1.0 + strength)
            for strength in (recipe.brightness, recipe.contrast, recipe.saturation)
        ]
        turn = uniform(-recipe.hue, recipe.hue) * 2.0 * math.pi
        jittered = uniform(0.0, 1.0)[:, None] < recipe.jitter
        neutral = torch.tensor([1.0, 1.0, 1.0, 0.0])
        blurred = uniform(0.0, 1.0) < recipe.blur
        low, high = (sigma * self.size / 224 for sigma in recipe.blur_sigma)
        return PixelDraws(
            box=draw_boxes(count, recipe.crop_scale, recipe.crop_ratio, generator),
            color=torch.where(jittered, torch.stack([*factors, turn], dim=1), neutral),
            order=torch.rand(count, 4, generator=generator).argsort(dim=1),
            gray=uniform(0.0, 1.0) < recipe.gray,
            sigma=torch.where(blurred, uniform(low, high), torch.zeros(count)),
        )

    def apply(self, crops: Tensor, draws: PixelDraws, flip: Tensor) -> Tensor:
        """(N, C, C, 3) uint8 to (N, 3, S, S) float in [0, 1] under given draws."""
        images = crops.permute(0, 3, 1, 2).float() / 255.0
        images = resample(images, draws.box, flip, self.size)
        images = recolor(images, draws.color, draws.order, draws.gray)
        if bool((draws.sigma > 0).any()):
            images = blur(images, draws.sigma)
        return images


def draw_boxes(
    count: int,
    scale: tuple[float, float],
    ratio: tuple[float, float],
    generator: torch.Generator,
) -> Tensor:
    """(N, 4) crops x0, y0, width, height of the unit square.

    Area uniform in ``scale``, aspect log-uniform in ``ratio``; the first of ten tries that fits,
    else the whole image (as torchvision's RandomResizedCrop on square images).
    """
    tries = torch.rand(2, count, _TRIES, generator=generator)
    area = scale[0] + (scale[1] - scale[0]) * tries[0]
    low, high = math.log(ratio[0]), math.log(ratio[1])
    aspect = torch.exp(low + (high - low) * tries[1])
    sides = torch.stack([(area * aspect).sqrt(), (area / aspect).sqrt()], dim=-1)
    fits = (sides <= 1.0).all(dim=-1)
    chosen = sides[torch.arange(count), fits.int().argmax(dim=1)]
    chosen = torch.where(fits.any(dim=1)[:, None], chosen, torch.ones(2))
    corner = (1.0 - chosen) * torch.rand(count, 2, generator=generator)
    return torch.cat([corner, chosen], dim=1)


def resample(images: Tensor, box: Tensor, flip: Tensor, size: int) -> Tensor:
    """Cut ``box`` (N, 4) out of (N, 3, C, C), mirror where ``flip``, scale to ``size`` bilinear."""
    theta = torch.zeros(len(images), 2, 3)
    theta[:, 0, 0] = torch.where(flip, -box[:, 2], box[:, 2])
    theta[:, 1, 1] = box[:, 3]
    theta[:, :, 2] = 2.0 * box[:, :2] + box[:, 2:] - 1.0
    grid = affine_grid(theta.to(images.device), [len(images), 3, size, size], align_corners=False)
    return grid_sample(images, grid, padding_mode="border", align_corners=False)


def recolor(images: Tensor, color: Tensor, order: Tensor, gray: Tensor) -> Tensor:
    """Brightness, contrast, saturation and hue in each sample's own order, then greyscale.

    Each is affine in RGB, so a sample's whole chain is one 3×3 matrix and one offset. Ours:
    values are clamped once at the end, not after every step, and hue turns about the grey axis.
    """
    count = len(images)
    mean = images.mean(dim=(2, 3)).float().cpu()
    luma = torch.tensor(_LUMA)
    identity = torch.eye(3).expand(count, 3, 3)
    to_gray = luma.expand(3, 3).expand(count, 3, 3)
    brightness, contrast, saturation, turn = (c[:, None, None] for c in color.unbind(dim=1))
    linear = torch.stack(
        [
            brightness * identity,
            contrast * identity,
            saturation * identity + (1.0 - saturation) * to_gray,
            _hue_rotation(turn),
        ],
        dim=1,
    )
    rows = torch.arange(count)
    matrix, offset = identity, torch.zeros(count, 3)
    for step in order.unbind(dim=1):
        chosen = linear[rows, step]
        level = ((matrix @ mean[:, :, None])[:, :, 0] + offset) @ luma
        lift = torch.where(step == 1, (1.0 - color[:, 1]) * level, torch.zeros(count))
        matrix = chosen @ matrix
        offset = (chosen @ offset[:, :, None])[:, :, 0] + lift[:, None]
    last = torch.where(gray[:, None, None], to_gray, identity)
    matrix, offset = last @ matrix, last @ offset[:, :, None]
    flat = torch.baddbmm(offset.to(images), matrix.to(images), images.flatten(2))
    return flat.clamp_(0.0, 1.0).view_as(images)


def _hue_rotation(turn: Tensor) -> Tensor:
    """(N, 3, 3) rotations of RGB about the grey axis by ``turn`` (N, 1, 1) radians (Rodrigues)."""
    s = 1.0 / math.sqrt(3.0)
    cross = torch.tensor([[0.0, -s, s], [s, 0.0, -s], [-s, s, 0.0]])
    along = torch.full((3, 3), 1.0 / 3.0)
    return torch.cos(turn) * (torch.eye(3) - along) + along + torch.sin(turn) * cross


def blur(images: Tensor, sigma: Tensor) -> Tensor:
    """Gaussian blur (N, 3, S, S) with each sample's ``sigma`` (N,) pixels; 0 leaves it alone.

    Kernels reach two of the largest sigma to each side; edges are mirrored.
    """
    chosen = (sigma > 0).nonzero()[:, 0]
    reach = max(1, math.ceil(2.0 * float(sigma.max())))
    offsets = torch.arange(-reach, reach + 1)
    weights = torch.exp(-0.5 * (offsets / sigma[chosen, None]) ** 2)
    weights = (weights / weights.sum(dim=1, keepdim=True)).to(images)
    chosen = chosen.to(images.device)
    part = images[chosen]
    for dim, border in ((2, (0, 0, reach, reach)), (3, (reach, reach, 0, 0))):
        padded = pad(part, border, mode="reflect")
        part = torch.zeros_like(part)
        for k in range(2 * reach + 1):
            shifted = padded.narrow(dim, k, images.shape[dim])
            part.addcmul_(weights[:, k, None, None, None], shifted)
    return images.index_copy(0, chosen, part)
