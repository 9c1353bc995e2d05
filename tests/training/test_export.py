"""The export: atomic, deterministic identity, and refusing a graph that disagrees."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from training import export
from training.artifact import EncoderInfo, Preprocessing, identity_of, read_info
from training.errors import EncoderError
from training.export import check_agreement, export_encoder, export_graph, network_weights
from training.networks import EncoderNetwork


def network(seed: int = 0) -> EncoderNetwork:
    torch.manual_seed(seed)
    return EncoderNetwork("resnet10_w4", {"pose": 1}, Preprocessing(size=32))


def info(of: EncoderNetwork) -> EncoderInfo:
    return EncoderInfo(
        method="random",
        recipe="none",
        backbone=of.backbone_name,
        heads=of.heads,
        preprocessing=of.preprocessing,
    )


def test_the_identity_follows_weights_and_preprocessing() -> None:
    def identity(of: EncoderNetwork) -> str:
        return identity_of(network_weights(of), info(of))

    assert identity(network(0)) == identity(network(0)) != identity(network(1))
    wider = network(0)
    wider.preprocessing = Preprocessing(size=32, margin=1.2)
    assert identity(wider) != identity(network(0))


def test_an_old_encoder_stays_until_the_new_one_is_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "encoder"
    old = export_encoder(network(0), folder, info(network(0)))

    def fail(*args: object) -> None:
        raise EncoderError("It disagrees.", "Try again.")

    with monkeypatch.context() as broken:
        broken.setattr(export, "check_agreement", fail)
        with pytest.raises(EncoderError):
            export_encoder(network(1), folder, info(network(1)))
    assert read_info(folder).identity == old.identity
    new = export_encoder(network(1), folder, info(network(1)))
    assert read_info(folder).identity == new.identity != old.identity
    assert [path.name for path in tmp_path.iterdir()] == ["encoder"]


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(EncoderError, match="exists and is not an encoder"):
        export_encoder(network(), tmp_path, info(network()))
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_graph_of_other_weights_is_noticed(tmp_path: Path) -> None:
    export_graph(network(1).eval(), tmp_path / "other.onnx")
    with pytest.raises(EncoderError, match="differs from the network"):
        check_agreement(network(0).eval(), tmp_path / "other.onnx")
    assert check_agreement(network(1).eval(), tmp_path / "other.onnx") < 1e-5
