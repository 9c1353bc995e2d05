"""What neighbours tell: boxes with reasons and assumptions, and instances."""

from __future__ import annotations

import numpy as np
import pytest

from index.answers import FittedBox, PoseQuery, answer_pose, answer_poses, answer_reid
from index.filters import Filters
from index.geometry import project
from index.search import Gallery
from training.data.records import UNIT_BOX, Camera, Plane
from training.errors import QueryError

CAMERA = Camera(60.0, 60.0, 31.5, 23.5, 64, 48)
PLANE = Plane(np.array([0.0, 0.2, 1.0]), np.array([0.0, -1.0, 0.0]))
ROTATION = np.diag([1.0, -1.0, -1.0])
TRANSLATION, SCALE = np.array([0.0, 0.1, 1.0]), np.array([0.3, 0.2, 0.25])


def true_box(rotation=ROTATION, translation=TRANSLATION, scale=SCALE) -> np.ndarray:
    """(4,) the 2-D box of the 9 projected points."""
    pixels = project(CAMERA.matrix, (UNIT_BOX * scale) @ rotation.T + translation)
    return np.concatenate([pixels.min(0), pixels.max(0)])


@pytest.fixture
def gallery(build, home, paint_at, rewrite, tmp_path) -> Gallery:
    """Sequences s0 and s1 annotated, s2 without a box, s3 without a camera, s4 without a plane."""
    lines = paint_at(tmp_path / "things")
    changed = []
    for item in lines:
        item["bbox_xyxy"] = true_box().tolist()
        drop = {"s2": "box9", "s3": "camera", "s4": "plane"}.get(item["sequence"])
        changed.append({key: value for key, value in item.items() if key != drop})
    rewrite(tmp_path / "things", changed)
    build(root=tmp_path / "things")
    return Gallery.open(home, "things")


def embedding(gallery: Gallery, sequence: str, head: str = "pose") -> np.ndarray:
    """The stored vector of the sequence's first view."""
    return gallery.vectors(gallery.rows(Filters(sequence=sequence))[:1], head)[0]


def test_a_view_asked_about_itself_gets_its_own_box(gallery):
    query = PoseQuery(true_box(), (64, 48), CAMERA, PLANE)
    answer = answer_pose(gallery, embedding(gallery, "s0"), query, k=3)
    assert answer.best == 0
    assert answer.assumptions == ()
    assert answer.note is None
    box = answer.best_box
    np.testing.assert_allclose(box.rotation, ROTATION, atol=1e-9)
    np.testing.assert_allclose(box.translation, TRANSLATION, atol=1e-6)
    np.testing.assert_allclose(box.scale, SCALE, atol=1e-6)
    vertices = (UNIT_BOX * box.scale) @ box.rotation.T + box.translation
    np.testing.assert_allclose(box.vertices, vertices, atol=1e-12)
    np.testing.assert_allclose(box.vertices_px, project(CAMERA.matrix, vertices), atol=1e-9)


def test_a_query_twice_as_near_is_found_there(gallery):
    near = TRANSLATION * 0.7
    plane = Plane(PLANE.center * 0.7, PLANE.normal)
    query = PoseQuery(true_box(translation=near, scale=SCALE * 0.7), (64, 48), CAMERA, plane)
    box = answer_pose(gallery, embedding(gallery, "s0"), query, k=1).best_box
    np.testing.assert_allclose(box.translation, near, rtol=0.02)
    np.testing.assert_allclose(box.scale, SCALE * 0.7, rtol=0.02)


def test_views_without_a_box_or_a_camera_say_so_and_best_passes_over_them(gallery):
    query = PoseQuery(true_box(), (64, 48), CAMERA, PLANE)
    answer = answer_pose(gallery, embedding(gallery, "s2"), query, k=30)
    reasons = {found.neighbour.view.sequence: found.reason for found in answer.neighbours}
    assert "not annotated" in reasons["s2"]
    assert "camera is not known" in reasons["s3"]
    assert reasons["s0"] is None
    assert answer.neighbours[0].neighbour.view.sequence == "s2"
    assert answer.best == next(i for i, n in enumerate(answer.neighbours) if n.reason is None)
    for found in answer.neighbours:
        assert (found.box is None) != (found.reason is None)
    assert "5 of 20 neighbours have no annotated ground plane" in answer.assumptions[0]


def test_nothing_annotated_is_an_answer_without_a_box(gallery):
    query = PoseQuery(true_box(), (64, 48))
    answer = answer_pose(
        gallery, embedding(gallery, "s2"), query, k=4, filters=Filters(sequence="s2")
    )
    assert answer.best is None
    assert answer.best_box is None
    assert len(answer.neighbours) == 4
    none = answer_pose(gallery, embedding(gallery, "s2"), query, filters=Filters(category="no"))
    assert none.neighbours == ()
    assert none.best is None


def test_what_is_not_given_is_assumed_and_said(gallery):
    answer = answer_pose(gallery, embedding(gallery, "s0"), PoseQuery(true_box(), (64, 48)), k=1)
    camera, plane = answer.assumptions
    assert "No camera was given: a 60° field of view" in camera
    assert "No ground plane was given" in plane
    # 60° across 64 pixels
    assert answer.camera.fx == pytest.approx(32 / np.tan(np.pi / 6))
    assert (answer.camera.cx, answer.camera.cy) == (31.5, 23.5)
    assert answer.best == 0
    # Its size is the neighbour's own, and it fills the crop.
    np.testing.assert_allclose(answer.best_box.scale, SCALE)
    corners = answer.best_box.vertices_px
    assert np.ptp(corners[:, 0]) == pytest.approx(np.ptp(true_box()[::2]), rel=0.1)


@pytest.mark.parametrize(
    ("plane", "reason"),
    [
        (Plane(np.array([0.0, 0.2, 1.0]), np.array([0.0, 1.0, 0.0])), "opposite"),
        (Plane(np.array([0.0, -3.0, 1.0]), np.array([0.0, -1.0, 0.0])), "behind the camera"),
    ],
)
def test_planes_that_cannot_be_are_reasons_and_never_nan(gallery, plane, reason):
    query = PoseQuery(true_box(), (64, 48), CAMERA, plane)
    answer = answer_pose(gallery, embedding(gallery, "s0"), query, k=1)
    assert answer.best is None
    assert reason in answer.neighbours[0].reason


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (PoseQuery(np.array([5.0, 5.0, 5.0, 9.0]), (64, 48)), "is no box"),
        (PoseQuery(np.array([np.nan, 5.0, 7.0, 9.0]), (64, 48)), "is no box"),
        (PoseQuery(np.array([70.0, 5.0, 80.0, 9.0]), (64, 48)), "outside the image"),
        (PoseQuery(np.array([5.0, 5.0, 9.0, 9.0]), (32, 24), CAMERA), "the image is 32 × 24"),
        (
            PoseQuery(true_box(), (64, 48), Camera(-1.0, 60.0, 0.0, 0.0, 64, 48)),
            "not positive",
        ),
        (
            PoseQuery(true_box(), (64, 48), CAMERA, Plane(np.zeros(3), np.zeros(3))),
            "is no plane",
        ),
    ],
)
def test_impossible_queries_are_refused(gallery, query, message):
    with pytest.raises(QueryError, match=message):
        answer_pose(gallery, np.ones(24, np.float32), query)


def test_matches_are_grouped_by_instance_best_first(gallery):
    answer = answer_reid(gallery, embedding(gallery, "s2", "identity"), k=3, views_per_match=4)
    assert answer.head == "identity"
    assert answer.note is None
    assert answer.matches[0].instance == "thing1"
    assert answer.matches[0].similarity == pytest.approx(1.0, abs=1e-6)
    assert {match.instance for match in answer.matches} == {"thing0", "thing1", "thing2"}
    scores = [match.similarity for match in answer.matches]
    assert scores == sorted(scores, reverse=True)
    for match in answer.matches:
        assert match.count == 10
        assert len(match.views) == 4
        assert match.views[0].similarity == match.similarity
        assert {found.view.instance for found in match.views} == {match.instance}
    assert answer.searched == 30


def test_the_query_s_own_sequence_is_left_out_on_request(gallery):
    vector = embedding(gallery, "s2", "identity")
    answer = answer_reid(gallery, vector, k=5, exclude_sequence="s2")
    shown = {found.view.sequence for match in answer.matches for found in match.views}
    assert "s2" not in shown
    assert sum(match.count for match in answer.matches) == 25
    both = Filters(exclude_sequence="s3")
    answer = answer_reid(gallery, vector, k=5, filters=both, exclude_sequence="s2")
    assert "thing1" not in {match.instance for match in answer.matches}


def test_the_pool_grows_until_enough_instances_are_in_it(gallery, monkeypatch):
    monkeypatch.setattr("index.answers.reid.FIRST_POOL", 1)
    monkeypatch.setattr("index.answers.reid.POOL_PER_MATCH", 1)
    answer = answer_reid(gallery, embedding(gallery, "s2", "identity"), k=3)
    assert len(answer.matches) == 3


def test_no_view_is_ranked_for_instances_that_are_not_there(gallery, monkeypatch):
    """Else asking for more instances than there are would sort every view of a gallery."""
    monkeypatch.setattr("index.answers.reid.FIRST_POOL", 4)
    monkeypatch.setattr("index.answers.reid.POOL_PER_MATCH", 1)
    assert gallery.count_instances() == 3
    only = Filters(instance="thing1")
    assert gallery.count_instances(only) == 1
    answer = answer_reid(gallery, embedding(gallery, "s2", "identity"), k=3, filters=only)
    assert [match.instance for match in answer.matches] == ["thing1"]
    assert answer.searched == 4


def test_without_an_identity_head_pose_answers_with_a_note(gallery):
    gallery.heads = {"pose": 24}
    answer = answer_reid(gallery, embedding(gallery, "s2"), k=1)
    assert answer.head == "pose"
    assert "no 'identity' head" in answer.note


@pytest.mark.parametrize("plane", [PLANE, None])
@pytest.mark.parametrize("k", [1, 3, 30])
@pytest.mark.parametrize("filters", [Filters(), Filters(sequence=("s0", "s2")), Filters(split="x")])
def test_queries_asked_together_are_answered_as_alone(gallery, plane, k, filters):
    embeddings = np.stack([embedding(gallery, f"s{i}") for i in range(5)])
    wide = Camera(40.0, 50.0, 20.0, 30.0, 64, 48)
    queries = [
        PoseQuery(true_box() + i, (64, 48), (CAMERA, wide, None)[i % 3], plane) for i in range(5)
    ]
    together = answer_poses(gallery, embeddings, queries, k, filters)
    for one, vector, query in zip(together, embeddings, queries, strict=True):
        alone = answer_pose(gallery, vector, query, k, filters)
        assert (one.best, one.camera, one.head) == (alone.best, alone.camera, alone.head)
        assert (one.assumptions, one.note) == (alone.assumptions, alone.note)
        for mine, its in zip(one.neighbours, alone.neighbours, strict=True):
            assert mine.neighbour.view_id == its.neighbour.view_id
            # FAISS sums in another order for several queries.
            assert mine.neighbour.similarity == pytest.approx(its.neighbour.similarity, abs=1e-6)
            assert mine.reason == its.reason
            assert_same_box(mine.box, its.box)
        mine, its = one.consensus, alone.consensus
        assert mine.agreement == pytest.approx(its.agreement, abs=1e-5)
        assert mine.confidence == pytest.approx(its.confidence, abs=1e-5)
        assert (mine.members, mine.symmetry, mine.reason) == (
            its.members,
            its.symmetry,
            its.reason,
        )
        assert_same_box(mine.box, its.box)
        assert_same_box(mine.hypothesis, its.hypothesis)


def assert_same_box(one: FittedBox | None, other: FittedBox | None) -> None:
    assert (one is None) == (other is None)
    if one is not None and other is not None:
        for name in ("rotation", "translation", "scale", "vertices", "vertices_px"):
            np.testing.assert_allclose(
                getattr(one, name), getattr(other, name), rtol=1e-4, atol=1e-6
            )


def test_planes_are_given_for_all_queries_asked_together_or_for_none(gallery):
    with_and_without = [PoseQuery(true_box(), (64, 48), CAMERA, p) for p in (PLANE, None)]
    embeddings = np.stack([embedding(gallery, "s0")] * 2)
    with pytest.raises(ValueError, match="some of the queries have a plane"):
        answer_poses(gallery, embeddings, with_and_without)
