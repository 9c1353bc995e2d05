"""The learning rate at given steps, from the paper's epochs and the released code's numbers."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from training.learner import parameter_groups
from training.model import build_model
from training.recipes import load_recipe
from training.recipes.schema import OptimiseRecipe
from training.schedule import FLOOR, warmup_cosine

STEPS = 100  # an epoch


@pytest.mark.parametrize(
    ("epoch", "expected"),
    [(0, 0.0), (1, 0.00075), (5, 0.00375), (10, 0.0075), (17.5, (0.0075 + FLOOR) / 2), (25, FLOOR)],
)
def test_paper_schedule(epoch: float, expected: float) -> None:
    lr = warmup_cosine(int(epoch * STEPS), 10 * STEPS, 25 * STEPS, 0.0075)
    assert lr == pytest.approx(expected, rel=1e-9)


def test_released_schedule_stops_at_93_percent() -> None:
    lr = warmup_cosine(25 * STEPS, 10 * STEPS, 100 * STEPS, 0.0075)
    assert lr / 0.0075 == pytest.approx(0.933, abs=5e-4)


def test_without_warmup_it_begins_at_the_peak_and_never_rises() -> None:
    rates = [warmup_cosine(step, 0, 50, 0.1) for step in range(60)]
    assert rates[0] == 0.1
    assert all(later <= earlier for earlier, later in pairwise(rates))
    assert rates[-1] == pytest.approx(FLOOR)


def groups(**options: object) -> list[dict[str, object]]:
    torch.manual_seed(0)
    sizes = ["network.size=32", "network.backbone=resnet10_w8"]
    model = build_model(
        load_recipe("simsiam-nearby", [*sizes, "projector_dim=16", "predictor_dim=4"])
    )
    return parameter_groups(model, OptimiseRecipe.model_validate(options))


def test_weight_decay_on_everything_as_released() -> None:
    assert {group["weight_decay"] for group in groups()} == {5e-4}


def test_weight_decay_can_spare_batchnorm_and_biases() -> None:
    for group in groups(decay_bn_and_bias=False):
        dims = {p.ndim > 1 for p in group["params"]}  # type: ignore[attr-defined]
        assert dims == {group["weight_decay"] == 5e-4}


def test_only_the_predictor_keeps_a_constant_rate() -> None:
    constant = [g for g in groups() if g["constant_lr"]]
    count = sum(p.numel() for g in constant for p in g["params"])  # type: ignore[attr-defined]
    assert count == (16 * 4 + 4) + 2 * 4 + (4 * 16 + 16)
    assert not any(g["constant_lr"] for g in groups(predictor_constant_lr=False))


def test_the_backbone_may_learn_more_slowly_than_the_new_layers() -> None:
    rates = [(group["lr"], group["constant_lr"]) for group in groups(lr=0.2, backbone_lr=0.1)]
    assert rates == [(pytest.approx(0.02), False)] * 2 + [(0.2, False)] * 2 + [(0.2, True)] * 2
