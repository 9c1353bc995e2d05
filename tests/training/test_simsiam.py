"""The loss against a naive loop, where gradients may go, and the shapes the paper names."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from training.methods.simsiam import SimSiam, simsiam_loss
from training.model import Model, build_model
from training.recipes import load_recipe


def naive_loss(h1, h2, z1, z2):  # type: ignore[no-untyped-def]
    total = 0.0
    for a, b, c, d in zip(h1, h2, z1, z2, strict=True):
        first = sum(x * y for x, y in zip(a, d, strict=True)) / (
            math.sqrt(sum(x * x for x in a)) * math.sqrt(sum(y * y for y in d))
        )
        second = sum(x * y for x, y in zip(b, c, strict=True)) / (
            math.sqrt(sum(x * x for x in b)) * math.sqrt(sum(y * y for y in c))
        )
        total += -0.5 * first - 0.5 * second
    return total / len(h1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_loss_is_the_papers_equation_1(dtype: torch.dtype) -> None:
    vectors = np.random.default_rng(3).normal(size=(4, 7, 5))
    expected = naive_loss(*vectors)
    found = simsiam_loss(*torch.tensor(vectors, dtype=dtype))
    assert float(found) == pytest.approx(expected, abs=1e-6)


def test_the_loss_is_lowest_for_perfect_predictions() -> None:
    z = torch.randn(6, 8, generator=torch.Generator().manual_seed(0))
    assert float(simsiam_loss(z, z, z, z)) == pytest.approx(-1.0)
    assert float(simsiam_loss(-z, -z, z, z)) == pytest.approx(1.0)


def test_no_gradient_reaches_the_targets() -> None:
    h1, h2, z1, z2 = (torch.randn(3, 4, requires_grad=True) for _ in range(4))
    simsiam_loss(h1, h2, z1, z2).backward()
    assert z1.grad is None
    assert z2.grad is None
    assert h1.grad is not None
    assert float(h1.grad.abs().sum()) > 0


def tiny_model() -> Model:
    torch.manual_seed(0)
    sizes = ["network.size=32", "network.backbone=resnet10_w8"]
    dims = ["projector_dim=16", "predictor_dim=4"]
    return build_model(load_recipe("simsiam-nearby", [*sizes, *dims]))


def test_the_two_sides_are_treated_alike() -> None:
    model = tiny_model()
    v1, v2 = torch.rand(2, 6, 3, 32, 32)
    one, other = (
        float(model({"pose": (a, b)})["pose"].loss.detach()) for a, b in ((v1, v2), (v2, v1))
    )
    assert one == pytest.approx(other, abs=1e-6)


def test_every_parameter_learns() -> None:
    model = tiny_model()
    model({"pose": tuple(torch.rand(2, 6, 3, 32, 32))})["pose"].loss.backward()
    still = [n for n, p in model.named_parameters() if p.grad is None]
    assert still == []


def test_the_released_projector_and_predictor() -> None:
    torch.manual_seed(0)
    model = SimSiam(32, projector_dim=2048, predictor_dim=512)
    layers = [layer for layer in (*model.projector, *model.predictor)]
    shapes = [(m.in_features, m.out_features) for m in layers if isinstance(m, nn.Linear)]
    assert shapes == [(32, 2048), (2048, 2048), (2048, 2048), (2048, 512), (512, 2048)]
    assert all(m.bias is not None for m in layers if isinstance(m, nn.Linear))
    assert isinstance(model.projector[-1], nn.BatchNorm1d)
