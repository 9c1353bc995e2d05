"""A build stores how sure its answers are, says so when it cannot, and ends in the same bytes."""

from __future__ import annotations

import json
import signal

import numpy as np
import pytest

from index.answers import PoseQuery, answer_pose
from index.answers.pooling import FEATURES
from index.build import build_index
from index.confidence import FILE
from index.home import Home
from index.manifest import Manifest
from index.search import Gallery
from index.store.database import close_database
from index.verify import verify_version
from training.data.records import Camera, Plane
from training.errors import GalleryError, QueryError

CAMERA = Camera(60.0, 60.0, 31.5, 23.5, 64, 48)
PLANE = Plane(np.array([0.0, 0.2, 1.0]), np.array([0.0, -1.0, 0.0]))
CROP = np.array([20.0, 16.0, 44.0, 31.0])


@pytest.fixture
def built(build, turning):
    return build(root=turning)


def test_a_gallery_of_boxes_is_calibrated_and_hashed(built, home):
    gallery = Gallery.open(home, "things")
    stored = gallery.confidence
    assert stored.head == "pose"
    for calibration in (stored.exact, stored.measured, stored.none):
        assert calibration.features == FEATURES
        assert 0 < calibration.hits < calibration.queries <= 96
        assert 0.0 < calibration.held_out.brier < 0.3
    assert json.loads((built.folder / FILE).read_text())["head"] == "pose"
    assert Manifest.read(built.folder).confidence_sha256 is not None
    assert verify_version(home, "things").problems == ()


def test_an_answer_carries_the_confidence_for_what_is_known_of_the_ground(built, home):
    gallery = Gallery.open(home, "things")
    vector = gallery.vectors(np.array([0]), "pose")[0]
    for plane, calibration in ((PLANE, "measured"), (None, "none")):
        answer = answer_pose(gallery, vector, PoseQuery(CROP, (64, 48), CAMERA, plane), k=3)
        consensus = answer.consensus
        assert 0.0 < consensus.confidence < 1.0
        assert max(consensus.members, default=0) < 3
        other = gallery.confidence.model_copy(update={calibration: None})
        gallery.confidence, kept = other, gallery.confidence
        again = answer_pose(gallery, vector, PoseQuery(CROP, (64, 48), CAMERA, plane), k=3)
        assert again.consensus.confidence is None
        gallery.confidence = kept


def test_a_calibration_of_another_pooling_or_head_is_not_used(built, home):
    gallery = Gallery.open(home, "things")
    vector = gallery.vectors(np.array([0]), "pose")[0]
    query = PoseQuery(CROP, (64, 48), CAMERA, PLANE)
    assert answer_pose(gallery, vector, query).consensus.confidence is not None
    stored = gallery.confidence
    for change in ({"settings": stored.settings | {"temperature": 0.2}}, {"head": "identity"}):
        gallery.confidence = stored.model_copy(update=change)
        consensus = answer_pose(gallery, vector, query).consensus
        assert consensus.confidence is None
        assert consensus.hypothesis is not None


def test_how_sure_an_answer_must_be_is_the_caller_s_to_say(built, home):
    gallery = Gallery.open(home, "things")
    vector = gallery.vectors(np.array([0]), "pose")[0]
    query = PoseQuery(CROP, (64, 48), CAMERA, PLANE)
    answers = [answer_pose(gallery, vector, query, abstain_below=p).consensus for p in (0.0, 1.0)]
    assert answers[0].confidence == answers[1].confidence
    assert answers[1].box is None
    assert "less than 100%" in answers[1].reason or "split" in answers[1].reason
    with pytest.raises(QueryError, match=r"abstain_below is 1\.5"):
        answer_pose(gallery, vector, query, abstain_below=1.5)


def test_the_consensus_asks_as_many_however_few_are_shown(built, home):
    gallery = Gallery.open(home, "things")
    vector = gallery.vectors(np.array([40]), "pose")[0]
    query = PoseQuery(CROP, (64, 48), CAMERA, PLANE)
    few, many = (answer_pose(gallery, vector, query, k=k) for k in (2, 30))
    assert (len(few.neighbours), len(many.neighbours)) == (2, 30)
    np.testing.assert_array_equal(
        few.consensus.hypothesis.vertices, many.consensus.hypothesis.vertices
    )
    assert few.consensus.confidence == many.consensus.confidence


@pytest.mark.parametrize("damage", ["changed", "gone", "other"])
def test_a_damaged_calibration_is_refused(built, home, damage):
    file = built.folder / FILE
    if damage == "changed":
        file.write_bytes(file.read_bytes().replace(b'"intercept": ', b'"intercept": 1'))
    elif damage == "gone":
        file.unlink()
    else:
        file.write_bytes(b"{}")
    with pytest.raises(GalleryError, match=FILE):
        Gallery.open(home, "things")
    verdict = verify_version(home, "things")
    assert any(FILE in problem for problem in verdict.problems)


def test_a_gallery_without_boxes_builds_and_has_no_confidence(
    build, home, paint_at, rewrite, tmp_path
):
    lines = paint_at(tmp_path / "bare")
    rewrite(
        tmp_path / "bare",
        [{k: v for k, v in item.items() if k not in ("box9", "plane")} for item in lines],
    )
    result = build(root=tmp_path / "bare")
    assert not (result.folder / FILE).exists()
    assert "confidence" not in (result.folder / "manifest.json").read_text()
    assert Gallery.open(home, "things").confidence is None
    assert verify_version(home, "things").problems == ()


def test_without_planes_only_the_calibration_that_needs_none_is_fitted(
    build, home, turning, rewrite, tmp_path
):
    import shutil

    shutil.copytree(turning, tmp_path / "flying")
    lines = [json.loads(text) for text in (turning / "manifest.jsonl").read_text().splitlines()]
    for item in lines:
        del item["plane"]
    rewrite(tmp_path / "flying", lines)
    build(root=tmp_path / "flying")
    stored = Gallery.open(home, "things").confidence
    assert (stored.exact, stored.measured) == (None, None)
    assert stored.none.queries > 90


def test_a_version_of_before_there_was_a_calibration_keeps_its_name_and_opens(build, home):
    """Its manifest has no such field; reading and writing it must not add one."""
    result = build()  # all boxes alike: nothing to learn from
    text = (result.folder / "manifest.json").read_text()
    assert "confidence" not in text
    manifest = Manifest.parse(text, "x")
    assert manifest.text == text
    assert manifest.version == result.version
    assert Gallery.open(home, "things").confidence is None


@pytest.mark.parametrize("stage", ["after-a-shard", "after-confidence", "before-rename"])
def test_killed_builds_end_in_the_same_calibration(
    home, turning, encoder, tmp_path, child, stage, monkeypatch
):
    monkeypatch.setattr("index.building.plan.SHARD_VIEWS", 8)
    calm = Home.open(tmp_path / "calm", f"sqlite:///{tmp_path / 'calm.sqlite'}")
    whole = build_index(calm, "things", [(turning, "manifest")], encoder)
    close_database(calm)
    with child(home, turning, stage) as killed:
        assert killed.wait(60) == -signal.SIGKILL
    result = build_index(home, "things", [(turning, "manifest")], encoder)
    assert result.version == whole.version
    assert (result.folder / FILE).read_bytes() == (whole.folder / FILE).read_bytes()
