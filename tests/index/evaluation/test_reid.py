"""Re-identification: what is removed from the gallery, and what then can be found."""

from types import SimpleNamespace

import numpy as np
import pytest

from index.evaluation.embeddings import EmbeddedViews
from index.evaluation.reid import evaluate_reid
from index.evaluation.views import ViewTable


def by_instance(table: ViewTable) -> EmbeddedViews:
    names, codes = np.unique(table.instance, return_inverse=True)
    return EmbeddedViews(table, {"identity": np.eye(len(names), dtype=np.float32)[codes]})


def by_time(table: ViewTable) -> EmbeddedViews:
    """Neighbours in time are neighbours; everything else is far."""
    names, codes = np.unique(table.sequence, return_inverse=True)
    angle = 0.3 * table.time_s
    vectors = np.zeros((len(table), 2 * len(names)), np.float32)
    vectors[np.arange(len(table)), 2 * codes] = np.cos(angle)
    vectors[np.arange(len(table)), 2 * codes + 1] = np.sin(angle)
    return EmbeddedViews(table, {"identity": vectors})


def test_an_oracle_of_the_instance_scores_one(query_world: ViewTable) -> None:
    result = evaluate_reid(by_instance(query_world), "identity")
    assert result.reid_map == result.rank1 == 1.0
    assert result.class_accuracy == result.class_accuracy_micro == 1.0
    assert result.n_queries == result.n_gallery == len(query_world)


def test_random_embeddings_score_the_share_of_positives(
    query_world: ViewTable, embedded: SimpleNamespace
) -> None:
    views = embedded.at_random(query_world, seed=5)
    result = evaluate_reid(
        EmbeddedViews(views.table, {"identity": views.vectors["pose"]}), "identity"
    )
    assert result.reid_map == pytest.approx(11 / 143, abs=0.05)
    assert result.class_accuracy == pytest.approx(0.25, abs=0.1)


def test_one_sequence_an_instance_leaves_nothing_without_it(query_world: ViewTable) -> None:
    assert evaluate_reid(by_instance(query_world), "identity").without_own_sequence is None


def test_instances_seen_in_two_sequences_are_scored_across_them(query_world: ViewTable) -> None:
    """Two sequences film one instance each frame; the embedding knows the sequence, not it."""
    merged = query_world.take(np.isin(query_world.sequence, ["cup/test-0", "cup/test-1"]))
    merged.__dict__["instance"] = np.array(["the cup"] * len(merged))
    other = query_world.take(query_world.category == "shoe")
    views = ViewTable(
        views=merged.views + other.views,
        sequence=np.concatenate([merged.sequence, other.sequence]),
        split=np.concatenate([merged.split, other.split]),
        has_clock=np.concatenate([merged.has_clock, other.has_clock]),
    )
    views.__dict__["instance"] = np.concatenate([merged.instance, other.instance])
    result = evaluate_reid(by_instance(views), "identity")
    assert result.without_own_sequence is not None
    assert result.without_own_sequence.reid_map == 1.0
    assert result.without_own_sequence.n_queries == len(merged)


def test_frames_close_in_time_can_be_removed(query_world: ViewTable) -> None:
    """Frames are 0.2 s apart: with 0.2 s removed, two views fewer answer; with all, none."""
    views = by_time(query_world)
    assert evaluate_reid(views, "identity").n_queries == len(query_world)
    assert evaluate_reid(views, "identity", exclude_seconds=0.2).n_queries == len(query_world)
    assert evaluate_reid(views, "identity", exclude_seconds=100.0).n_queries == 0
    assert evaluate_reid(views, "identity", exclude_seconds=100.0).reid_map is None


def test_the_querys_own_frame_never_answers(query_world: ViewTable) -> None:
    """An embedding unique to each frame finds itself alone; without itself it is at chance."""
    count = len(query_world)
    views = EmbeddedViews(query_world, {"identity": np.eye(count, dtype=np.float32)})
    result = evaluate_reid(views, "identity")
    assert result.reid_map == pytest.approx(11 / 143)
