"""Whitening against its definition, and inside an encoder on both backends."""

from pathlib import Path

import numpy as np
import pytest
import torch

from training.artifact import EncoderInfo, Preprocessing
from training.encoder import Encoder
from training.export import export_encoder
from training.networks import EncoderNetwork
from training.whitening import fit_whitening


def skewed(count: int = 400, width: int = 12) -> np.ndarray:
    """Points with a large common offset and variances over three decades."""
    rng = np.random.default_rng(5)
    spread = np.geomspace(1.0, 1e-3, width)
    return (rng.normal(size=(count, width)) * spread + 3.0).astype(np.float32)


def test_whitened_points_have_zero_mean_and_unit_covariance() -> None:
    y = skewed()
    weight, bias = fit_whitening(y, 6)
    white = y.astype(np.float64) @ weight.T + bias
    assert weight.shape == (6, 12)
    np.testing.assert_allclose(white.mean(axis=0), 0.0, atol=2e-3)
    np.testing.assert_allclose(np.cov(white.T), np.eye(6), atol=2e-3)


def test_keeps_the_directions_of_largest_variance() -> None:
    weight, _ = fit_whitening(skewed(), 3)
    along = np.abs(weight) / np.linalg.norm(weight, axis=1, keepdims=True)
    assert along.argmax(axis=1).tolist() == [0, 1, 2]


@pytest.mark.parametrize("power", [0.0, 0.5])
def test_a_lower_power_leaves_more_of_the_variance(power: float) -> None:
    y = skewed()
    variance = np.sort(np.linalg.eigvalsh(np.cov(y.astype(np.float64).T)))[::-1][:6]
    weight, bias = fit_whitening(y, 6, power)
    ended = np.cov((y.astype(np.float64) @ weight.T + bias).T)
    np.testing.assert_allclose(ended, np.diag(variance ** (1 - power)), atol=2e-3)


def test_more_dimensions_than_points_give_the_same_as_their_covariance() -> None:
    y = np.random.default_rng(1).normal(size=(30, 80)).astype(np.float32)
    weight, _ = fit_whitening(y, 5)
    centred = y.astype(np.float64) - y.mean(axis=0)
    values, vectors = np.linalg.eigh(centred.T @ centred / 29)
    expected = (vectors[:, ::-1][:, :5] / np.sqrt(values[::-1][:5])).T
    np.testing.assert_allclose(np.abs(weight), np.abs(expected), atol=1e-4)


def test_no_more_directions_than_the_points_span() -> None:
    weight, bias = fit_whitening(skewed(count=5), 256)
    assert weight.shape == (4, 12)
    assert np.isfinite(weight).all()
    assert np.isfinite(bias).all()


def test_does_not_depend_on_the_sign_of_an_eigenvector() -> None:
    y = skewed()
    first, again = fit_whitening(y, 4), fit_whitening(y[::-1].copy(), 4)
    np.testing.assert_allclose(first[0], again[0], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("backend", ["onnx", "torch"])
def test_a_whitened_head_survives_the_artifact(tmp_path: Path, backend: str) -> None:
    torch.manual_seed(0)
    network = EncoderNetwork("resnet10_w8", {"pose": 2}, Preprocessing(size=32)).eval()
    crops = np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3)).astype(np.uint8)
    with torch.no_grad():
        (plain,) = network(torch.from_numpy(crops))
    weight, bias = fit_whitening(plain.numpy(), 16)
    network.whiten("pose", torch.from_numpy(weight), torch.from_numpy(bias))
    expected = plain.numpy() @ weight.T + bias
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)

    info = EncoderInfo(
        method="simsiam",
        recipe="test",
        backbone="resnet10_w8",
        heads=network.heads,
        preprocessing=network.preprocessing,
    )
    export_encoder(network, tmp_path / "encoder", info)
    encoder = Encoder.load(tmp_path / "encoder", backend=backend)
    assert encoder.heads == {"pose": 16}
    np.testing.assert_allclose(encoder.encode(crops)["pose"], expected, atol=1e-4)
