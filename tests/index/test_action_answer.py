"""The vote of a clip's frames, against the formula written as two loops."""

from __future__ import annotations

import math

import numpy as np
import pytest

from index.answers import answer_action
from index.answers.action import TEMPERATURE, neighbour_weights
from index.filters import Filters
from index.search import Gallery
from training.errors import QueryError


@pytest.fixture
def gallery(build, home) -> Gallery:
    """s0 and s3 show cups, s1 and s4 shoes, s2 and s5 books; five frames each."""
    build()
    return Gallery.open(home, "things")


def stored(gallery: Gallery, sequence: str, frames: list[int], head: str = "pose") -> np.ndarray:
    """(F, dim) the stored vectors of these frames."""
    views = gallery.views(gallery.rows(Filters(sequence=sequence)))
    row_of = {view.frame: row for row, view in views.items()}
    return gallery.vectors(np.array([row_of[frame] for frame in frames]), head)


def test_a_clip_of_the_gallery_gets_its_own_action(gallery):
    answer = answer_action(gallery, stored(gallery, "s1", [0, 1, 2]), k=3)
    assert answer.best.category == "shoe"
    assert answer.best.frames == 3
    assert (answer.head, answer.note) == ("pose", None)
    assert [frame.category for frame in answer.frames] == ["shoe"] * 3
    assert all(len(frame.neighbours) == 3 for frame in answer.frames)
    nearest = answer.clips[0]
    assert (nearest.best.view.sequence, nearest.frames) == ("s1", 3)
    assert nearest.best.similarity == pytest.approx(1.0, abs=1e-5)
    assert nearest.in_order == 1.0


def test_the_vote_is_the_formula(gallery):
    queries = np.random.default_rng(3).normal(size=(4, 24)).astype(np.float32)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    answer = answer_action(gallery, queries, k=12, clips=100)
    expected: dict[str, float] = {}
    clips: dict[str, float] = {}
    for neighbours in gallery.search(queries, "pose", 12):
        total = sum(math.exp(n.similarity / TEMPERATURE) for n in neighbours)
        for n in neighbours:
            part = math.exp(n.similarity / TEMPERATURE) / total / len(queries)
            expected[n.view.category] = expected.get(n.view.category, 0) + part
            clips[n.view.sequence] = clips.get(n.view.sequence, 0) + part
    assert {a.category: a.share for a in answer.actions} == pytest.approx(expected)
    assert {c.best.view.sequence: c.share for c in answer.clips} == pytest.approx(clips)
    assert sum(a.share for a in answer.actions) == pytest.approx(1.0)
    assert sum(a.frames for a in answer.actions) == len(queries)
    shares = [a.share for a in answer.actions]
    assert shares == sorted(shares, reverse=True)


def test_every_frame_has_one_vote(gallery):
    """Three frames of a cup outvote one of a shoe, however near the shoe's neighbours are."""
    clip = np.concatenate([stored(gallery, "s0", [0, 1, 2]), stored(gallery, "s1", [0])])
    answer = answer_action(gallery, clip, k=1)
    assert [(a.category, a.share, a.frames) for a in answer.actions] == [
        ("cup", pytest.approx(0.75), 3),
        ("shoe", pytest.approx(0.25), 1),
    ]


def test_a_clip_played_backwards_is_not_in_order(gallery):
    forwards = answer_action(gallery, stored(gallery, "s2", [0, 1, 2, 3]), k=1).clips[0]
    backwards = answer_action(gallery, stored(gallery, "s2", [3, 2, 1, 0]), k=1).clips[0]
    assert (forwards.in_order, backwards.in_order) == (1.0, 0.0)
    assert answer_action(gallery, stored(gallery, "s2", [1]), k=1).clips[0].in_order is None


def test_filters_apply_before_the_vote(gallery):
    clip = stored(gallery, "s1", [0, 1])
    answer = answer_action(gallery, clip, k=5, filters=Filters(exclude_sequence="s1"))
    assert "s1" not in {clip.best.view.sequence for clip in answer.clips}
    nothing = answer_action(gallery, clip, filters=Filters(category="boat"))
    assert nothing.best is None
    assert nothing.clips == ()
    assert [(frame.category, frame.share) for frame in nothing.frames] == [(None, 0.0)] * 2


def test_nearer_neighbours_weigh_more_and_far_ones_never_overflow():
    weights = neighbour_weights([0.9, 0.83, 0.2])
    assert weights[0] / weights[1] == pytest.approx(math.e)
    assert weights.sum() == pytest.approx(1.0)
    assert neighbour_weights([-1.0, -1.0]).tolist() == [0.5, 0.5]
    assert neighbour_weights([]).size == 0


def test_a_clip_without_frames_and_a_missing_head_are_refused(gallery):
    with pytest.raises(QueryError, match="no frames"):
        answer_action(gallery, np.zeros((0, 24), np.float32))
    with pytest.raises(QueryError, match="k is 0"):
        answer_action(gallery, stored(gallery, "s0", [0]), k=0)
    with pytest.raises(QueryError, match="no head 'depth'"):
        answer_action(gallery, stored(gallery, "s0", [0]), head="depth")


def test_an_index_without_the_head_falls_back_and_says_so(gallery, monkeypatch):
    monkeypatch.delitem(gallery.heads, "pose")
    answer = answer_action(gallery, stored(gallery, "s4", [0, 2], "identity"), k=1)
    assert (answer.head, answer.best.category) == ("identity", "shoe")
    assert "'identity' head was used instead" in answer.note
