"""What /metrics tells, what it must never tell, and that docs/metrics.md says the same."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from index.home import Home
from index.keys import Keys
from service.metrics import STAGES, Metrics
from service.problems import KINDS, RefusedError
from service.serving import Serving
from service.settings import Settings
from tests.service.conftest import Live, Query, Start, assert_problem

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "metrics.md").read_text("utf-8")


def samples(text: str) -> dict[tuple[str, ...], float]:
    """(name, label values in the order of their names) → value."""
    return {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def told(live: Live) -> dict[tuple[str, ...], float]:
    answer = live.client.get("/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain")
    return samples(answer.text)


def grown(
    before: dict[tuple[str, ...], float], after: dict[tuple[str, ...], float]
) -> dict[tuple[str, ...], float]:
    return {
        name: value - before.get(name, 0.0)
        for name, value in after.items()
        if value != before.get(name, 0.0)
    }


@pytest.fixture
def own(start: Start, home: Path) -> Live:
    """A server nobody else asks."""
    return start(home)


@pytest.fixture
def metrics(tmp_path: Path) -> Metrics:
    return Metrics(Serving(Settings(home=tmp_path)))


def test_a_question_counts_once_in_every_stage(own: Live, query: Query) -> None:
    before = told(own)
    for _ in range(3):
        answer = own.ask("/pose/estimate", query.jpeg, {**query.request, "reid": True})
        assert answer.status_code == 200, answer.text
    more = grown(before, told(own))
    for stage in STAGES:
        assert more["posebank_stage_seconds_count", stage] == 3, stage
        assert more["posebank_stage_seconds_sum", stage] > 0, stage
    parts = sum(more["posebank_stage_seconds_sum", stage] for stage in STAGES[:-1])
    assert parts <= more["posebank_stage_seconds_sum", "total"]
    assert more["posebank_requests_total", "POST", "/pose/estimate", "200"] == 3
    assert more["posebank_request_seconds_count", "/pose/estimate"] == 3
    whole = more["posebank_request_seconds_sum", "/pose/estimate"]
    assert more["posebank_stage_seconds_sum", "total"] <= whole
    assert more["posebank_batch_crops_sum",] == 3
    assert not any(name[0].startswith("posebank_refusals") for name in more)


def test_a_refusal_counts_by_its_kind_and_not_in_the_total(own: Live, query: Query) -> None:
    before = told(own)
    assert_problem(own.ask("/pose/estimate", b"GIF89a"), 415, "unsupported-image")
    assert_problem(own.ask("/reid/search", query.jpeg, {"k": 0}), 422, "invalid-request")
    assert_problem(own.client.get("/nowhere"), 404, "not-found")
    more = grown(before, told(own))
    assert more["posebank_refusals_total", "unsupported-image"] == 1
    assert more["posebank_refusals_total", "invalid-request"] == 1
    assert more["posebank_refusals_total", "not-found"] == 1
    assert more["posebank_requests_total", "POST", "/pose/estimate", "415"] == 1
    assert more["posebank_stage_seconds_count", "decode"] == 1
    assert ("posebank_stage_seconds_count", "total") not in more
    assert ("posebank_stage_seconds_count", "encode") not in more


def test_every_refusal_is_told_before_the_first(metrics: Metrics) -> None:
    """Otherwise Prometheus sees no increase in the first one, and no alert fires."""
    found = samples(metrics.text().decode())
    for reason in KINDS:
        assert found["posebank_refusals_total", reason] == 0
    assert (
        found["posebank_dropped_total", "gone"] == found["posebank_dropped_total", "deadline"] == 0
    )


def test_no_label_holds_what_a_client_made_up(own: Live) -> None:
    own.client.get("/views/0123456789abcdef")
    own.client.get("/secret-path?secret-query=1", headers={"X-Request-ID": "secret-id"})
    own.client.get("/web/secret-file")
    own.client.request("PROPFIND", "/healthz")
    own.client.request("PROPFIND", "/secret-path")
    text = own.client.get("/metrics").text
    assert "secret" not in text
    assert "PROPFIND" not in text
    found = samples(text)
    assert found["posebank_requests_total", "GET", "/views/{view_id}", "404"] == 1
    assert found["posebank_requests_total", "GET", "unmatched", "404"] == 1
    assert found["posebank_requests_total", "GET", "files", "404"] == 1
    assert found["posebank_requests_total", "other", "/healthz", "405"] == 1
    assert found["posebank_requests_total", "other", "unmatched", "404"] == 1


def test_routes_are_called_as_in_the_openapi_document(own: Live) -> None:
    paths = own.client.get("/openapi.json").json()["paths"]
    asked = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    for method, path in asked:
        filled = path.replace("{instance}", "drills/7").replace("{view_id}", "f" * 16)
        own.client.request(method, re.sub(r"\{\w+\}", "x", filled))
    names = [name for name in told(own) if name[0] == "posebank_requests_total"]
    assert asked | {("GET", "files")} == {(method, route) for _, method, route, _ in names}


def test_the_indexes_are_told(own: Live) -> None:
    (index,) = own.client.get("/indexes").json()["indexes"]
    found = told(own)
    assert found["posebank_ready",] == 1
    assert found["posebank_index_info", index["encoder"][:12], "toys", index["version"]] == 1
    assert found["posebank_index_views", "toys"] == index["views"] == 24
    assert found["posebank_requests_in_progress",] == 1, "the one that asks"
    assert found["posebank_queue_depth",] == 0


def test_a_server_without_an_index_is_not_ready(start: Start, tmp_path: Path) -> None:
    found = told(start(tmp_path, wait=False))
    assert found["posebank_ready",] == 0
    assert not any(name[0].startswith("posebank_index") for name in found)


def test_keys_close_it_and_a_setting_opens_it(start: Start, home: Path, tmp_path: Path) -> None:
    keys = Keys(Home.open(tmp_path, f"sqlite:///{tmp_path / 'posebank.sqlite'}"))
    _, asks = keys.create("asks", ["query"])
    _, watches = keys.create("watches", ["admin"])
    closed, opened = (start(tmp_path, wait=False, metrics_open=value) for value in (False, True))
    assert_problem(closed.client.get("/metrics"), 401, "unauthenticated")
    for text, status in ((asks, 403), (watches, 200)):
        answer = httpx.get(f"{closed.url}/metrics", headers={"Authorization": f"Bearer {text}"})
        assert answer.status_code == status
    assert opened.client.get("/metrics").status_code == 200
    assert_problem(opened.client.get("/version"), 401, "unauthenticated")


def test_work_that_fails_is_observed_but_not_as_a_whole(metrics: Metrics) -> None:
    with pytest.raises(RefusedError), metrics.question() as watch, watch.stage("decode"):
        raise RefusedError("broken-image", "It is.", "Mend it.")
    metrics.count_dropped("gone")
    found = samples(metrics.text().decode())
    assert found["posebank_stage_seconds_count", "decode"] == 1
    assert found["posebank_stage_seconds_count", "total"] == 0
    assert found["posebank_dropped_total", "gone"] == 1


def test_two_apps_do_not_share_their_numbers(metrics: Metrics, tmp_path: Path) -> None:
    other = Metrics(Serving(Settings(home=tmp_path)))
    metrics.observe_batch(4)
    assert samples(metrics.text().decode())["posebank_batch_crops_count",] == 1
    assert samples(other.text().decode())["posebank_batch_crops_count",] == 0


def test_the_document_names_every_metric_its_type_and_labels(own: Live, query: Query) -> None:
    own.ask("/pose/estimate", query.jpeg)
    own.ask("/pose/estimate", b"")
    families = list(text_string_to_metric_families(own.client.get("/metrics").text))
    row = re.compile(r"^\| `(\w+)` \| (counter|gauge|histogram) \| ([^|]*)\|", re.MULTILINE)
    documented = {
        name: (kind, set(re.findall(r"`(\w+)`", labels)))
        for name, kind, labels in row.findall(DOCUMENT)
    }
    found = {
        family.name + ("_total" if family.type == "counter" else ""): (
            family.type,
            {label for sample in family.samples for label in sample.labels} - {"le"},
        )
        for family in families
        if family.samples
    }
    unseen = {"posebank_index_unserved"}
    assert found == {name: value for name, value in documented.items() if name not in unseen}
    section = DOCUMENT.split("## Stages")[1].split("\n## ")[0]
    stages = set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))
    assert stages == set(STAGES)
