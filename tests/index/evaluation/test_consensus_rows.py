"""The consensus beside the single nearest neighbour, on a world of known boxes."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from index.answers.pooling import DEFAULTS
from index.evaluation.consensus import gallery_confidence
from index.evaluation.embeddings import EmbeddedViews
from index.evaluation.neighbours import nearest, nearest_k
from index.evaluation.objectron import NO_BOX, ObjectronResult, evaluate_objectron
from index.evaluation.objectron_pose import AnnotatedPoses
from index.evaluation.views import ViewTable

PLANES = ("consensus", "consensus_noisy_plane", "consensus_no_plane")


def blurred(embedded: EmbeddedViews, seed: int, noise: float = 0.25) -> EmbeddedViews:
    """Embeddings that know the pose as a trained encoder does: not quite."""
    vectors = embedded.vectors["pose"]
    vectors = vectors + np.random.default_rng(seed).normal(0, noise, vectors.shape)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return EmbeddedViews(embedded.table, {"pose": vectors.astype(np.float32)})


@pytest.fixture(scope="module")
def worlds(
    query_world: ViewTable, train_world: ViewTable, embedded: SimpleNamespace
) -> tuple[EmbeddedViews, EmbeddedViews]:
    return blurred(embedded.by_pose(query_world), 1), blurred(embedded.by_pose(train_world), 2)


@pytest.fixture(scope="module")
def result(worlds: tuple[EmbeddedViews, EmbeddedViews]) -> ObjectronResult:
    return evaluate_objectron(*worlds, "pose", "pose")


@pytest.mark.parametrize("suffix", ["", "_noisy_plane", "_no_plane"])
def test_the_consensus_beats_the_single_nearest_neighbour(
    result: ObjectronResult, suffix: str
) -> None:
    pooled, nearest_one = (
        result.mean_iou[row + suffix]["mean"] for row in ("consensus", "nearest_neighbour")
    )
    assert pooled > nearest_one + 0.02


def test_pooling_without_an_embedding_is_reported_and_lies_below(result: ObjectronResult) -> None:
    mean = {row: values["mean"] for row, values in result.mean_iou.items()}
    control = mean["random_in_category_consensus"]
    assert mean["random_in_category_fit"] < control < mean["consensus"]
    assert set(result.consensus) == set(PLANES)


@pytest.mark.parametrize("row", PLANES)
def test_how_sure_and_how_right_add_up(result: ObjectronResult, row: str) -> None:
    found = result.consensus[row]
    assert found.calibrated_on == 4 * 8 * 24
    right = found.coverage * (found.hit_rate_answered or 0.0)
    right += (1 - found.coverage) * (found.hit_rate_abstained or 0.0)
    assert right == pytest.approx(result.hit_rate[row]["mean"])  # as many queries a category
    assert sum(entry["share"] for entry in found.bins) == pytest.approx(1.0)
    ece = sum(entry["share"] * abs(entry["confidence"] - entry["hit_rate"]) for entry in found.bins)
    assert found.ece == pytest.approx(ece, abs=1e-4)
    assert found.auroc > 0.6


def test_a_confidence_from_embeddings_that_know_nothing_is_the_base_rate(
    query_world: ViewTable, train_world: ViewTable, embedded: SimpleNamespace
) -> None:
    """Crop and ground alone often find a box; the confidence must claim that and no more."""
    result = evaluate_objectron(
        embedded.at_random(query_world, seed=1),
        embedded.at_random(train_world, seed=2),
        "pose",
        "pose",
    )
    found = result.consensus["consensus"]
    claimed = sum(entry["share"] * entry["confidence"] for entry in found.bins)
    assert claimed == pytest.approx(result.hit_rate["consensus"]["mean"], abs=0.1)
    assert found.ece < 0.15


def test_the_calibration_is_the_gallery_s_alone(
    worlds: tuple[EmbeddedViews, EmbeddedViews], result: ObjectronResult
) -> None:
    queries, gallery = worlds
    few = evaluate_objectron(queries.take(np.arange(20)), gallery, "pose", "pose")
    assert few.consensus["consensus"].calibrated_on == result.consensus["consensus"].calibrated_on
    one, two = (
        gallery_confidence(gallery, AnnotatedPoses.of(gallery.table), "pose") for _ in range(2)
    )
    assert one.text == two.text


def test_a_gallery_smaller_than_the_neighbours_asked_for_still_answers(
    worlds: tuple[EmbeddedViews, EmbeddedViews],
) -> None:
    queries, gallery = worlds
    assert DEFAULTS.neighbours > 12
    result = evaluate_objectron(queries, gallery.take(np.arange(12)), "pose", "pose")
    found = result.consensus["consensus"]
    assert found.calibrated_on is None
    assert (found.brier, found.bins) == (None, [])
    assert 0 <= result.failures["consensus"].get(NO_BOX, 0) < result.n_queries


def test_the_k_nearest_are_the_sorted_row_of_similarities() -> None:
    rng = np.random.default_rng(0)
    query, gallery = (rng.normal(size=(count, 6)).astype(np.float32) for count in (9, 50))
    rows, similarity = nearest_k(query, gallery, 7)
    every = query @ gallery.T
    np.testing.assert_array_equal(rows, np.argsort(-every, axis=1)[:, :7])
    np.testing.assert_allclose(similarity, -np.sort(-every, axis=1)[:, :7])
    np.testing.assert_array_equal(rows[:, 0], nearest(query, gallery))
    assert nearest_k(query, gallery[:3], 7)[0].shape == (9, 3)
