"""Every wrong request is refused with a problem that names the value, the limit, the remedy."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from service.problems import KINDS
from tests.service.conftest import Live, Query, Start, assert_problem

BOTH = pytest.mark.parametrize("route", ["/pose/estimate", "/reid/search"])

WRONG_REQUESTS = {
    "inverted bbox": {"bbox": [200, 20, 100, 120]},
    "flat bbox": {"bbox": [20, 20, 20, 120]},
    "thin bbox": {"bbox": [20, 20, 20.5, 120]},
    "bbox right of the image": {"bbox": [400, 10, 500, 100]},
    "bbox mostly outside": {"bbox": [-300, 10, 100, 100]},
    "huge bbox": {"bbox": [0, 0, 100000, 100000]},
    "bbox of three": {"bbox": [1, 2, 3]},
    "bbox of texts": {"bbox": ["1", "2", "3", "4"]},
    "bbox of another shape": {"bbox": {"x": 1}},
    "k of 0": {"k": 0},
    "k below 0": {"k": -3},
    "k above the limit": {"k": 201},
    "k far above the limit": {"k": 10**30},
    "k not whole": {"k": 2.5},
    "k as text": {"k": "5"},
    "k as truth": {"k": True},
    "unknown key": {"kk": 5},
    "unknown filter": {"filters": {"colour": "red"}},
    "empty filter": {"filters": {"category": ""}},
    "no focal length": {"camera": {"fx": 0, "fy": 100, "cx": 1, "cy": 1}},
    "a normalised focal length": {"camera": {"fx": 0.8, "fy": 0.8, "cx": 0.5, "cy": 0.5}},
    "incomplete camera": {"camera": {"fx": 100}},
    "camera with a size": {"camera": {"fx": 9, "fy": 9, "cx": 1, "cy": 1, "width": 3}},
    "plane without direction": {"plane": {"center": [0, 0, 1], "normal": [0, 0, 0]}},
    "plane of two numbers": {"plane": {"center": [0, 0], "normal": [0, 1, 0]}},
    "index of no name": {"index": ""},
}
WRONG_TEXTS = {
    "not JSON": "{bbox: 1}",
    "cut JSON": '{"bbox": [1, 2',
    "a list": "[1, 2]",
    "nothing": "",
    "null": "null",
    "NaN": '{"bbox": [NaN, 1, 2, 3]}',
    "Infinity": '{"bbox": [0, 0, Infinity, 3]}',
    "overflow": '{"camera": {"fx": 1e999, "fy": 1, "cx": 1, "cy": 1}}',
    "deep": "[" * 5000 + "]" * 5000,
}


@BOTH
@pytest.mark.parametrize("name", WRONG_REQUESTS)
def test_wrong_requests(live: Live, query: Query, route: str, name: str) -> None:
    answer = live.ask(route, query.jpeg, WRONG_REQUESTS[name])
    assert_problem(answer, 422, "invalid-request")


@BOTH
@pytest.mark.parametrize("name", WRONG_TEXTS)
def test_wrong_json(live: Live, query: Query, route: str, name: str) -> None:
    assert_problem(live.ask(route, query.jpeg, WRONG_TEXTS[name]), 422, "invalid-request")


def test_the_wrong_key_is_named(live: Live, query: Query) -> None:
    problem = assert_problem(
        live.ask("/pose/estimate", query.jpeg, {"bbox": [1, 2, "x", 4], "kk": 1}),
        422,
        "invalid-request",
    )
    errors = problem["errors"]
    assert isinstance(errors, list)
    assert {error["where"] for error in errors} == {"bbox.2", "kk"}


def test_a_refusal_names_value_and_limit(live: Live, query: Query) -> None:
    problem = assert_problem(
        live.ask("/pose/estimate", query.jpeg, {"k": 5000}), 422, "invalid-request"
    )
    assert "5000" in str(problem["detail"])
    assert "200" in str(problem["detail"])


@BOTH
def test_unknown_index(live: Live, query: Query, route: str) -> None:
    problem = assert_problem(live.ask(route, query.jpeg, {"index": "nope"}), 404, "unknown-index")
    assert "toys" in str(problem["remedy"])


@BOTH
def test_not_a_form(live: Live, route: str) -> None:
    assert_problem(live.client.post(route), 415, "not-multipart")
    assert_problem(live.client.post(route, json={"k": 1}), 415, "not-multipart")
    assert_problem(live.client.post(route, data={"k": "1"}), 415, "not-multipart")


@BOTH
def test_malformed_forms(live: Live, query: Query, route: str) -> None:
    kind = {"content-type": "multipart/form-data"}
    assert_problem(live.client.post(route, content=b"x", headers=kind), 400, "malformed-form")
    image = ("q.jpg", query.jpeg)
    assert_problem(live.client.post(route, files={"picture": image}), 422, "invalid-request")
    assert_problem(
        live.client.post(route, files=[("image", image), ("image", image)]), 422, "invalid-request"
    )
    no_file = live.client.post(
        route, data={"image": "text"}, files={"request": ("r", b"{}", "application/json")}
    )
    assert_problem(no_file, 422, "invalid-request")
    only_request = {"request": (None, b"{}", "application/json")}
    assert_problem(live.client.post(route, files=only_request), 422, "invalid-request")


@BOTH
# Starlette leaves the memory of a part without an end to the garbage collector, which says so.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_cut_form(live: Live, route: str) -> None:
    kind = {"content-type": "multipart/form-data; boundary=b"}
    cut = b'--b\r\nContent-Disposition: form-data; name="image"; filename="q"\r\n\r\nabc'
    answer = live.client.post(route, content=cut, headers=kind)
    assert_problem(answer, 422, "invalid-request")


def test_a_long_request_part(live: Live, query: Query) -> None:
    text = json.dumps({"index": "x" * 70_000})
    assert live.ask("/pose/estimate", query.jpeg, text).status_code in (400, 422)
    files = {"image": ("q.jpg", query.jpeg), "request": ("r.json", text.encode())}
    assert_problem(live.client.post("/pose/estimate", files=files), 422, "invalid-request")


@pytest.fixture(scope="module")
def strict(start: Start, home: Path) -> Live:
    return start(home, max_image_bytes=20_000, max_image_pixels=100_000, max_k=3)


@BOTH
def test_limits(strict: Live, query: Query, route: str) -> None:
    small = query.jpeg
    assert len(small) < 20_000
    assert_problem(strict.ask(route, small + bytes(20_000)), 413, "image-too-large")
    assert_problem(strict.ask(route, small, {"k": 4}), 422, "invalid-request")
    assert strict.ask(route, small, {"k": 3}).status_code == 200


def test_a_long_body_is_refused_before_it_is_read(strict: Live) -> None:
    answer = strict.ask("/pose/estimate", bytes(2_000_000))
    assert_problem(answer, 413, "body-too-large")

    def chunks() -> object:
        yield b'--b\r\nContent-Disposition: form-data; name="image"; filename="q"\r\n\r\n'
        for _ in range(40):
            yield bytes(50_000)

    kind = {"content-type": "multipart/form-data; boundary=b"}
    try:
        answer = strict.client.post("/pose/estimate", content=chunks(), headers=kind)  # type: ignore[arg-type]
    except httpx.WriteError:
        return  # the answer came and the connection went before all was sent
    assert_problem(answer, 413, "body-too-large")


@pytest.mark.parametrize("path", ["/nope", "/view", "/web/nope.js", "/samples/nope/x", "/docs"])
def test_no_such_route(live: Live, path: str) -> None:
    assert_problem(live.client.get(path), 404, "not-found")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/pose/estimate"),
        ("DELETE", "/indexes"),
        ("POST", "/healthz"),
        ("PUT", "/"),
        ("POST", "/web/main.js"),
    ],
)
def test_wrong_method(live: Live, method: str, path: str) -> None:
    assert_problem(live.client.request(method, path), 405, "method-not-allowed")


def test_views_that_are_not_there(live: Live) -> None:
    for tail in ("", "/thumbnail"):
        for key in ("0000000000000000", "ffffffffffffffff"):
            assert_problem(live.client.get(f"/views/{key}{tail}"), 404, "unknown-view")
        for key in ("12", "0000000000000000f", "GGGGGGGGGGGGGGGG", "%00" * 16):
            assert_problem(live.client.get(f"/views/{key}{tail}"), 422, "invalid-request")


def test_samples_give_no_other_file(start: Start, home: Path, tmp_path: Path, query: Query) -> None:
    folder = tmp_path / "queries"
    folder.mkdir()
    (folder / "50 % of a cup #1?.jpg").write_bytes(query.jpeg)
    (folder / "50 % of a cup #1?.json").write_text(
        json.dumps({**query.request, "truth": {"box": 1}})
    )
    (folder / "alone.jpg").write_bytes(query.jpeg)
    (folder / "broken.jpg").write_bytes(query.jpeg)
    (folder / "broken.json").write_text("[")
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    server = start(home, samples=folder)
    (sample,) = server.client.get("/samples").json()["samples"]
    assert sample["file"] == "50 % of a cup #1?.jpg"
    assert sample["request"] == query.request
    assert server.client.get(sample["image_url"]).content == query.jpeg
    for name in ("..%2Fsecret.jpg", "secret.jpg", "cup.json", "alone.jpg"):
        assert_problem(server.client.get(f"/samples/{name}"), 404, "unknown-sample") if (
            "%2F" not in name
        ) else assert_problem(server.client.get(f"/samples/{name}"), 404, "not-found")
    assert server.ask("/pose/estimate", query.jpeg, sample["request"]).status_code == 200


def test_without_an_index_nothing_is_ready(start: Start, tmp_path: Path, query: Query) -> None:
    empty = start(tmp_path / "empty", wait=False)
    problem = assert_problem(empty.client.get("/readyz"), 503, "not-ready")
    assert "index" in str(problem["detail"]).lower() or "opened" in str(problem["detail"])
    assert empty.client.get("/healthz").status_code == 200
    assert empty.client.get("/indexes").json() == {"indexes": []}
    answer = empty.ask("/pose/estimate", query.jpeg)
    assert_problem(answer, 503, "not-ready")
    assert answer.headers["retry-after"] == "1"


def test_a_crash_tells_no_secrets(
    live: Live, query: Query, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import service.routes.questions as route

    def crash(*_: object) -> None:
        raise ZeroDivisionError("the secret reason")

    monkeypatch.setattr(route, "search_reid", crash)
    answer = live.ask("/reid/search", query.jpeg)
    problem = assert_problem(answer, 500, "internal")
    assert "secret" not in answer.text
    assert "ZeroDivision" not in answer.text
    assert answer.headers["x-request-id"] in str(problem["detail"])
    assert "the secret reason" in caplog.text


def test_every_kind_has_a_status_and_a_title() -> None:
    for slug, (status, title) in KINDS.items():
        assert 400 <= status < 600
        assert title
        assert slug == slug.lower()
