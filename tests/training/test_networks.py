"""Backbones by name, and pooling over a grid."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import adaptive_avg_pool2d

from training.artifact import Preprocessing
from training.errors import RecipeError
from training.networks import EncoderNetwork, backbone_names, build_backbone, grid_pool


@pytest.mark.parametrize("cells", [1, 2, 3])
@pytest.mark.parametrize("size", [(4, 4), (7, 7), (2, 5), (1, 1)])
def test_grid_pooling_is_adaptive_average_pooling(cells: int, size: tuple[int, int]) -> None:
    features = torch.randn(2, 5, *size, generator=torch.Generator().manual_seed(0))
    expected = adaptive_avg_pool2d(features, cells).flatten(1)
    torch.testing.assert_close(grid_pool(features, cells), expected)


def test_a_narrow_resnet_ends_in_eight_widths_and_a_32nd_of_the_size() -> None:
    for name in ("resnet10_w8", "resnet18_w8"):
        features = build_backbone(name).eval()(torch.zeros(1, 3, 64, 96))
        assert features.shape == (1, 64, 4, 6)


def test_the_small_encoder_fits_its_six_megabytes_twice() -> None:
    network = EncoderNetwork("resnet10_w24", {"pose": 1}, Preprocessing(size=64))
    bytes_ = 4 * sum(tensor.numel() for tensor in network.state_dict().values())
    assert 2 * bytes_ < 6e6


def test_torchvision_resnets_lose_pooling_and_classifier() -> None:
    names = backbone_names()
    assert {"resnet18", "resnet50", "wide_resnet50_2", "resnext50_32x4d"} <= set(names)
    features = build_backbone("resnet18").eval()(torch.zeros(1, 3, 64, 64))
    assert features.shape == (1, 512, 2, 2)


def test_unknown_names_and_absent_weights_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RecipeError, match=r"Unknown backbone 'vgg16'.*resnet50"):
        build_backbone("vgg16")
    with pytest.raises(RecipeError, match="no ImageNet weights for resnet10_w8"):
        build_backbone("resnet10_w8", "imagenet")

    def offline(*args: object, **options: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr("torchvision.models.resnet.ResNet18_Weights.get_state_dict", offline)
    with pytest.raises(RecipeError, match="no route to host"):
        build_backbone("resnet18", "imagenet")


def test_frozen_stages_keep_weights_and_statistics_and_the_others_learn() -> None:
    network = EncoderNetwork("resnet10_w4", {"pose": 1}, Preprocessing(size=32))
    network.freeze(4)
    network.train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1, weight_decay=0.1)
    images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    network.pooled_head(images, "pose").square().sum().backward()
    optimiser.step()
    changed = {
        name.split(".")[1]
        for name, value in network.state_dict().items()
        if not torch.equal(value, before[name])
    }
    assert changed == {"layer2", "layer3", "layer4"}
    with pytest.raises(RecipeError, match=r"frozen_stages = 8, but the heads share 7 stages"):
        network.freeze(8)
