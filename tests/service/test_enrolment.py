"""Views enrolled over HTTP: stored as sent, found by the next question, all of a batch or none."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest

from index.home import Home
from index.keys import Keys
from service.client import AsyncClient, Client, ProblemError
from tests.service.conftest import (
    BuildToys,
    Live,
    Query,
    Start,
    assert_problem,
    make_query,
    wait_until,
)


@pytest.fixture(scope="module")
def live(start: Start, build_toys: BuildToys, tmp_path_factory: pytest.TempPathFactory) -> Live:
    """A server whose gallery these tests change."""
    folder = tmp_path_factory.mktemp("enrolment")
    build_toys(folder)
    return start(folder)


def annotated(query: Query, name: str, **changes: Any) -> dict[str, Any]:
    """A request to enrol the thing of a query, with its true box."""
    view = {
        "dataset": "workshop",
        "instance": name,
        "category": "drill",
        **{key: query.request[key] for key in ("bbox", "camera", "plane")},
        "box": {
            "rotation": query.box.rotation.tolist(),
            "translation_m": query.box.translation.tolist(),
            "scale_m": query.box.scale.tolist(),
        },
        **changes,
    }
    return {key: value for key, value in view.items() if value is not None}


def enrol_batch(live: Live, images: list[bytes], views: list[dict[str, Any]]) -> httpx.Response:
    files = [("image", (f"{number}.jpg", image)) for number, image in enumerate(images)]
    return live.client.post(
        "/views:batch", files=files, data={"request": json.dumps({"views": views})}
    )


def listed(live: Live, **filters: Any) -> list[dict[str, Any]]:
    """The views of all pages."""
    with Client(live.url) as client:
        return [view.model_dump(mode="json") for view in client.views(**filters)]


def test_a_view_is_stored_as_it_was_sent(live: Live, query: Query) -> None:
    sent = annotated(
        query,
        "stored",
        sequence="bench/1",
        frame=7,
        time_s=0.25,
        split="train",
        keypoints=[
            {"name": "tip", "xy": [150.5, 120.0], "xyz_m": [0.1, 0.2, 1.3], "visible": False},
            {"name": "grip", "xy": [160, 130], "xyz_m": [0.1, 0.3, 1.3]},
        ],
        attributes={"azimuth_deg": 30, "who": "us"},
    )
    answer = live.ask("/views", query.jpeg, sent)
    assert answer.status_code == 201
    view = answer.json()
    assert answer.headers["location"] == f"/views/{view['id']}"
    assert live.client.get(answer.headers["location"]).json() == view
    for key in ("dataset", "instance", "category", "sequence", "frame", "time_s", "split"):
        assert view[key] == sent[key], key
    for key in ("bbox", "camera", "attributes", "box"):
        assert view[key] == pytest.approx(sent[key]) if key == "bbox" else view[key] == sent[key]
    assert view["plane"]["center"] == sent["plane"]["center"]
    assert view["plane"]["normal"] == pytest.approx(sent["plane"]["normal"])
    visible = {"visible": True}
    assert view["keypoints"] == [{**visible, **keypoint} for keypoint in sent["keypoints"]]
    assert (view["image_width"], view["image_height"]) == (320, 240)
    thumbnail = live.client.get(view["thumbnail_url"])
    picture = cv2.imdecode(np.frombuffer(thumbnail.content, np.uint8), cv2.IMREAD_COLOR)
    x0, y0, x1, y1 = sent["bbox"]
    assert abs(picture.shape[1] - (x1 - x0)) <= 2
    assert abs(picture.shape[0] - (y1 - y0)) <= 2


def test_the_next_question_finds_it(live: Live) -> None:
    query = make_query("cup", 0.55)
    before = live.client.get("/indexes").json()["indexes"][0]
    sent = annotated(query, "found", dataset="fresh", category="beaker")
    view = live.ask("/views", query.jpeg, sent).json()
    request = {**query.request, "k": 3}
    match = live.ask("/reid/search", query.jpeg, request).json()["matches"][0]
    assert (match["dataset"], match["instance"], match["count"]) == ("fresh", "found", 1)
    assert match["similarity"] == pytest.approx(1.0, abs=1e-5)
    pose = live.ask("/pose/estimate", query.jpeg, {**request, "filters": {"dataset": "fresh"}})
    (neighbour,) = pose.json()["neighbours"]
    assert neighbour["view"]["id"] == view["id"]
    assert neighbour["box"]["translation_m"] == pytest.approx(query.box.translation, abs=1e-3)
    assert live.client.get(neighbour["view"]["thumbnail_url"]).status_code == 200
    clip = live.client.post("/actions/search", files={"image": query.jpeg}, data={"request": "{}"})
    assert clip.json()["frames"][0]["neighbours"][0]["view"]["id"]
    after = live.client.get("/indexes").json()["indexes"][0]
    assert after["views"] == before["views"] + 1
    assert after["annotated"] == before["annotated"] + 1
    assert {"fresh"} == set(after["datasets"]) - set(before["datasets"])
    assert "beaker" in after["categories"]


def test_what_is_left_out_follows_from_the_image(live: Live) -> None:
    """Each photograph is a sequence of its own; the crop is the whole of it."""
    known = {"dataset": "photos", "instance": "mug", "category": "mug"}
    first, second = (live.ask("/views", make_query(yaw=yaw).jpeg, known).json() for yaw in (1, 2))
    assert first["sequence"] != second["sequence"]
    assert first["image"] == f"sha256:{first['sequence']}"
    assert first["bbox"] == [-0.5, -0.5, 319.5, 239.5]
    assert (first["frame"], first["time_s"], first["split"]) == (0, 0.0, "enrolled")
    assert all(first[key] is None for key in ("camera", "plane", "box", "keypoints"))
    assert {view["id"] for view in listed(live, instance="mug")} == {first["id"], second["id"]}


def test_the_same_view_again_is_the_one_that_is_there(live: Live, query: Query) -> None:
    sent = annotated(query, "again")
    first, second = (live.ask("/views", query.jpeg, sent) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert len(listed(live, instance="again")) == 1


def test_the_log_does_not_tell_of_a_start_at_each_view(
    live: Live, query: Query, caplog: pytest.LogCaptureFixture
) -> None:
    """What is served is told when a version changes, not when a gallery grows."""
    with caplog.at_level(logging.INFO, logger="posebank"):
        answer = live.ask("/views", query.jpeg, annotated(query, "quiet"))
        time.sleep(0.3)  # three looks for promoted versions
    assert answer.status_code == 201
    assert "answered" in caplog.text
    assert "is ready" not in caplog.text


def test_another_view_under_its_name_is_refused(live: Live, query: Query) -> None:
    sent = annotated(query, "taken", sequence="s", frame=3)
    view = live.ask("/views", query.jpeg, sent).json()
    for image, request in (
        (query.jpeg, {**sent, "category": "saw"}),
        (make_query("book").jpeg, sent),
    ):
        problem = assert_problem(live.ask("/views", image, request), 409, "view-exists")
        assert view["id"] in str(problem["detail"])
    assert live.client.get(f"/views/{view['id']}").json() == view


def test_pixels_are_those_of_the_upright_image(live: Live, query: Query) -> None:
    """EXIF says: turn by a quarter; what was 320 × 240 is 240 × 320."""
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    turned = query.jpeg[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
    known = {"dataset": "photos", "instance": "turned", "category": "mug"}
    view = live.ask("/views", turned + query.jpeg[2:], known).json()
    assert (view["image_width"], view["image_height"]) == (240, 320)
    assert view["bbox"] == [-0.5, -0.5, 239.5, 319.5]


WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "no instance": ({"instance": None}, "instance", "required"),
    "no dataset": ({"dataset": None}, "dataset", "required"),
    "no category": ({"category": None}, "category", "required"),
    "an unknown key": ({"box9": {}}, "box9", "not permitted"),
    "an empty name": ({"category": ""}, "category", "at least 1"),
    "a long name": ({"category": "x" * 201}, "category", "at most 200"),
    "a control character": ({"instance": "a\0b"}, "instance", "pattern"),
    "a slash in the dataset": ({"dataset": "a/b"}, "dataset", "pattern"),
    "a negative frame": ({"frame": -1}, "frame", "greater than or equal to 0"),
    "a frame beyond JSON": ({"frame": 1 << 53}, "frame", "less than 9007199254740992"),
    "a text for a number": ({"time_s": "1"}, "time_s", "number"),
    "a box without a camera": ({"camera": None}, "request", "without the `camera`"),
    "a plane without direction": (
        {"plane": {"center": [0.0, 0.0, 1.0], "normal": [0.0, 0.0, 0.0]}},
        "plane.normal",
        "no direction",
    ),
    "a keypoint twice": (
        {"keypoints": [{"name": "tip", "xy": [1, 2]}, {"name": "tip", "xy": [3, 4]}]},
        "keypoints",
        "'tip' more than once",
    ),
    "some keypoints in space": (
        {
            "keypoints": [
                {"name": "a", "xy": [1, 2]},
                {"name": "b", "xy": [3, 4], "xyz_m": [0, 0, 1]},
            ]
        },
        "keypoints",
        "for all or for none",
    ),
    "an attribute that is a list": ({"attributes": {"a": [1]}}, "attributes.a", ""),
}


@pytest.mark.parametrize("case", WRONG, ids=str)
def test_what_is_wrong_is_named(live: Live, query: Query, case: str) -> None:
    changes, where, what = WRONG[case]
    answer = live.ask("/views", query.jpeg, annotated(query, "wrong", **changes))
    problem = assert_problem(answer, 422, "invalid-request")
    assert any(
        error["where"].startswith(where) and what in error["message"]
        for error in problem["errors"]  # type: ignore[attr-defined]
    ), problem
    assert listed(live, instance="wrong") == []


WRONG_BOXES: dict[str, tuple[dict[str, Any], str]] = {
    "mirrored": ({"rotation": [[1, 0, 0], [0, 1, 0], [0, 0, -1]]}, "determinant is not"),
    "scaled": ({"rotation": [[2, 0, 0], [0, 2, 0], [0, 0, 2]]}, "differs from I by 3"),
    "not square": ({"rotation": [[1, 0, 0], [0, 1, 0]]}, "rotation"),
    "flat": ({"scale_m": [0.2, 0.0, 0.2]}, "greater than 0"),
    "behind the camera": ({"translation_m": [0.0, 0.0, -1.5]}, "behind the camera"),
    "round the camera": ({"translation_m": [0.0, 0.0, 0.05]}, "behind the camera"),
    "not a number": ({"translation_m": [0.0, None, 1.0]}, "number"),
    "beside the crop": ({"translation_m": [5.0, 0.0, 1.5]}, "no pixel of the bbox"),
    "of a frame with z backward": ({"translation_m": [0.05, -0.115, -1.43]}, "behind the camera"),
}


@pytest.mark.parametrize("case", WRONG_BOXES, ids=str)
def test_a_box_that_cannot_be_is_refused(live: Live, query: Query, case: str) -> None:
    changes, what = WRONG_BOXES[case]
    sent = annotated(query, "wrong")
    sent["box"] = {**sent["box"], **changes}
    problem = assert_problem(live.ask("/views", query.jpeg, sent), 422, "invalid-request")
    assert what in str(problem["detail"])
    assert listed(live, instance="wrong") == []


def test_the_form_is_checked(live: Live, query: Query) -> None:
    sent = annotated(query, "wrong")
    broken = live.ask("/views", query.jpeg[:200], sent)
    assert_problem(broken, 422, "broken-image")
    missing = live.client.post("/views", files={"image": query.jpeg})
    assert "dataset" in str(assert_problem(missing, 422, "invalid-request")["detail"])
    without = live.client.post("/views", data={"request": "{}"}, files={"request": b"{}"})
    assert_problem(without, 422, "invalid-request")
    unknown = live.ask("/views", query.jpeg, {**sent, "index": "nope"})
    assert_problem(unknown, 404, "unknown-index")
    split = annotated(query, "other", sequence="s2", split="train")
    assert live.ask("/views", query.jpeg, split).status_code == 201
    changed = live.ask("/views", query.jpeg, {**split, "frame": 1, "split": "test"})
    assert "'train'" in str(assert_problem(changed, 422, "invalid-request")["detail"])
    assert listed(live, instance="wrong") == []


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/views", "GET, POST"),
        ("/views:batch", "POST"),
        ("/views/0123456789abcdef", "DELETE, GET"),
        ("/instances/a/b", "DELETE"),
        ("/pose/estimate", "POST"),
        ("/openapi.json", "GET, HEAD"),
        ("/web/main.js", "GET, HEAD"),
    ],
)
def test_a_method_that_is_not_taken_is_told_all_that_are(
    live: Live, path: str, methods: str
) -> None:
    answer = live.client.put(path)
    assert_problem(answer, 405, "method-not-allowed")
    assert answer.headers["allow"] == methods


def test_a_batch_is_stored_in_its_order(live: Live) -> None:
    queries = [make_query("cup", 0.3 * number) for number in range(5)]
    views = [annotated(query, f"batch-{i}", frame=i) for i, query in enumerate(queries)]
    answer = enrol_batch(live, [query.jpeg for query in queries], views)
    assert answer.status_code == 201
    stored = answer.json()["views"]
    assert [view["instance"] for view in stored] == [f"batch-{i}" for i in range(5)]
    for query, view in zip(queries, stored, strict=True):
        assert view["box"]["translation_m"] == query.box.translation.tolist()
        match = live.ask("/reid/search", query.jpeg, query.request).json()["matches"][0]
        assert match["instance"] == view["instance"]
    again = enrol_batch(live, [query.jpeg for query in queries], views)
    assert again.json() == answer.json()


def test_a_batch_is_stored_whole_or_not_at_all(live: Live, query: Query) -> None:
    good = [annotated(query, f"none-{i}") for i in range(4)]
    images = [query.jpeg] * 4
    outside = {**good[3], "bbox": [5000.0, 5000.0, 6000.0, 6000.0]}
    answer = enrol_batch(live, [query.jpeg, b"rubbish", *images[2:]], [*good[:3], outside])
    problem = assert_problem(answer, 415, "unsupported-image")
    errors = {e["where"]: e["message"] for e in problem["errors"]}  # type: ignore[attr-defined]
    assert set(errors) == {"views.1", "views.3"}
    assert "no JPEG" in errors["views.1"]
    assert "less than half" in errors["views.3"]

    wrong = [*good[:2], {**good[2], "frame": -1}, good[3]]
    problem = assert_problem(enrol_batch(live, images, wrong), 422, "invalid-request")
    assert [e["where"] for e in problem["errors"]] == ["views.2.frame"]  # type: ignore[attr-defined]

    twice = enrol_batch(live, images, [*good[:3], good[1]])
    problem = assert_problem(twice, 409, "view-exists")
    assert [e["where"] for e in problem["errors"]] == ["views.3"]  # type: ignore[attr-defined]

    few = enrol_batch(live, images[:2], good)
    assert "2 images for 4 views" in str(assert_problem(few, 422, "invalid-request")["detail"])
    many = enrol_batch(live, [b"x"] * 33, good)
    assert "above the limit of 32" in str(assert_problem(many, 422, "invalid-request")["detail"])
    names = {view["instance"] for view in listed(live)}
    assert not any(name.startswith("none-") for name in names)


def test_pages_are_complete_and_do_not_shift(live: Live) -> None:
    everything = [view["id"] for view in listed(live)]
    assert everything == sorted(set(everything))
    first = live.client.get("/views", params={"limit": 5}).json()
    assert [view["id"] for view in first["views"]] == everything[:5]
    rest, after = [], first["next"]
    while after is not None:
        page = live.client.get("/views", params={"limit": 7, "after": after}).json()
        assert page["views"]
        rest += [view["id"] for view in page["views"]]
        after = page["next"]
    assert everything[5:] == rest


def test_views_are_listed_by_filters(live: Live) -> None:
    everything = listed(live)
    assert len([view for view in everything if view["dataset"] == "toys"]) == 24
    for filters, met in [
        ({"dataset": "toys"}, lambda view: view["dataset"] == "toys"),
        ({"category": "drill", "split": "enrolled"}, lambda view: view["category"] == "drill"
            and view["split"] == "enrolled"),
        ({"instance": "cup-1"}, lambda view: view["instance"] == "cup-1"),
        ({"sequence": "book/0"}, lambda view: view["sequence"] == "book/0"),
        ({"annotated": True}, lambda view: view["box"] is not None),
        ({"annotated": False}, lambda view: view["box"] is None),
        ({"dataset": "toys", "annotated": False}, lambda view: False),
    ]:  # fmt: skip
        expected = [view for view in everything if met(view)]
        assert listed(live, **filters) == expected, filters
    no_id = "8" + "0" * 15  # ids have 63 bits
    wrongs = ({"instanse": "x"}, {"limit": 0}, {"limit": 201}, {"after": "x"}, {"after": no_id})
    for wrong in (*wrongs, {"split": "\0"}):
        assert_problem(live.client.get("/views", params=wrong), 422, "invalid-request")
    assert_problem(live.client.get("/views", params={"index": "nope"}), 404, "unknown-index")


def test_the_map_shows_what_is_enrolled(live: Live, query: Query) -> None:
    before = live.client.get("/map").json()
    ids = [point["id"] for point in before["points"]]
    assert ids == sorted(set(ids), key=ids.index)
    assert before["total"] == len(ids) == len(listed(live))
    assert before["head"] == "pose"
    view = live.ask("/views", query.jpeg, annotated(query, "mapped", sequence="new")).json()
    after = live.client.get("/map", params={"head": "identity"}).json()
    assert after["head"] == "identity"
    assert set(point["id"] for point in after["points"]) - set(ids) == {view["id"]}
    few = live.client.get("/map", params={"limit": 4}).json()
    assert (len(few["points"]), few["total"]) == (4, before["total"] + 1)
    assert_problem(live.client.get("/map", params={"head": "gait"}), 422, "unanswerable")
    assert_problem(live.client.get("/map", params={"limit": 5001}), 422, "invalid-request")


@pytest.fixture(scope="module")
def guarded(
    start: Start, build_toys: BuildToys, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Client]]:
    """``guarded(scopes, datasets)`` is a client with a new key of a server that asks for keys."""
    folder = tmp_path_factory.mktemp("guarded")
    build_toys(folder, frames=2)
    live = start(folder)
    keys = Keys(Home.open(folder, f"sqlite:///{folder / 'posebank.sqlite'}"))
    made: list[Client] = []

    def client(scopes: list[str], datasets: list[str] | None = None) -> Client:
        _, text = keys.create(f"key-{len(made)}", scopes, datasets)
        made.append(Client(live.url, api_key=text))
        key = {"X-API-Key": text}
        wait_until(lambda: live.client.get("/indexes", headers=key).status_code != 401)
        return made[-1]

    yield client
    for one in made:
        one.close()


def refused(call: Callable[..., object], *arguments: Any, **named: Any) -> str:
    """The slug of the problem that a call of a client meets."""
    with pytest.raises(ProblemError) as found:
        call(*arguments, **named)
    return found.value.problem.type.removeprefix("urn:posebank:problem:")


def test_a_key_of_one_dataset_changes_no_other(
    guarded: Callable[..., Client], query: Query
) -> None:
    everyone = guarded(["query", "enrol"])
    limited = guarded(["query", "enrol"], ["workshop"])
    mine = limited.enrol(query.jpeg, annotated(query, "drill-7"))
    other = everyone.enrol(query.jpeg, annotated(query, "drill-7", dataset="attic"))
    toy = next(everyone.views(dataset="toys"))

    assert refused(limited.enrol, query.jpeg, annotated(query, "x", dataset="attic")) == "forbidden"
    both = [annotated(query, "x"), annotated(query, "x", dataset="attic")]
    assert refused(limited.enrol_batch, [query.jpeg] * 2, both) == "forbidden"
    assert refused(limited.delete_instance, "attic", "drill-7") == "forbidden"
    for hidden in (other.id, toy.id):
        assert refused(limited.delete_view, hidden) == "unknown-view"
        assert refused(limited.view, hidden) == "unknown-view"
    assert [view.id for view in limited.views()] == [mine.id]
    assert [point.id for point in limited.map().points] == [mine.id]
    assert limited.map().total == 1
    names = {view.instance for view in everyone.views()}
    assert "x" not in names
    assert {other.id, toy.id, mine.id} <= {view.id for view in everyone.views()}
    assert limited.delete_instance("workshop", "drill-7").views == 1
    assert everyone.view(other.id).instance == "drill-7"


def test_a_key_that_may_only_ask_changes_nothing(
    guarded: Callable[..., Client], query: Query
) -> None:
    asker = guarded(["query"])
    view = next(asker.views())
    assert refused(asker.enrol, query.jpeg, annotated(query, "x")) == "forbidden"
    assert refused(asker.enrol_batch, [query.jpeg], [annotated(query, "x")]) == "forbidden"
    assert refused(asker.delete_view, view.id) == "forbidden"
    assert refused(asker.delete_instance, view.dataset, view.instance) == "forbidden"
    assert asker.view(view.id) == view
    enroller = guarded(["enrol"])
    assert refused(lambda: list(enroller.views())) == "forbidden"
    assert refused(enroller.map) == "forbidden"


def test_both_clients_enrol_list_and_delete(live: Live, query: Query, tmp_path: Path) -> None:
    path = tmp_path / "drill.jpg"
    path.write_bytes(query.jpeg)
    with Client(live.url) as client:
        view = client.enrol(path, annotated(query, "typed"))
        assert client.view(view.id) == view
        batch = client.enrol_batch([path] * 2, [annotated(query, f"typed-{i}") for i in range(2)])
        assert [one.instance for one in batch.views] == ["typed-0", "typed-1"]
        assert client.delete_view(view.id).views == 1
        assert refused(client.view, view.id) == "unknown-view"

    async def awaited() -> None:
        async with AsyncClient(live.url) as posebank:
            one = await posebank.enrol(path, annotated(query, "awaited"))
            found = [view async for view in posebank.views(instance="awaited")]
            assert found == [one]
            assert one.id in {point.id for point in (await posebank.map()).points}
            assert (await posebank.delete_instance("workshop", "awaited")).views == 1
            assert [view async for view in posebank.views(instance="awaited")] == []

    asyncio.run(awaited())
