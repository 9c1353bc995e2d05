"""A crop over HTTP: neighbours, a box that lies on the object, matches by instance."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from index.answers.consensus import ABSTAIN_BELOW
from service.settings import Settings
from tests.service.conftest import Live, Query, Start


def test_a_pose_is_answered(live: Live, query: Query) -> None:
    answer = live.ask("/pose/estimate", query.jpeg, query.request)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["index"]["name"] == "toys"
    assert told["head"] == "pose"
    assert len(told["neighbours"]) == 5
    similarity = [one["similarity"] for one in told["neighbours"]]
    assert similarity == sorted(similarity, reverse=True)
    assert told["assumptions"] == []
    assert told["query"]["bbox"] == query.request["bbox"]
    assert (told["query"]["image_width"], told["query"]["image_height"]) == (320, 240)
    assert told["timings_ms"] is None
    for one in told["neighbours"]:
        assert len(one["view"]["id"]) == 16
        assert (one["box"] is None) != (one["reason"] is None)


def test_the_box_lies_on_the_object(live: Live, query: Query) -> None:
    """Fitted from the same category: its projection covers the crop and it stands on the ground."""
    request = {**query.request, "filters": {"category": "cup"}}
    box = live.ask("/pose/estimate", query.jpeg, request).json()["box"]
    vertices = np.array(box["vertices_m"])
    rotation = np.array(box["rotation"])
    rebuilt = (np.array(box["vertices_m"]) - box["translation_m"]) @ rotation / box["scale_m"]
    np.testing.assert_allclose(np.abs(rebuilt[1:]), 0.5, atol=1e-9)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-9)
    pixels = np.array(box["vertices_px"])
    x0, y0, x1, y1 = query.request["bbox"]  # type: ignore[misc]
    np.testing.assert_allclose(pixels.min(axis=0), (x0, y0), atol=12)
    np.testing.assert_allclose(pixels.max(axis=0), (x1, y1), atol=12)
    np.testing.assert_allclose(vertices[0], query.box.translation, atol=0.06)


def test_the_answer_is_what_the_neighbours_agree_on(live: Live, query: Query) -> None:
    request = {**query.request, "filters": {"category": "cup"}}
    told = live.ask("/pose/estimate", query.jpeg, request).json()
    consensus = told["consensus"]
    assert told["box"] == consensus["box"] == consensus["hypothesis"]
    assert told["reason"] is consensus["reason"] is None
    assert 0 < consensus["agreement"] <= 1
    assert consensus["members"]
    sizes = [told["neighbours"][member]["box"]["scale_m"] for member in consensus["members"]]
    found = np.array(consensus["hypothesis"]["scale_m"])
    assert (np.abs(np.array(sizes) - found) < 0.2 * found).all()


def test_the_operator_says_how_sure_an_answer_must_be(
    start: Start, home: Path, query: Query
) -> None:
    told = start(home, abstain_below=1.0).ask("/pose/estimate", query.jpeg, query.request).json()
    assert told["box"] is None
    assert "less than 100%" in told["reason"]
    assert told["consensus"]["hypothesis"]["scale_m"]


def test_the_server_abstains_as_the_library_does() -> None:
    assert Settings.model_fields["abstain_below"].default == ABSTAIN_BELOW


def test_where_it_abstains_the_hypothesis_and_the_reason_are_told(
    live: Live, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    from service import questions

    def unsure(*args: Any, **options: Any) -> Any:
        (answer,) = answer_poses(*args, **options)
        doubt = replace(answer.consensus, box=None, confidence=0.1, reason="They disagree.")
        return [replace(answer, consensus=doubt)]

    answer_poses = questions.answer_poses
    monkeypatch.setattr(questions, "answer_poses", unsure)
    told = live.ask("/pose/estimate", query.jpeg, query.request).json()
    assert told["box"] is told["consensus"]["box"] is None
    assert told["reason"] == told["consensus"]["reason"] == "They disagree."
    assert told["consensus"]["hypothesis"]["scale_m"]
    assert told["consensus"]["confidence"] == 0.1


def test_what_is_not_given_is_assumed_and_said(live: Live, query: Query) -> None:
    told = live.ask("/pose/estimate", query.jpeg).json()
    said = " ".join(told["assumptions"])
    assert "No bbox" in said
    assert "No camera" in said
    assert "No ground plane" in said
    assert told["query"]["bbox"] == [-0.5, -0.5, 319.5, 239.5]
    assert told["query"]["plane"] is None
    assert told["query"]["camera"]["cx"] == 159.5


def test_an_answer_is_the_same_for_a_request_sent_as_a_file(live: Live, query: Query) -> None:
    files = {
        "image": ("q.jpg", query.jpeg, "image/jpeg"),
        "request": ("q.json", json.dumps(query.request), "application/json"),
    }
    as_file = live.client.post("/pose/estimate", files=files).json()
    as_text = live.ask("/pose/estimate", query.jpeg, query.request).json()
    assert as_file["neighbours"] == as_text["neighbours"]


def test_instances_are_matched(live: Live, query: Query) -> None:
    told = live.ask("/reid/search", query.jpeg, {**query.request, "k": 3}).json()
    assert told["head"] == "identity"
    assert told["note"] is None
    names = [match["instance"] for match in told["matches"]]
    assert len(names) == len(set(names)) == 3
    for match in told["matches"]:
        assert match["similarity"] == match["views"][0]["similarity"]
        assert {found["view"]["instance"] for found in match["views"]} == {match["instance"]}


@pytest.mark.parametrize(
    ("filters", "key", "allowed"),
    [
        ({"category": "book"}, "category", {"book"}),
        ({"exclude_instance": "cup-0"}, "instance", {"cup-1", "book-0", "book-1"}),
        ({"exclude_sequence": "cup/0", "category": "cup"}, "sequence", {"cup/1"}),
        ({"exclude_sequence": "toys/cup/0", "category": "cup"}, "sequence", {"cup/1"}),
        ({"exclude_sequence": "dolls/cup/0", "category": "cup"}, "sequence", {"cup/0", "cup/1"}),
        ({"exclude_instance": "toys/cup-1", "category": "cup"}, "instance", {"cup-0"}),
        ({"annotated": True, "category": "cup"}, "instance", {"cup-0", "cup-1"}),
        ({"annotated": False}, "instance", set()),
        ({"dataset": "toys", "split": "train"}, "split", {"train"}),
    ],
)
def test_filters_hold_before_ranking(
    live: Live, query: Query, filters: dict[str, object], key: str, allowed: set[str]
) -> None:
    request = {**query.request, "k": 24, "filters": filters}
    neighbours = live.ask("/pose/estimate", query.jpeg, request).json()["neighbours"]
    assert {one["view"][key] for one in neighbours} == allowed


def test_no_view_passes_the_filters(live: Live, query: Query) -> None:
    request = {**query.request, "filters": {"category": "whale"}}
    told = live.ask("/pose/estimate", query.jpeg, request).json()
    assert told["neighbours"] == []
    assert told["box"] is None
    assert "filters" in told["reason"]
    assert told["reason"] == told["consensus"]["reason"]
    assert told["consensus"]["hypothesis"] is None
    assert live.ask("/reid/search", query.jpeg, request).json()["matches"] == []


def test_exif_orientation_is_applied(live: Live, query: Query) -> None:
    """A picture stored sideways with a mark is the same question as the upright one."""
    image = cv2.imdecode(np.frombuffer(query.jpeg, np.uint8), cv2.IMREAD_COLOR)
    sideways = cv2.rotate(image, cv2.ROTATE_90_COUNTERCLOCKWISE)
    png = cv2.imencode(".jpg", sideways, [cv2.IMWRITE_JPEG_QUALITY, 100])[1].tobytes()
    mark = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    stored = png[:2] + b"\xff\xe1" + (len(mark) + 2).to_bytes(2, "big") + mark + png[2:]
    told = live.ask("/pose/estimate", stored, query.request).json()
    upright = live.ask("/pose/estimate", query.jpeg, query.request).json()
    assert (told["query"]["image_width"], told["query"]["image_height"]) == (320, 240)
    assert told["neighbours"][0]["view"] == upright["neighbours"][0]["view"]
    assert told["neighbours"][0]["similarity"] == pytest.approx(
        upright["neighbours"][0]["similarity"], abs=0.02
    )


def test_a_view_and_its_thumbnail(live: Live, query: Query) -> None:
    found = live.ask("/pose/estimate", query.jpeg, query.request).json()["neighbours"][0]["view"]
    told = live.client.get(f"/views/{found['id']}").json()
    assert {key: told[key] for key in found} == found
    assert told["image_width"] == 320
    assert np.linalg.det(np.array(told["box"]["rotation"])) == pytest.approx(1.0)
    picture = live.client.get(found["thumbnail_url"])
    assert picture.headers["content-type"] == "image/jpeg"
    decoded = cv2.imdecode(np.frombuffer(picture.content, np.uint8), cv2.IMREAD_COLOR)
    assert max(decoded.shape) <= 160


def test_the_indexes_are_told(live: Live) -> None:
    (toys,) = live.client.get("/indexes").json()["indexes"]
    assert toys["served"]
    assert toys["default"]
    counts = {key: toys[key] for key in ("views", "annotated", "instances", "sequences")}
    assert counts == {"views": 24, "annotated": 24, "instances": 4, "sequences": 4}
    assert toys["categories"] == ["book", "cup"]
    assert set(toys["heads"]) == {"pose", "identity"}


def test_health_and_version(live: Live) -> None:
    assert live.client.get("/healthz").json() == {"status": "ok"}
    assert live.client.get("/readyz").json()["index"] == "toys"
    assert live.client.get("/version").json()["limits"]["max_k"] == 200


@pytest.mark.parametrize("focal", [1.0, 1e6])
@pytest.mark.parametrize("principal", [-1e6, 0.0, 1e6])
@pytest.mark.parametrize("center", [[0.0, 0.0, 0.0], [0.0, 1e6, -1e6], [1e-9, 0.3, 1.5]])
@pytest.mark.parametrize("normal", [[0.0, -1.0, 0.0], [0.0, 1.0, 0.0], [1e-5, 0.0, 0.0]])
def test_extreme_cameras_and_planes_give_numbers_or_reasons(
    live: Live,
    query: Query,
    focal: float,
    principal: float,
    center: list[float],
    normal: list[float],
) -> None:
    request = {
        "bbox": query.request["bbox"],
        "camera": {"fx": focal, "fy": focal, "cx": principal, "cy": principal},
        "plane": {"center": center, "normal": normal},
        "k": 24,
    }
    answer = live.ask("/pose/estimate", query.jpeg, request)
    assert answer.status_code == 200
    for one in answer.json()["neighbours"]:
        if one["box"] is None:
            assert one["reason"]
        else:
            for key in ("translation_m", "scale_m", "vertices_m", "vertices_px", "rotation"):
                assert np.isfinite(np.array(one["box"][key], dtype=float)).all()
