"""NT-Xent against a loop over its definition, and that nothing of the row itself remains."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from training.methods.nt_xent import NTXent, nt_xent_loss


def naive_loss(z1: np.ndarray, z2: np.ndarray, temperature: float) -> float:
    z = np.concatenate([z1, z2])
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    count, total = len(z), 0.0
    for i in range(count):
        positive = (i + count // 2) % count
        others = sum(math.exp(z[i] @ z[k] / temperature) for k in range(count) if k != i)
        total -= math.log(math.exp(z[i] @ z[positive] / temperature) / others)
    return total / count


@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_the_loss_is_its_definition(temperature: float) -> None:
    z1, z2 = np.random.default_rng(0).normal(size=(2, 6, 5))
    found = nt_xent_loss(torch.tensor(z1), torch.tensor(z2), temperature)
    assert float(found) == pytest.approx(naive_loss(z1, z2, temperature), abs=1e-5)


def test_orthogonal_pairs_reach_the_known_minimum() -> None:
    # One positive at cosine 1 and 2N − 2 negatives at 0; the released code's leftover
    # self-similarity, e² − e at temperature 0.5, would make this larger.
    z = torch.eye(4)
    expected = -2.0 + math.log(math.exp(2.0) + 6.0)
    assert float(nt_xent_loss(z, z, 0.5)) == pytest.approx(expected, abs=1e-6)


def test_both_sides_and_the_projector_learn() -> None:
    torch.manual_seed(0)
    method = NTXent(8, 16, 0.5)
    y1, y2 = (torch.randn(5, 8, requires_grad=True) for _ in range(2))
    step = method(y1, y2)
    step.loss.backward()
    assert step.z.shape == (5, 16)
    for tensor in (y1, y2, *method.parameters()):
        assert tensor.grad is not None
        assert tensor.grad.isfinite().all()
    assert float(y1.grad.abs().sum()) > 0  # type: ignore[union-attr]
