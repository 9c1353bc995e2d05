"""Two heads from one trunk: what they share, what they do not, and that both reach the artifact."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from training.artifact import EncoderInfo, Preprocessing
from training.encoder import Encoder
from training.errors import RecipeError
from training.export import export_encoder
from training.learner import augment_of
from training.model import build_model
from training.networks import EncoderNetwork
from training.recipes import load_recipe

SMALL = ["network.size=32", "network.backbone=resnet10_w8", "projector_dim=16", "predictor_dim=4"]


def test_each_loss_reaches_the_trunk_and_its_own_stages_alone() -> None:
    torch.manual_seed(0)
    model = build_model(load_recipe("small-joint", SMALL))
    v1, v2 = torch.rand(2, 6, 3, 32, 32)
    model({"pose": (v1, v2)})["pose"].loss.backward()
    learned = {name for name, p in model.named_parameters() if p.grad is not None}
    parts = {name.split(".")[0] + "." + name.split(".")[1] for name in learned}
    assert parts == {"encoder.backbone", "encoder.branches", "objectives.pose"}
    assert not any("identity" in name for name in learned)


def test_heads_begin_alike_and_may_trust_colour_differently() -> None:
    recipe = load_recipe("small-joint", SMALL)
    model = build_model(recipe).eval()
    pose, identity = (dict(model.encoder.branches[h].state_dict()) for h in ("pose", "identity"))
    assert all(torch.equal(pose[name], identity[name]) for name in pose)
    assert augment_of(recipe, "pose").hue == recipe.augment.hue
    assert augment_of(recipe, "identity").hue == 0.1


@pytest.mark.parametrize("backend", ["onnx", "torch"])
@pytest.mark.parametrize(("own", "skip"), [(1, {}), (0, {"pose": 1}), (1, {"pose": 1}), (0, {})])
def test_both_heads_survive_the_artifact(
    tmp_path: Path, backend: str, own: int, skip: dict[str, int]
) -> None:
    torch.manual_seed(0)
    network = EncoderNetwork(
        "resnet10_w4",
        {"pose": 2, "identity": 1},
        Preprocessing(size=32),
        own_stages=own,
        skip_stages=skip,
    ).eval()
    for branch in network.branches.values():  # as if trained
        for parameter in branch.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
    crops = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3)).astype(np.uint8)
    with torch.no_grad():
        expected = [rows.numpy() for rows in network(torch.from_numpy(crops))]
    info = EncoderInfo(
        method="simsiam",
        recipe="test",
        backbone="resnet10_w4",
        heads=network.heads,
        preprocessing=network.preprocessing,
    )
    export_encoder(network, tmp_path / "encoder", info)
    encoder = Encoder.load(tmp_path / "encoder", backend=backend)  # type: ignore[arg-type]
    found = encoder.encode(crops)
    assert list(found) == ["pose", "identity"]
    width = 16 if skip else 32
    assert found["pose"].shape == (5, width * 4)
    assert found["identity"].shape == (5, 32)
    for rows, name in zip(expected, found, strict=True):
        np.testing.assert_allclose(found[name], rows, atol=1e-4)


def test_too_many_stages_are_refused() -> None:
    with pytest.raises(RecipeError, match=r"own_stages = 7 and skip_stages = 0.*7 stages"):
        EncoderNetwork("resnet10_w4", {"a": 1, "b": 1}, Preprocessing(size=32), own_stages=7)
