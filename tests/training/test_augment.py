"""Augmentation: what the two views share, what they do not, and each step against a plain one."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest
import torch
from torch import Tensor

from training.augment import Augmenter, blur, draw_boxes, recolor, resample
from training.recipes.schema import AugmentRecipe

NOTHING = AugmentRecipe(
    crop_scale=(1.0, 1.0), crop_ratio=(1.0, 1.0), jitter=0.0, gray=0.0, blur=0.0, flip=0.0
)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(count: int, size: int = 16) -> Tensor:
    return torch.rand(count, 3, size, size, generator=generator(5))


def crops(count: int, size: int = 16) -> Tensor:
    return torch.randint(0, 256, (count, size, size, 3), generator=generator(6), dtype=torch.uint8)


def test_no_augmentation_gives_the_crop_back() -> None:
    batch = crops(4)
    first, second = Augmenter(NOTHING, 16)((batch, batch), generator())
    expected = batch.permute(0, 3, 1, 2) / 255.0
    torch.testing.assert_close(first, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(second, expected, atol=1e-5, rtol=0)


def test_flips_are_shared_by_a_pair() -> None:
    batch = crops(64)
    augment = Augmenter(NOTHING.model_copy(update={"flip": 0.5}), 16)
    first, second = augment((batch, batch), generator())
    torch.testing.assert_close(first, second)
    straight = batch.permute(0, 3, 1, 2) / 255.0
    flipped = [(a - b).abs().max() > 0.01 for a, b in zip(first, straight, strict=True)]
    assert 16 < sum(flipped) < 48
    for image, original, turned in zip(first, straight, flipped, strict=True):
        expected = original.flip(2) if turned else original
        torch.testing.assert_close(image, expected, atol=1e-5, rtol=0)


def test_pixel_draws_are_independent_between_the_views() -> None:
    batch = crops(32)
    first, second = Augmenter(AugmentRecipe(jitter=1.0), 16)((batch, batch), generator())
    different = (first - second).abs().amax(dim=(1, 2, 3)) > 0.01
    assert different.all()
    recipe = AugmentRecipe()
    augment = Augmenter(recipe, 16)
    random = generator(1)
    a, b = augment.draw(4000, random), augment.draw(4000, random)
    for name in ("box", "color"):
        x, y = getattr(a, name)[:, 0].numpy(), getattr(b, name)[:, 0].numpy()
        assert abs(np.corrcoef(x, y)[0, 1]) < 0.06
    both_gray = float((a.gray & b.gray).float().mean())
    assert both_gray == pytest.approx(recipe.gray**2, abs=0.02)


def test_equal_seeds_give_equal_views() -> None:
    batch = crops(8)
    augment = Augmenter(AugmentRecipe(), 16)
    once, again = (augment((batch, batch), generator(9)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(once, again, strict=True))


def test_boxes_lie_inside_with_the_asked_area_and_aspect() -> None:
    box = draw_boxes(2000, (0.2, 1.0), (0.75, 4 / 3), generator())
    assert float(box.min()) >= 0
    assert float((box[:, :2] + box[:, 2:]).max()) <= 1 + 1e-6
    area = box[:, 2] * box[:, 3]
    aspect = box[:, 2] / box[:, 3]
    assert float(area.min()) + 1e-6 >= 0.2
    assert float(aspect.min()) >= 0.75 - 1e-5
    assert float(aspect.max()) <= 4 / 3 + 1e-5
    assert 0.5 < float(area.mean()) < 0.62  # uniform, less the large ones that do not fit


def test_resampling_cuts_the_box() -> None:
    batch = images(1)
    box = torch.tensor([[0.25, 0.5, 0.5, 0.5]])
    found = resample(batch, box, torch.tensor([False]), 8)
    torch.testing.assert_close(found, batch[:, :, 8:16, 4:12], atol=1e-5, rtol=0)


def color_only(index: int, value: float) -> Tensor:
    color = torch.tensor([[1.0, 1.0, 1.0, 0.0]])
    color[0, index] = value
    return color


def test_brightness_contrast_saturation_as_torchvision_has_them() -> None:
    from training.torchvision_import import torchvision

    functional = torchvision.transforms.functional
    batch = 0.25 + 0.4 * images(1)  # nothing is clamped on the way
    order = torch.arange(4)[None]
    for index, name in enumerate(("brightness", "contrast", "saturation")):
        expected = getattr(functional, f"adjust_{name}")(batch, 1.2)
        found = recolor(batch, color_only(index, 1.2), order, torch.tensor([False]))
        torch.testing.assert_close(found, expected, atol=2e-3, rtol=0)


def test_a_third_of_a_hue_turn_swaps_the_channels() -> None:
    batch = images(1)
    turn = color_only(3, 2 * np.pi / 3)
    found = recolor(batch, turn, torch.arange(4)[None], torch.tensor([False]))
    torch.testing.assert_close(found, batch[:, [2, 0, 1]], atol=1e-5, rtol=0)
    hue = colorsys.rgb_to_hsv(0.8, 0.2, 0.2)[0]
    red = torch.tensor([0.8, 0.2, 0.2]).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    turned = recolor(red, color_only(3, 0.3), torch.arange(4)[None], torch.tensor([False]))
    shifted = colorsys.rgb_to_hsv(*turned[0, :, 0, 0].tolist())[0]
    assert shifted - hue == pytest.approx(0.3 / (2 * np.pi), abs=0.01)


def test_order_decides_between_contrast_and_brightness() -> None:
    batch = 0.2 + 0.3 * images(1)
    color = torch.tensor([[1.3, 0.7, 1.0, 0.0]])
    gray = torch.tensor([False])
    once = recolor(batch, color, torch.tensor([[0, 1, 2, 3]]), gray)
    level = (batch * 1.3).mean(dim=(2, 3)) @ torch.tensor([0.299, 0.587, 0.114])
    torch.testing.assert_close(once, 0.7 * 1.3 * batch + 0.3 * level.item(), atol=1e-5, rtol=0)


def test_gray_has_equal_channels_and_keeps_the_luma() -> None:
    batch = images(2)
    found = recolor(
        batch,
        torch.tensor([[1.0, 1.0, 1.0, 0.0]] * 2),
        torch.arange(4).expand(2, 4),
        torch.tensor([True, False]),
    )
    assert float((found[0, 0] - found[0, 2]).abs().max()) < 1e-6
    torch.testing.assert_close(found[1], batch[1], atol=1e-6, rtol=0)
    luma = (batch[0] * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(0)
    torch.testing.assert_close(found[0, 0], luma, atol=1e-5, rtol=0)


def test_blur_leaves_what_it_should_and_keeps_the_mean() -> None:
    batch = images(3, 24)
    found = blur(batch, torch.tensor([0.0, 1.0, 3.0]))
    assert torch.equal(found[0], batch[0])
    roughness = [float(image.diff(dim=2).abs().mean()) for image in found]
    assert roughness[0] > roughness[1] > roughness[2]
    flat = torch.full((1, 3, 24, 24), 0.4)
    torch.testing.assert_close(blur(flat, torch.tensor([2.0])), flat)


def test_blur_is_the_gaussian_kernel() -> None:
    point = torch.zeros(1, 3, 17, 17)
    point[:, :, 8, 8] = 1.0
    found = blur(point, torch.tensor([1.5]))[0, 0]
    k = np.exp(-0.5 * (np.arange(-3, 4) / 1.5) ** 2)
    k /= k.sum()
    np.testing.assert_allclose(found[5:12, 5:12].numpy(), np.outer(k, k), atol=1e-6)
