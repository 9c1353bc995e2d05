"""The metrics against oracles written one pair at a time, and the laws they obey."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from index.evaluation.metrics import (
    azimuth_error_deg,
    by_category,
    mean_or_none,
    median_or_none,
    ranking_scores,
    top_k_hits,
)

ANGLES = st.floats(-1e4, 1e4)


@given(ANGLES, ANGLES, st.integers(-5, 5))
def test_azimuth_error_is_a_wrapped_distance(a: float, b: float, turns: int) -> None:
    error = azimuth_error_deg(a, b)
    assert 0.0 <= error <= 180.0
    assert azimuth_error_deg(b, a) == pytest.approx(error, abs=1e-7)
    assert azimuth_error_deg(a + 360.0 * turns, b) == pytest.approx(error, abs=1e-7)
    assert np.cos(np.radians(error)) == pytest.approx(np.cos(np.radians(a - b)), abs=1e-7)


@pytest.mark.parametrize(
    ("a", "b", "expected"), [(0, 350, 10), (350, 0, 10), (0, 180, 180), (10, 10, 0), (-90, 90, 180)]
)
def test_azimuth_error_by_hand(a: float, b: float, expected: float) -> None:
    assert azimuth_error_deg(a, b) == expected


def test_average_precision_by_hand() -> None:
    # Ranking: hit, miss, hit, miss, so AP = (1/1 + 2/3) / 2; the last column is not allowed.
    similarity = np.array([[0.9, 0.8, 0.7, 0.6, 1.0]])
    positive = np.array([[True, False, True, False, True]])
    allowed = np.array([[True, True, True, True, False]])
    precision, rank1 = ranking_scores(similarity, positive, allowed)
    assert precision[0] == pytest.approx((1 + 2 / 3) / 2)
    assert rank1[0] == 1.0


def test_a_perfect_ranking_scores_one_where_the_released_code_scores_less() -> None:
    count = 53
    similarity = np.linspace(1, 0, count)[None, :]
    positive = (np.arange(count) < 20)[None, :]
    precision, rank1 = ranking_scores(similarity, positive, np.ones_like(positive))
    assert precision[0] == 1.0
    assert rank1[0] == 1.0


def test_the_worst_ranking_by_hand() -> None:
    similarity = np.array([[0.9, 0.8, 0.7, 0.1]])
    precision, rank1 = ranking_scores(
        similarity, np.array([[False, False, False, True]]), np.ones((1, 4), bool)
    )
    assert (precision[0], rank1[0]) == (0.25, 0.0)


def test_a_query_without_a_positive_has_no_score() -> None:
    precision, rank1 = ranking_scores(
        np.ones((2, 3)), np.array([[False] * 3, [True] * 3]), np.array([[True] * 3, [False] * 3])
    )
    assert np.isnan(precision).all()
    assert np.isnan(rank1).all()


def naive_scores(
    similarity: np.ndarray, positive: np.ndarray, allowed: np.ndarray
) -> tuple[float, float]:
    """One query, one threshold at a time: the definition, no sorting."""
    rows = [g for g in range(len(similarity)) if allowed[g]]
    hits = [g for g in rows if positive[g]]
    if not hits:
        return float("nan"), float("nan")
    total = 0.0
    for hit in hits:
        above = [g for g in rows if similarity[g] >= similarity[hit]]
        total += sum(positive[g] for g in above) / len(above)
    top = [g for g in rows if similarity[g] == max(similarity[h] for h in rows)]
    return total / len(hits), sum(positive[g] for g in top) / len(top)


@given(st.integers(1, 12), st.integers(0, 2**32 - 1), st.booleans())
def test_rankings_agree_with_the_definition(size: int, seed: int, tied: bool) -> None:
    rng = np.random.default_rng(seed)
    similarity = rng.integers(0, 4, (5, size)) / 4 if tied else rng.normal(size=(5, size))
    positive, allowed = rng.random((5, size)) < 0.4, rng.random((5, size)) < 0.8
    precision, rank1 = ranking_scores(similarity, positive, allowed)
    expected = [naive_scores(*row) for row in zip(similarity, positive, allowed, strict=True)]
    np.testing.assert_allclose(np.column_stack([precision, rank1]), expected)


@given(st.integers(0, 2**32 - 1))
def test_the_order_of_the_gallery_does_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    similarity = rng.integers(0, 3, (3, 9)).astype(float)
    positive, allowed = rng.random((3, 9)) < 0.5, rng.random((3, 9)) < 0.7
    order = rng.permutation(9)
    np.testing.assert_allclose(
        ranking_scores(similarity, positive, allowed),
        ranking_scores(similarity[:, order], positive[:, order], allowed[:, order]),
    )


def test_a_collapsed_embedding_scores_chance() -> None:
    positive = (np.arange(100) < 10)[None, :]
    precision, rank1 = ranking_scores(np.ones((1, 100)), positive, np.ones((1, 100), bool))
    assert precision[0] == pytest.approx(0.1)
    assert rank1[0] == pytest.approx(0.1)


@given(arrays.arrays(np.float64, st.integers(0, 8), elements=st.floats(-5, 5)))
def test_means_leave_unknown_values_out(values: np.ndarray) -> None:
    mixed = np.concatenate([values, [np.nan, np.nan]])
    if len(values):
        assert mean_or_none(mixed) == pytest.approx(values.mean())
        assert median_or_none(mixed) == pytest.approx(np.median(values))
    else:
        assert mean_or_none(mixed) is None
        assert median_or_none(mixed) is None


def test_the_macro_mean_weighs_categories_alike() -> None:
    means = by_category(np.array([1.0, 1.0, 1.0, 0.0]), np.array(["cup", "cup", "cup", "bike"]))
    assert means == {"bike": 0.0, "cup": 1.0, "mean": 0.5}
    assert list(means) == ["bike", "cup", "mean"]


@given(
    arrays.arrays(np.int8, (3, 7), elements=st.integers(0, 3)),
    arrays.arrays(np.bool_, (3, 7)),
    st.integers(1, 9),
)
def test_top_k_hits_is_the_chance_over_all_orders_of_ties(
    similarity: np.ndarray, positive: np.ndarray, k: int
) -> None:
    """Every way to break the ties, counted one by one."""
    (hits,) = top_k_hits(similarity.astype(np.float32), positive, [k])
    for values, wanted, hit in zip(similarity, positive, hits, strict=True):
        border = sorted(values, reverse=True)[min(k, 7) - 1]
        above = [i for i in range(7) if values[i] > border]
        tied = [i for i in range(7) if values[i] == border]
        ways = list(combinations(tied, min(k, 7) - len(above)))
        found = [any(wanted[i] for i in (*above, *way)) for way in ways]
        assert hit == pytest.approx(np.mean(found))


def test_top_k_hits_of_an_empty_gallery_are_misses() -> None:
    hits = top_k_hits(np.zeros((2, 0), np.float32), np.zeros((2, 0), bool), [1, 5])
    assert hits.tolist() == [[0.0, 0.0], [0.0, 0.0]]
