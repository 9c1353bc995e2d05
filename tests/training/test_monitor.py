"""Collapse is told from health, and the online score counts what it says."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from training.monitor import CollapseMonitor, MonitoredViews, neighbour_score, output_std


def verdict_of(*batches: torch.Tensor):  # type: ignore[no-untyped-def]
    monitor = CollapseMonitor()
    for batch in batches:
        monitor.update(batch)
    return monitor.finish()


@pytest.mark.parametrize("dim", [16, 128, 2048])
def test_evenly_spread_outputs_have_the_expected_deviation(dim: int) -> None:
    z = torch.randn(512, dim, generator=torch.Generator().manual_seed(0))
    assert float(output_std(z)) == pytest.approx(1 / math.sqrt(dim), rel=0.02)
    verdict = verdict_of(z, 5 * z)
    assert verdict.ratio == pytest.approx(1.0, abs=0.02)
    assert not verdict.collapsed


def test_a_constant_network_has_collapsed() -> None:
    constant = torch.ones(64, 32) + 1e-4 * torch.randn(64, 32)
    verdict = verdict_of(constant, constant)
    assert verdict.ratio < 0.01
    assert verdict.collapsed


def test_nan_counts_as_collapsed() -> None:
    assert verdict_of(torch.full((8, 4), math.nan)).collapsed


def test_an_epoch_begins_anew() -> None:
    monitor = CollapseMonitor()
    monitor.update(torch.ones(8, 4))
    assert monitor.finish().collapsed
    monitor.update(torch.randn(256, 4, generator=torch.Generator().manual_seed(0)))
    assert not monitor.finish().collapsed


def views(instances: list[str], query: list[bool], position: list[float] | None = None):  # type: ignore[no-untyped-def]
    count = len(instances)
    return MonitoredViews(
        categories=[name[:3] for name in instances],
        instances=instances,
        sequences=instances,
        position=np.array(position or np.linspace(0, 1, count)),
        closed=np.zeros(count, bool),
        is_query=np.array(query),
    )


def unit(*angles_deg: float) -> np.ndarray:
    angles = np.radians(angles_deg)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_scores_of_a_case_worked_by_hand() -> None:
    known = views(
        ["cup1", "cup1", "cup2", "mug1"], [True, False, False, False], [0.0, 0.5, 0.2, 0.3]
    )
    # Nearest to the query at 0° are its own instance at 3°, then mug1 at 5°, then cup2 at 20°.
    scores = neighbour_score(unit(0, 3, 20, 5), known)
    assert scores == {"nn_category": 0.0, "nn_instance": 1.0}
    scores = neighbour_score(unit(0, 30, 5, 20), known)
    assert scores == {"nn_category": 1.0, "nn_instance": 0.0}


def test_views_next_to_the_query_do_not_count() -> None:
    known = views(["cup1", "cup1", "cup1", "cup2"], [True, False, False, False], [0, 0.05, 0.5, 0])
    assert neighbour_score(unit(0, 1, 40, 20), known)["nn_instance"] == 0.0
    assert neighbour_score(unit(0, 1, 10, 20), known)["nn_instance"] == 1.0


def test_a_ring_closes() -> None:
    known = views(["cup1", "cup1", "cup1", "cup2"], [True, False, False, False], [0, 0.98, 0.5, 0])
    open_score = neighbour_score(unit(0, 1, 40, 20), known)
    ring = MonitoredViews(**{**known.__dict__, "closed": np.ones(4, bool)})
    assert open_score["nn_instance"] == 1.0
    assert neighbour_score(unit(0, 1, 40, 20), ring)["nn_instance"] == 0.0


def test_a_question_that_cannot_fail_is_not_scored() -> None:
    assert neighbour_score(unit(0, 5, 9), views(["cup1"] * 3, [True, False, False])) == {}
    assert neighbour_score(unit(0, 5), views(["cup1", "mug1"], [False, False])) == {}
