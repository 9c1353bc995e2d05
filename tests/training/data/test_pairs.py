"""Pairs: near in time, anywhere in the track, or the same view; always one instance."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data.pairs import PairSampler
from training.data.readers import CLOSED_RING, subsample
from training.data.records import Sequence, View


class NoImage:
    reference = "none"

    def load(self):
        raise AssertionError("pair sampling must not decode")


def sequence(frames, fps=30.0, instances=("a",), flags=(), name="s"):
    views = tuple(
        View(NoImage(), np.zeros(4), f"{name}#{instance}", "c", frame=frame)
        for frame in frames
        for instance in instances
    )
    return Sequence(name, "d", "train", fps, views, flags)


def frame_gaps(sequences, pairs):
    views = [view for one in sequences for view in one.views]
    for a, b in pairs:
        assert views[a].instance == views[b].instance
    return [views[b].frame - views[a].frame for a, b in pairs]


@pytest.mark.parametrize(("fps", "gap"), [(30.0, 6), (25.0, 5), (10.0, 2), (60.0, 12)])
def test_nearby_is_a_fifth_of_a_second_at_any_frame_rate(fps, gap):
    one = sequence(range(100), fps)
    pairs = PairSampler([one], "nearby").pairs(0)
    assert set(frame_gaps([one], pairs)) == {gap}
    assert len(pairs) == 100 - gap  # the last ones have no partner


def test_nearby_after_thinning_is_the_next_kept_frame():
    one = subsample(sequence(range(120)), 5)
    pairs = PairSampler([one], "nearby").pairs(0)
    assert [view.frame for view in one.views][:3] == [0, 6, 12]
    assert set(frame_gaps([one], pairs)) == {6}
    assert len(pairs) == 19


def test_the_released_stride_of_five_keeps_its_neighbours():
    one = sequence(range(0, 100, 5))  # 167 ms apart, a little less than 0.2 s
    assert set(frame_gaps([one], PairSampler([one], "nearby").pairs(0))) == {5}


def test_a_track_thinner_than_delta_takes_the_next_view():
    one = subsample(sequence(range(120)), 1)
    assert set(frame_gaps([one], PairSampler([one], "nearby").pairs(0))) == {30}


def test_a_slow_clock_takes_the_next_frame():
    one = sequence(range(10), fps=2.0)
    assert set(frame_gaps([one], PairSampler([one], "nearby").pairs(0))) == {1}


def test_a_gap_in_the_track_gives_no_pair_across_it():
    one = sequence([0, 6, 12, 100, 106])
    pairs = PairSampler([one], "nearby").pairs(0)
    assert sorted(map(tuple, pairs)) == [(0, 1), (1, 2), (3, 4)]


def test_a_turntable_goes_round_and_an_open_path_does_not():
    ring = sequence(range(16), fps=0.0, flags=(CLOSED_RING,))
    path = sequence(range(16), fps=0.0)
    assert (15, 0) in set(map(tuple, PairSampler([ring], "nearby").pairs(0)))
    assert len(PairSampler([ring], "nearby")) == 16
    assert len(PairSampler([path], "nearby")) == 15
    assert set(frame_gaps([path], PairSampler([path], "nearby").pairs(0))) == {1}


def test_objects_of_one_video_are_never_mixed():
    both = [
        sequence(range(40), instances=("a", "b"), name="x"),
        sequence(range(20), instances=("a",), name="y"),
    ]
    for strategy in ("nearby", "distant", "same"):
        frame_gaps(both, PairSampler(both, strategy).pairs(0))


def test_distant_is_uniform_over_the_track():
    one = sequence(range(8))
    sampler = PairSampler([one], "distant", seed=3)
    table = np.zeros((8, 8))
    for epoch in range(2000):
        pairs = sampler.pairs(epoch)
        assert sorted(pairs[:, 0]) == list(range(8))  # every view is an anchor once
        table[pairs[:, 0], pairs[:, 1]] += 1
    # Each cell is binomial (2000, 1/8): 250 with a standard deviation of 14.8.
    assert np.abs(table - 250).max() < 5 * 14.8


def test_same_is_the_view_itself():
    one = sequence(range(9))
    pairs = PairSampler([one], "same").pairs(0)
    assert (pairs[:, 0] == pairs[:, 1]).all()
    assert sorted(pairs[:, 0]) == list(range(9))


@given(st.integers(0, 5), st.integers(0, 5), st.sampled_from(["nearby", "distant", "same"]))
def test_equal_seeds_give_equal_pairs_and_epochs_differ(seed, epoch, strategy):
    one = [sequence(range(60)), sequence(range(30), name="t")]
    first, again = (PairSampler(one, strategy, seed=seed) for _ in range(2))
    pairs = first.pairs(epoch)
    assert (pairs == again.pairs(epoch)).all()
    assert len(pairs) == len(first)
    assert not np.array_equal(pairs, first.pairs(epoch + 1))


@pytest.mark.parametrize("strategy", ["nearby", "distant", "same"])
def test_nothing_to_pair_is_no_pair_or_itself(strategy):
    assert PairSampler([], strategy).pairs(0).shape == (0, 2)
    lone = PairSampler([sequence([4])], strategy).pairs(0)
    assert lone.tolist() == ([] if strategy == "nearby" else [[0, 0]])


def test_an_epoch_of_a_hundred_thousand_is_drawn_at_once():
    sampler = PairSampler([sequence(range(1000), name=str(i)) for i in range(100)], "distant")
    start = time.perf_counter()
    assert sampler.pairs(0).shape == (100_000, 2)
    assert time.perf_counter() - start < 1.0


def test_impossible_arguments_are_refused():
    with pytest.raises(ValueError, match="strategy"):
        PairSampler([], "near")
    with pytest.raises(ValueError, match="delta_s"):
        PairSampler([], "nearby", delta_s=0)
