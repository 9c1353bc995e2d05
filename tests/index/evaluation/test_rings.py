"""ETH-80 and COIL-100 on worlds where the right answer is known."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest

from index.evaluation.coil100 import evaluate_coil100
from index.evaluation.embeddings import EmbeddedViews
from index.evaluation.eth80 import evaluate_eth80
from index.evaluation.views import ViewTable
from training.errors import DataError

Rings = Callable[..., ViewTable]


def test_eth80_an_oracle_of_the_azimuth_makes_no_error(
    rings: Rings, embedded: SimpleNamespace
) -> None:
    result = evaluate_eth80(
        embedded.by_azimuth(rings({"car": 4, "cow": 3}, 22.5, 90.0)), "pose", "pose"
    )
    assert result.azimuth_error_mean_deg == 0.0
    assert result.share_within_22_5_deg == 1.0
    assert result.n_queries == 7 * 16
    assert result.azimuth_error_mean_deg_by_category == {"car": 0.0, "cow": 0.0, "mean": 0.0}


def test_eth80_names_cut_to_whole_degrees_stay_one_step_apart(
    rings: Rings, embedded: SimpleNamespace
) -> None:
    table = rings({"car": 2}, 22.5, 90.0, whole_degrees=True)
    # Each view answers with its neighbour's: the embeddings of one instance are turned by a step.
    vectors = embedded.by_azimuth(table).vectors["pose"].copy()
    vectors[16:] = np.roll(vectors[16:], 1, axis=0)
    result = evaluate_eth80(EmbeddedViews(table, {"pose": vectors}), "pose", "pose")
    assert result.azimuth_error_mean_deg == 22.5
    assert result.share_within_22_5_deg == 1.0


def test_eth80_its_own_instance_and_other_categories_never_answer(rings: Rings) -> None:
    """An embedding that would be right only there: the one of another instance is opposite."""
    table = rings({"car": 2, "cow": 1}, 22.5, 90.0)
    azimuth = np.radians(table.attribute("azimuth_deg"))
    opposite = np.where(table.instance == "car2", np.pi, 0.0)
    vectors = np.column_stack([np.cos(azimuth + opposite), np.sin(azimuth + opposite)])
    result = evaluate_eth80(EmbeddedViews(table, {"pose": vectors.astype("f4")}), "pose", "pose")
    assert result.azimuth_error_mean_deg == 180.0
    assert result.n_queries == 32  # the lone cow has no gallery


def test_eth80_views_off_the_level_ring_are_asked_for_identity_only(
    rings: Rings, embedded: SimpleNamespace
) -> None:
    with pytest.raises(DataError, match="polar angle 90"):
        evaluate_eth80(embedded.by_azimuth(rings({"car": 2}, 22.5, 45.0)), "pose", "pose")


def test_eth80_random_embeddings_err_by_90_degrees(rings: Rings, embedded: SimpleNamespace) -> None:
    result = evaluate_eth80(
        embedded.at_random(rings({"car": 25, "cow": 25}, 22.5, 90.0), seed=1), "pose", "pose"
    )
    assert result.azimuth_error_mean_deg == pytest.approx(90.0, abs=6.0)
    assert result.share_within_22_5_deg == pytest.approx(3 / 16, abs=0.04)
    assert result.reid_map == pytest.approx(15 / 799, abs=0.02)


def test_coil100_an_oracle_of_the_azimuth_reaches_the_best_possible_error(
    rings: Rings, embedded: SimpleNamespace
) -> None:
    result = evaluate_coil100(
        embedded.by_azimuth(rings({"obj": 5}, 5.0, 90.0), instance_weight=2.0), "pose", "pose"
    )
    assert result.azimuth_error_mean_deg == result.best_possible_azimuth_error_deg == 15.0
    assert (result.n_queries, result.n_pose_queries) == (5 * 72, 5 * 12)
    assert result.reid_map == 1.0
    assert result.rank1 == 1.0


def test_coil100_neighbours_within_45_degrees_cannot_answer(
    rings: Rings, embedded: SimpleNamespace
) -> None:
    """An embedding of the angle alone finds every object at the same angle, and none of its own:
    what is left of its own object lies 50° and more away."""
    result = evaluate_coil100(
        embedded.by_azimuth(rings({"obj": 3}, 5.0, 90.0), instance_weight=0.1), "pose", "pose"
    )
    assert result.rank1 == 0.0


def test_coil100_repeats_the_scores_without_the_objects_that_barely_change(
    rings: Rings, embedded: SimpleNamespace
) -> None:
    table = rings({"obj": 50}, 15.0, 90.0)
    result = evaluate_coil100(embedded.by_azimuth(table, 2.0), "pose", "pose")
    assert result.n_queries == 50 * 24
    assert result.without_barely_changing.n_queries == 48 * 24  # 47 and 50 are gone


def test_fewer_queries_are_drawn_by_seed(rings: Rings, embedded: SimpleNamespace) -> None:
    views = embedded.at_random(rings({"obj": 6}, 5.0, 90.0), seed=2)
    first = evaluate_coil100(views, "pose", "pose", max_queries=40, seed=3)
    again = evaluate_coil100(views, "pose", "pose", max_queries=40, seed=3)
    other = evaluate_coil100(views, "pose", "pose", max_queries=40, seed=4)
    assert first == again
    assert first != other
    assert (first.n_queries, first.n_pose_queries) == (40, 40)


def test_a_dataset_without_angles_is_refused(
    query_world: ViewTable, embedded: SimpleNamespace
) -> None:
    with pytest.raises(DataError, match="azimuth_deg"):
        evaluate_coil100(embedded.at_random(query_world, seed=0), "pose", "pose")
