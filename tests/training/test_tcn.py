"""Time-contrastive triplets: the loss by hand, and which frames the sampler makes triplets of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from training.data.images import FileImage
from training.data.pairs import PairSampler
from training.data.readers import CLOSED_RING
from training.data.records import Sequence, View
from training.methods.tcn import TimeContrastive


def film(frames: list[int], fps: float, flags: tuple[str, ...] = (), name: str = "a") -> Sequence:
    views = tuple(
        View(
            FileImage(Path(f"{name}{frame}.png"), f"{name}{frame}"),
            np.array([0.0, 0.0, 9.0, 9.0]),
            name,
            "cup",
            frame,
        )
        for frame in frames
    )
    return Sequence(name, "made", "train", fps, views, flags)


def test_the_loss_is_a_margin_between_euclidean_distances() -> None:
    torch.manual_seed(0)
    method = TimeContrastive(6, 4, margin=0.2).eval()
    anchor, positive, negative = torch.randn(3, 5, 6)
    z, near, far = (method.projector(y) for y in (anchor, positive, negative))
    distance = [(z - other).norm(dim=1) for other in (near, far)]
    expected = (distance[0] - distance[1] + 0.2).clamp(min=0).mean()
    assert float(method(anchor, positive, negative).loss.detach()) == pytest.approx(
        float(expected.detach()), abs=1e-4
    )


def test_positives_are_near_and_negatives_far_in_time() -> None:
    sequences = [film(list(range(0, 60, 6)), 30.0), film(list(range(0, 90, 6)), 30.0, name="b")]
    sampler = PairSampler(sequences, "triplet", seed=3)
    start = [0, len(sequences[0].views)]
    seen = set()
    for epoch in range(40):
        triplets = sampler.pairs(epoch)
        assert triplets.shape == (len(sampler), 3)
        seen |= {tuple(row) for row in triplets.tolist()}
    for anchor, positive, negative in seen:
        owner = int(anchor >= start[1])
        views = sequences[owner].views
        time = [views[i - start[owner]].frame / 30.0 for i in (anchor, positive, negative)]
        assert abs(time[1] - time[0]) == pytest.approx(0.2)
        assert abs(time[2] - time[0]) > 0.4 + 1e-6
    # Every far view of a middle anchor is drawn: places 0, 1 and 7, 8, 9 around 4.
    assert {row[2] for row in seen if row[0] == 4} == {0, 1, 7, 8, 9}
    assert {row[1] for row in seen if row[0] == 4} == {3, 5}


def test_a_short_film_has_no_negatives_and_a_ring_goes_round() -> None:
    assert len(PairSampler([film([0, 6, 12], 30.0)], "triplet")) == 0
    ring = film(list(range(8)), 0.0, (CLOSED_RING,))
    sampler = PairSampler([ring], "triplet")
    negatives = {
        row[2] for epoch in range(40) for row in sampler.pairs(epoch).tolist() if row[0] == 0
    }
    assert negatives == {3, 4, 5}  # two steps of 0.2 s either way are near


def test_a_window_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="negative_s is 0"):
        PairSampler([], "triplet", negative_s=0.0)
