"""Probabilities that mean what they say, fitted from features and judged on what was held out."""

from __future__ import annotations

import numpy as np
import pytest

from index.answers.confidence import (
    LEAST_OF_EACH,
    auroc,
    fit_calibration,
    reliability,
    reliability_bins,
)
from index.answers.held_out import MOST_PAIRS, MOST_QUERIES, OtherThings, sample_queries
from index.answers.pooling import DEFAULTS, FEATURES
from index.confidence import Confidence
from training.errors import GalleryError


def made_up(count: int, seed: int = 0, knows: float = 1.5):
    """Features of which the first decides, the probability it gives, and hits drawn from it."""
    rng = np.random.default_rng(seed)
    features = rng.normal(0.3, 0.2, (count, len(FEATURES)))
    probability = 1 / (1 + np.exp(-(0.4 + knows * (features[:, 0] - 0.3) / 0.2)))
    hit = rng.uniform(size=count) < probability
    return features, probability, hit, rng.integers(40, size=count)


def test_known_probabilities_are_recovered():
    features, probability, hit, group = made_up(4000)
    found = fit_calibration(features, hit, group)
    fresh, expected, _, _ = made_up(500, seed=1)
    assert np.abs(found.probability(fresh) - expected).mean() < 0.025
    assert found.held_out.ece < 0.03
    assert found.held_out.auroc == pytest.approx(auroc(probability, hit), abs=0.01)
    assert (found.queries, found.hits) == (4000, hit.sum())


def test_more_of_what_hits_means_more_confidence():
    features, _, hit, group = made_up(1000)
    found = fit_calibration(features, hit, group)
    ladder = np.tile(features.mean(axis=0), (50, 1))
    ladder[:, 0] = np.linspace(-1, 2, 50)
    assert (np.diff(found.probability(ladder)) > 0).all()


def test_features_that_know_nothing_say_the_base_rate():
    features, _, hit, group = made_up(3000, knows=0.0)
    found = fit_calibration(features, hit, group)
    fresh = made_up(1000, seed=5, knows=0.0)[0]
    assert np.abs(found.probability(fresh) - hit.mean()).mean() < 0.04
    assert found.held_out.auroc == pytest.approx(0.5, abs=0.04)


def test_shuffled_hits_cannot_be_told_either():
    features, _, hit, group = made_up(3000)
    honest = fit_calibration(features, hit, group)
    shuffled = fit_calibration(features, np.random.default_rng(2).permutation(hit), group)
    assert honest.held_out.auroc > 0.75
    assert shuffled.held_out.auroc == pytest.approx(0.5, abs=0.04)
    assert shuffled.held_out.brier > honest.held_out.brier
    assert shuffled.probability(features).std() < 0.05


def test_held_out_means_instances_that_the_fit_did_not_see():
    """A feature that names the instance knows its hits by heart, and others' not at all."""
    rng = np.random.default_rng(3)
    group = np.repeat(np.arange(10), 60)
    features = rng.normal(size=(600, len(FEATURES)))
    features[np.arange(600), group] += 8.0
    hit = np.isin(group, [0, 2, 3, 6, 9]) ^ (rng.uniform(size=600) < 0.02)
    found = fit_calibration(features, hit, group)
    assert auroc(found.probability(features), hit) > 0.95
    assert found.held_out.auroc < 0.75


@pytest.mark.parametrize("hits", [0, LEAST_OF_EACH - 1, 200 - LEAST_OF_EACH + 1, 200])
def test_too_few_of_either_kind_fit_nothing(hits):
    features, _, _, group = made_up(200)
    assert fit_calibration(features, np.arange(200) < hits, group) is None


def test_constant_features_do_no_harm():
    features, _, hit, group = made_up(500)
    features[:, 3] = 0.25
    found = fit_calibration(features, hit, group)
    assert np.isfinite(found.probability(features)).all()


def test_auroc_is_the_share_of_pairs_in_the_right_order():
    rng = np.random.default_rng(4)
    score, hit = np.round(rng.uniform(size=60), 1), rng.uniform(size=60) < 0.4
    pairs = [(a > b) + 0.5 * (a == b) for a in score[hit] for b in score[~hit]]
    assert auroc(score, hit) == pytest.approx(np.mean(pairs))
    assert auroc(score, np.ones(60, bool)) is None


def test_reliability_by_hand():
    probability = np.array([0.05, 0.05, 0.95, 0.95, 1.0])
    hit = np.array([False, True, True, True, False])
    found = reliability(probability, hit)
    assert found.brier == pytest.approx((0.05**2 + 0.95**2 + 2 * 0.05**2 + 1) / 5, abs=1e-4)
    # ten bins: |0.05 − 1/2| over two answers, |2.9/3 − 2/3| over three
    assert found.ece == pytest.approx(0.4 * 0.45 + 0.6 * 0.3, abs=1e-4)
    bins = reliability_bins(probability, hit)
    assert [row["low"] for row in bins] == [0.0, 0.9]
    assert bins[1]["share"] == pytest.approx(0.6)
    assert bins[1]["hit_rate"] == pytest.approx(2 / 3)


def test_a_gallery_is_asked_at_most_so_often_and_always_the_same():
    annotated = np.random.default_rng(0).uniform(size=9000) < 0.5
    rows = sample_queries(annotated)
    assert len(rows) == MOST_QUERIES
    assert annotated[rows].all()
    assert (np.diff(rows) > 0).all()
    np.testing.assert_array_equal(rows, sample_queries(annotated))
    assert len(sample_queries(np.ones(1_000_000, bool))) == MOST_PAIRS // 1_000_000
    np.testing.assert_array_equal(sample_queries(annotated[:100]), np.flatnonzero(annotated[:100]))


@pytest.mark.parametrize("parts", [(60,), (7, 20, 33), (1,) * 60])
def test_neighbours_are_the_nearest_other_things_however_they_come(parts):
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(60, 5)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    instance, sequence = rng.integers(8, size=60), rng.integers(20, size=60)
    rows = np.array([3, 17, 40])
    others = OtherThings(rows, vectors[rows], instance, sequence)
    start = 0
    for size in parts:
        others.add(vectors[start : start + size])
        start += size
    for query, row in enumerate(rows):
        allowed = np.flatnonzero((instance != instance[row]) & (sequence != sequence[row]))
        similarity = vectors[allowed] @ vectors[row]
        wanted = allowed[np.argsort(-similarity)][: DEFAULTS.neighbours]
        assert others.rows[query].tolist() == wanted.tolist()


def test_where_there_are_fewer_others_the_rest_is_absent():
    vectors = np.eye(4, dtype=np.float32)
    codes = np.array([0, 0, 1, 2])
    others = OtherThings(np.array([0]), vectors[:1], codes, np.arange(4))
    others.add(vectors)
    assert sorted(others.rows[0].tolist()) == [-1] * (DEFAULTS.neighbours - 2) + [2, 3]


def test_a_file_that_is_no_calibration_is_refused():
    for content, message in (
        (b"{", "is no calibration"),
        (b'{"format": 1}', "is no calibration"),
        (b"", "is no calibration"),
    ):
        with pytest.raises(GalleryError, match=message) as caught:
            Confidence.parse(content, "somewhere/confidence.json")
        assert "somewhere/confidence.json" in caught.value.message
        assert caught.value.remedy
    found = Confidence(format=2, head="pose", settings={}, exact=None, measured=None, none=None)
    with pytest.raises(GalleryError, match="has format 2, not 1"):
        Confidence.parse(found.text.encode(), "x")
