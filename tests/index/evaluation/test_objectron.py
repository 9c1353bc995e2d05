"""Objectron's rows on a world of known boxes: what a perfect, a random and no embedding reach."""

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from index.evaluation.embeddings import EmbeddedViews
from index.evaluation.objectron import NO_CANDIDATE, ObjectronResult, evaluate_objectron
from index.evaluation.sampling import sequence_subset
from index.evaluation.views import ViewTable
from index.geometry.plane_noise import noisy_planes
from training.errors import DataError

BASE_ROWS = {
    "nearest_neighbour",
    "random_fit",
    "random_in_category_fit",
    "sequences_10_percent",
    "sequences_1_percent",
    "oracle_rotation",
    "nearest_neighbour_noisy_plane",
    "nearest_neighbour_no_plane",
    "consensus",
    "consensus_noisy_plane",
    "consensus_no_plane",
    "random_in_category_consensus",
}


@pytest.fixture(scope="module")
def oracle(
    query_world: ViewTable, train_world: ViewTable, embedded: SimpleNamespace
) -> ObjectronResult:
    return evaluate_objectron(
        embedded.by_pose(query_world), embedded.by_pose(train_world), "pose", "pose"
    )


def test_every_row_has_its_symmetric_twin_every_category_and_the_mean(
    oracle: ObjectronResult,
) -> None:
    assert set(oracle.hit_rate) == BASE_ROWS | {f"{row}_symmetric" for row in BASE_ROWS}
    for values in oracle.hit_rate.values():
        assert list(values) == ["book", "chair", "cup", "shoe", "mean"]
        parts = [values[name] for name in ("book", "chair", "cup", "shoe")]
        assert values["mean"] == pytest.approx(np.mean(parts))
    assert oracle.n_queries == 4 * 3 * 12
    assert oracle.n_queries_by_category == {"book": 36, "chair": 36, "cup": 36, "shoe": 36}


def test_an_embedding_that_knows_the_pose_hits(oracle: ObjectronResult) -> None:
    assert oracle.hit_rate["nearest_neighbour"]["mean"] > 0.98
    assert oracle.mean_iou["nearest_neighbour"]["mean"] > 0.8
    assert oracle.class_accuracy == oracle.class_accuracy_micro == 1.0


def test_nearest_beats_random_in_category_beats_random(oracle: ObjectronResult) -> None:
    mean = {row: values["mean"] for row, values in oracle.mean_iou.items()}
    assert mean["nearest_neighbour"] > mean["random_in_category_fit"] + 0.1
    assert mean["random_in_category_fit"] > mean["random_fit"] + 0.1


def test_the_oracle_of_rotation_needs_no_embedding(
    query_world: ViewTable,
    train_world: ViewTable,
    embedded: SimpleNamespace,
    oracle: ObjectronResult,
) -> None:
    blind = evaluate_objectron(
        embedded.at_random(query_world, seed=1),
        embedded.at_random(train_world, seed=2),
        "pose",
        "pose",
    )
    assert blind.hit_rate["oracle_rotation"] == oracle.hit_rate["oracle_rotation"]
    assert blind.hit_rate["oracle_rotation"]["mean"] > 0.98


def test_a_worse_plane_gives_a_worse_fit(oracle: ObjectronResult) -> None:
    mean = {row: values["mean"] for row, values in oracle.mean_iou.items()}
    assert mean["nearest_neighbour_noisy_plane"] < mean["nearest_neighbour"] - 0.05
    assert mean["nearest_neighbour_no_plane"] < mean["nearest_neighbour"] - 0.05


def test_the_symmetry_rule_helps_cups_and_changes_nothing_else(oracle: ObjectronResult) -> None:
    for row in BASE_ROWS:
        plain, turned = oracle.mean_iou[row], oracle.mean_iou[f"{row}_symmetric"]
        assert turned["cup"] >= plain["cup"]
        for category in ("book", "chair", "shoe"):
            assert turned[category] == plain[category]


def test_fewer_sequences_offer_fewer_views(oracle: ObjectronResult) -> None:
    assert oracle.gallery["nearest_neighbour"].sequences == 32
    assert oracle.gallery["sequences_10_percent"].sequences == 3
    assert oracle.gallery["sequences_1_percent"].sequences == 1  # 0.32 of a sequence: one stays
    assert oracle.gallery["sequences_1_percent"].views == 24


def test_random_embeddings_do_as_the_random_fit(
    query_world: ViewTable, train_world: ViewTable, embedded: SimpleNamespace
) -> None:
    result = evaluate_objectron(
        embedded.at_random(query_world, seed=1),
        embedded.at_random(train_world, seed=2),
        "pose",
        "pose",
    )
    assert result.hit_rate["nearest_neighbour"]["mean"] == pytest.approx(
        result.hit_rate["random_fit"]["mean"], abs=0.12
    )
    assert result.class_accuracy == pytest.approx(0.25, abs=0.12)
    assert sum(result.failures["random_fit"].values()) < result.n_queries


def test_the_same_seed_gives_the_same_figures(
    query_world: ViewTable, train_world: ViewTable, embedded: SimpleNamespace
) -> None:
    arguments = (embedded.by_pose(query_world), embedded.by_pose(train_world), "pose", "pose")
    first, again, other = (
        evaluate_objectron(*arguments, max_queries=30, seed=seed) for seed in (7, 7, 8)
    )
    assert first == again
    assert first.n_queries == 30
    assert first.hit_rate["random_fit"] != other.hit_rate["random_fit"]


def test_a_category_the_gallery_lacks_is_a_counted_miss(
    query_world: ViewTable, train_world: ViewTable, embedded: SimpleNamespace
) -> None:
    without = train_world.take(train_world.category != "shoe")
    result = evaluate_objectron(
        embedded.by_pose(query_world), embedded.by_pose(without), "pose", "pose"
    )
    assert result.hit_rate["random_in_category_fit"]["shoe"] == 0.0
    assert result.failures["random_in_category_fit"][NO_CANDIDATE] == 36


def test_views_without_a_pose_are_left_out_and_counted(
    query_world: ViewTable, train_world: ViewTable, embedded: SimpleNamespace
) -> None:
    first, rest = query_world.take(np.arange(5)), query_world.take(np.arange(5, len(query_world)))
    partly = replace(
        query_world, views=tuple(replace(view, box9=None) for view in first.views) + rest.views
    )
    vectors = embedded.by_pose(query_world).vectors
    result = evaluate_objectron(
        EmbeddedViews(partly, vectors), embedded.by_pose(train_world), "pose", "pose"
    )
    assert result.n_views_without_pose == 5
    assert result.n_queries == len(query_world) - 5


def test_a_gallery_without_any_pose_is_refused(
    query_world: ViewTable, embedded: SimpleNamespace, rings: Callable[..., ViewTable]
) -> None:
    bare = rings({"cup": 2}, 90.0, 90.0)
    vectors = np.zeros((len(bare), 13), np.float32)
    with pytest.raises(DataError, match="None of the 8 gallery views"):
        evaluate_objectron(
            embedded.by_pose(query_world), EmbeddedViews(bare, {"pose": vectors}), "pose", "pose"
        )


def test_noisy_planes_have_the_noise_they_state() -> None:
    rng = np.random.default_rng(0)
    normal = rng.normal(size=(20000, 3))
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    center = rng.normal(size=(20000, 3)) + 3
    moved, tilted = noisy_planes(center, normal, rng)
    np.testing.assert_allclose(np.linalg.norm(tilted, axis=1), 1.0)
    tilt = np.degrees(np.arccos(np.clip((tilted * normal).sum(axis=1), -1, 1)))
    assert np.sqrt((tilt**2).mean()) == pytest.approx(3.0, rel=0.03)
    ratio = (moved / center)[:, 0]
    assert ratio.std() == pytest.approx(0.05, rel=0.03)


def test_a_share_of_sequences_is_whole_sequences() -> None:
    sequence = np.repeat([f"s{i:03d}" for i in range(200)], 3)
    for share, count in ((0.1, 20), (0.01, 2), (0.001, 1)):
        kept = sequence_subset(sequence, share, np.random.default_rng(0))
        assert kept.sum() == 3 * count
        assert len(np.unique(sequence[kept])) == count
