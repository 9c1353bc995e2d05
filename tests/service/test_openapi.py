"""The OpenAPI document: committed, with a real example a route, and true of the server.

After a change of the API: POSEBANK_UPDATE_OPENAPI=1 python -m pytest tests/service/test_openapi.py
writes the examples (answers of the toy gallery) and docs/openapi.json anew.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from service.app import create_app
from service.settings import Settings
from tests.service.conftest import BuildToys, Live, Start, make_query
from tests.service.test_enrolment import annotated, enrol_batch

REPOSITORY = Path(__file__).resolve().parents[2]
COMMITTED = REPOSITORY / "docs" / "openapi.json"
EXAMPLES = REPOSITORY / "service" / "schemas" / "examples.json"
UPDATE = os.environ.get("POSEBANK_UPDATE_OPENAPI") == "1"


@pytest.fixture(scope="module")
def live(start: Start, build_toys: BuildToys, tmp_path_factory: pytest.TempPathFactory) -> Live:
    """A server whose gallery may be changed."""
    folder = tmp_path_factory.mktemp("openapi")
    build_toys(folder)
    return start(folder)


def rounded(value: Any) -> Any:
    """Numbers as a reader wants them; the sixth digit of a cosine tells nothing."""
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, list):
        return [rounded(one) for one in value]
    if isinstance(value, dict):
        return {key: rounded(one) for key, one in value.items()}
    return value


def real_examples(live: Live) -> dict[str, Any]:
    """An answer of the toy gallery for every route that answers in JSON."""
    query = make_query()
    request = {**query.request, "k": 1, "reid": True, "timings": True}
    pose = live.ask("/pose/estimate", query.jpeg, request).json()
    view = pose["neighbours"][0]["view"]["id"]
    sample = {
        "title": "cup",
        "file": "cup.jpg",
        "image_url": "/samples/cup.jpg",
        "request": query.request,
    }
    found = {
        "POST /pose/estimate": pose,
        "POST /reid/search": live.ask("/reid/search", query.jpeg, request).json(),
        "POST /actions/search": live.client.post(
            "/actions/search",
            files=[("image", ("q.jpg", query.jpeg))] * 2,
            data={"request": '{"k": 1}'},
        ).json(),
        "GET /indexes": live.client.get("/indexes").json(),
        "GET /views/{view_id}": live.client.get(f"/views/{view}").json(),
        "GET /samples": {"samples": [sample]},
        "GET /healthz": live.client.get("/healthz").json(),
        "GET /readyz": live.client.get("/readyz").json(),
        "GET /version": live.client.get("/version").json(),
    }
    drill = make_query("book", 1.0)
    one = annotated(
        drill, "drill-7", sequence="bench/1", keypoints=[{"name": "tip", "xy": [99, 99]}]
    )
    enrolled = live.ask("/views", drill.jpeg, one).json()
    found["POST /views"] = enrolled
    found["POST /views:batch"] = enrol_batch(live, [drill.jpeg], [one]).json()
    found["GET /views"] = live.client.get("/views", params={"limit": 1}).json()
    found["GET /map"] = live.client.get("/map", params={"limit": 2}).json()
    found["DELETE /views/{view_id}"] = live.client.delete(f"/views/{enrolled['id']}").json()
    found["DELETE /instances/{instance}"] = live.client.delete(
        "/instances/cup-1", params={"dataset": "toys"}
    ).json()
    return {route: rounded(answer) for route, answer in found.items()}


def shape(value: Any) -> Any:
    """The keys and kinds of a JSON value, without its numbers and texts."""
    if isinstance(value, dict):
        return {key: shape(one) for key, one in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return "number" if isinstance(value, int | float) else type(value).__name__


def test_the_examples_are_answers_of_this_code(live: Live) -> None:
    real = real_examples(live)
    if UPDATE:
        EXAMPLES.write_text(json.dumps(real, indent=1, ensure_ascii=False) + "\n", "utf-8")
    committed = json.loads(EXAMPLES.read_text("utf-8"))
    assert committed.keys() == real.keys()
    for route, example in committed.items():
        assert shape(example) == shape(real[route]), route


def test_the_committed_document_is_the_one_served(live: Live) -> None:
    if UPDATE:
        made = create_app(Settings()).openapi()
        COMMITTED.parent.mkdir(exist_ok=True)
        COMMITTED.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n", "utf-8")
    served = live.client.get("/openapi.json").json()
    assert served == json.loads(COMMITTED.read_text("utf-8"))


def test_every_route_has_a_summary_an_example_and_its_problems() -> None:
    document = create_app(Settings()).openapi()
    for path, methods in document["paths"].items():
        for operation in methods.values():
            assert operation["summary"], path
            assert operation["description"], path
            for status, answer in operation["responses"].items():
                if status.startswith("2"):
                    content = answer["content"]
                    assert set(content) <= {"application/json", "image/jpeg", "text/plain"}
                    if "application/json" in content:
                        assert content["application/json"]["example"], path
                else:
                    assert set(answer["content"]) == {"application/problem+json"}, (path, status)


PICTURES = st.sampled_from(
    [make_query().jpeg, make_query("book").jpeg, b"", b"GIF89a", b"\xff\xd8"]
)
for kind in ("image/jpeg", "image/png", "image/webp"):
    schemathesis.openapi.media_type(kind, PICTURES)
API = schemathesis.openapi.from_dict(create_app(Settings()).openapi())


@API.parametrize()
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_requests_nobody_thought_of(case: schemathesis.Case, live: Live) -> None:
    """Hundreds of generated requests, right and wrong: no 5xx, every answer as documented."""
    answer = case.call(base_url=live.url)
    case.validate_response(
        answer,
        checks=[
            not_a_server_error,
            status_code_conformance,
            content_type_conformance,
            response_headers_conformance,
            response_schema_conformance,
            unsupported_method,
        ],
    )
