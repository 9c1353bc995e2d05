"""ImageNet weights: the rewritten SqueezeNet computes what the file's own preprocessing gives."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from index.evaluation.squeezenet import SqueezeNet
from training.artifact import Preprocessing
from training.errors import RecipeError
from training.imagenet import SQUEEZENET_FILE, imagenet_source, squeezenet_weights
from training.networks import EncoderNetwork


def test_the_rewritten_network_gives_the_same_maps(
    shared_data: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    data_root = shared_data("weights_squeezenet").parent
    monkeypatch.setenv("POSEBANK_DATA", str(data_root))
    crops = np.random.default_rng(0).integers(0, 256, (2, 227, 227, 3)).astype(np.uint8)
    expected = SqueezeNet(data_root / SQUEEZENET_FILE).feature_maps(crops)
    network = EncoderNetwork(
        "squeezenet1_0", {"pose": 3}, Preprocessing(size=227), "imagenet"
    ).eval()
    with torch.no_grad():
        images = torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 255.0
        found = network.backbone(network.normalise(images)).numpy()
    np.testing.assert_allclose(found, expected, atol=2e-5 * np.abs(expected).max())


def test_a_file_that_holds_something_else_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", other=np.zeros(3))
    with pytest.raises(RecipeError, match="does not hold SqueezeNet"):
        squeezenet_weights(tmp_path / "x.npz")


def test_a_backbone_without_weights_is_refused() -> None:
    with pytest.raises(RecipeError, match="no ImageNet weights for resnet10_w4"):
        EncoderNetwork("resnet10_w4", {"pose": 1}, Preprocessing(size=32), "imagenet")


def test_arrays_of_other_shapes_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = ("squeeze1x1", "expand1x1", "expand3x3")
    layers = ["conv1", *(f"fire{fire}/{part}" for fire in range(2, 10) for part in parts)]
    arrays = {f"{layer}.{kind}": np.zeros(1) for layer in layers for kind in ("weight", "bias")}
    arrays["conv1.weight"] = np.zeros((96, 3, 7, 7), np.float32)
    arrays["conv1.bias"] = np.zeros(96, np.float32)
    (tmp_path / SQUEEZENET_FILE).parent.mkdir()
    np.savez(tmp_path / SQUEEZENET_FILE, **arrays)
    monkeypatch.setenv("POSEBANK_DATA", str(tmp_path))
    with pytest.raises(RecipeError, match="does not hold SqueezeNet"):
        EncoderNetwork("squeezenet1_0", {"pose": 3}, Preprocessing(size=64), "imagenet")


def test_the_source_is_the_file_of_arrays_where_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / SQUEEZENET_FILE).parent.mkdir()
    (tmp_path / SQUEEZENET_FILE).write_bytes(b"weights")
    monkeypatch.setenv("POSEBANK_DATA", str(tmp_path))
    expected = hashlib.sha256(b"weights").hexdigest()
    assert imagenet_source("squeezenet1_0") == {"name": SQUEEZENET_FILE.name, "sha256": expected}


def test_the_source_is_torchvisions_file_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training.torchvision_import import models

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.delenv("POSEBANK_DATA", raising=False)
    weights = models.get_model_weights("squeezenet1_1")["IMAGENET1K_V1"]
    path = tmp_path / "hub" / "checkpoints" / weights.url.rpartition("/")[2]
    path.parent.mkdir(parents=True)
    model = models.get_model("squeezenet1_1", weights=None)
    torch.save(model.state_dict(), path)
    network = EncoderNetwork("squeezenet1_1", {"pose": 1}, Preprocessing(size=64), "imagenet")
    first = next(network.backbone.parameters())
    assert torch.equal(first, next(model.features.parameters()))  # this file was read
    assert imagenet_source("squeezenet1_1") == {
        "name": "SqueezeNet1_1_Weights.IMAGENET1K_V1",
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
