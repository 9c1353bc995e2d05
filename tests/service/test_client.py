"""The client gives typed answers, turns problems into exceptions and tries again within bounds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import httpx
import pytest

from service.client import Client, ProblemError, Retries, UnreachableError
from service.client.retries import retry_after
from service.schemas.query import QueryRequest
from tests.service.conftest import Live, Query

BUSY = {
    "type": "urn:posebank:problem:busy",
    "title": "Busy",
    "status": 429,
    "detail": "The queue is full.",
    "remedy": "Try again.",
    "instance": "urn:uuid:0",
}


def busy(wait: str | None = "1", status: int = 429) -> httpx.Response:
    headers = {} if wait is None else {"Retry-After": wait}
    return httpx.Response(status, json={**BUSY, "status": status}, headers=headers)


Outcome = httpx.Response | type[httpx.TransportError]


class Scripted:
    """Answers with what it is given, one by one, and keeps the requests."""

    def __init__(self, *outcomes: Outcome) -> None:
        self.outcomes = list(outcomes)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.requests.append(request)
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, type):
            raise outcome("lost", request=request)
        return outcome


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that the client would have slept; it sleeps none."""
    slept: list[float] = []
    monkeypatch.setattr("service.client.blocking.sleep", slept.append)
    return slept


@pytest.fixture
def asked() -> Iterator[Callable[..., Client]]:
    """``asked(script, **arguments)`` is a client of a scripted server."""
    made: list[Client] = []

    def make(script: Scripted, **arguments: object) -> Client:
        transport = httpx.MockTransport(script)
        made.append(Client("http://posebank", transport=transport, **arguments))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for client in made:
        client.close()


def no_index() -> httpx.Response:
    """The answer of a server without an index; each can be read once."""
    return httpx.Response(200, json={"indexes": []})


def unknown(what: str) -> httpx.Response:
    """The answer that there is no such view or instance."""
    kind = f"urn:posebank:problem:unknown-{what}"
    told = {
        "type": kind,
        "title": "",
        "status": 404,
        "detail": "none",
        "remedy": "",
        "instance": "",
    }
    return httpx.Response(404, json=told)


def test_typed_answers(live: Live, query: Query, tmp_path: Path) -> None:
    path = tmp_path / "cup.jpg"
    path.write_bytes(query.jpeg)
    with Client(live.url) as client:
        pose = client.estimate_pose(path, {**query.request, "k": 2})
        assert len(pose.neighbours) == 2
        assert pose.box is not None
        assert pose.consensus.hypothesis == pose.box
        assert len(pose.box.vertices_m) == 9
        same = client.estimate_pose(query.jpeg, QueryRequest(k=2, bbox=pose.query.bbox))
        assert same.neighbours[0].view == pose.neighbours[0].view
        view = pose.neighbours[0].view
        assert client.view(view.id).instance == view.instance
        assert client.thumbnail(view.id).startswith(b"\xff\xd8")
        assert client.search_reid(query.jpeg).matches[0].count >= 1
        assert [index.name for index in client.indexes()] == ["toys"]


def test_problems_are_raised(live: Live, query: Query) -> None:
    with Client(live.url) as client:
        with pytest.raises(ProblemError) as found:
            client.estimate_pose(query.jpeg, {"k": 5000})
        assert found.value.problem.status == 422
        assert "1 to 200" in found.value.remedy
        with pytest.raises(ProblemError):
            client.view("0" * 16)


@pytest.mark.parametrize(
    "answer",
    [httpx.Response(502, text="<html>bad gateway"), httpx.Response(200, text="<html>log in")],
    ids=["refusal", "success"],
)
def test_an_answer_of_someone_else(asked: Callable[..., Client], answer: httpx.Response) -> None:
    with pytest.raises(ProblemError, match=f"{answer.status_code} with text/plain"):
        asked(Scripted(answer)).indexes()


def test_a_busy_server_is_asked_again_no_sooner_than_it_says(
    asked: Callable[..., Client], waits: list[float]
) -> None:
    script = Scripted(busy("2"), busy("3", status=503), no_index())
    assert asked(script).indexes() == []
    assert len(script.requests) == 3
    assert 2.0 <= waits[0] <= 2.5
    assert 3.0 <= waits[1] <= 3.75


def test_without_a_time_told_the_waits_double(
    asked: Callable[..., Client], waits: list[float]
) -> None:
    asked(Scripted(busy(None), busy("soon"), busy(None), no_index())).indexes()
    for wait, least in zip(waits, (0.25, 0.5, 1.0), strict=True):
        assert least <= wait <= 1.25 * least


def test_attempts_are_bounded(asked: Callable[..., Client], waits: list[float]) -> None:
    script = Scripted(*[busy()] * 9)
    with pytest.raises(ProblemError, match="queue is full"):
        asked(script, retries=Retries(attempts=3)).indexes()
    assert len(script.requests) == 3
    assert len(waits) == 2


def test_a_wait_beyond_the_bound_is_not_begun(
    asked: Callable[..., Client], waits: list[float]
) -> None:
    script = Scripted(busy("3600"))
    with pytest.raises(ProblemError):
        asked(script).indexes()
    assert waits == []


def test_time_is_bounded(asked: Callable[..., Client], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each wait fits; together they do not."""
    now = [0.0]
    monkeypatch.setattr("service.client.retries.monotonic", lambda: now[0])
    monkeypatch.setattr(
        "service.client.blocking.sleep", lambda seconds: now.__setitem__(0, now[0] + seconds)
    )
    script = Scripted(*[busy("8")] * 99)
    with pytest.raises(ProblemError):
        asked(script, retries=Retries(attempts=99, seconds=30.0)).indexes()
    assert 2 <= len(script.requests) <= 4
    assert now[0] <= 30.0


def test_other_refusals_are_final(asked: Callable[..., Client], waits: list[float]) -> None:
    script = Scripted(busy(status=422))
    with pytest.raises(ProblemError):
        asked(script).indexes()
    assert waits == []


@pytest.mark.parametrize(
    "lost",
    [httpx.ConnectError, httpx.ConnectTimeout, httpx.ReadError, httpx.RemoteProtocolError],
)
def test_a_lost_answer_is_asked_for_again_with_the_same_bytes(
    asked: Callable[..., Client], waits: list[float], lost: type[httpx.TransportError]
) -> None:
    script = Scripted(lost, httpx.Response(422, json={**BUSY, "status": 422}))
    with pytest.raises(ProblemError):
        asked(script).enrol(b"image", {"dataset": "d", "instance": "i", "category": "c"})
    first, second = script.requests
    assert (first.method, first.url.path) == ("POST", "/views")
    for part in (b"image", b'"instance": "i"'):
        assert part in first.content
        assert part in second.content
    assert len(waits) == 1


@pytest.mark.parametrize(
    ("outcomes", "attempts"), [([httpx.ReadTimeout], 1), ([httpx.ConnectError] * 9, 7)]
)
def test_no_answer_is_an_error_of_its_own(
    asked: Callable[..., Client],
    waits: list[float],
    outcomes: list[type[httpx.TransportError]],
    attempts: int,
) -> None:
    """A read that took too long is not repeated: that time was the caller's to give."""
    script = Scripted(*outcomes)
    with pytest.raises(UnreachableError, match=f"http://posebank .* GET /indexes in {attempts} of"):
        asked(script).indexes()
    assert len(script.requests) == attempts


def test_nothing_listens() -> None:
    with (
        Client("http://127.0.0.1:9", retries=Retries(attempts=1)) as client,
        pytest.raises(UnreachableError, match=r"http://127\.0\.0\.1:9 gave no answer"),
    ):
        client.indexes()


def test_the_key_travels_and_is_not_shown(asked: Callable[..., Client]) -> None:
    script = Scripted(no_index())
    client = asked(script, api_key="pb_secret")
    client.indexes()
    assert script.requests[0].headers["authorization"] == "Bearer pb_secret"
    assert "pb_secret" not in repr(client) + repr(vars(client)) + repr(script.requests[0].headers)


def test_names_are_escaped(asked: Callable[..., Client]) -> None:
    script = Scripted(httpx.Response(200, json={"views": 3, "versions": []}))
    gone = asked(script).delete_instance("toys", "cup/batch 1?")
    assert gone.views == 3
    url = script.requests[0].url
    assert url.raw_path == b"/instances/cup%2Fbatch%201%3F?dataset=toys"


@pytest.mark.parametrize("first", [httpx.ReadError, httpx.Response(503)])
def test_a_repeated_deletion_that_finds_nothing_is_done(
    asked: Callable[..., Client], waits: list[float], first: Outcome
) -> None:
    script = Scripted(first, unknown("view"), first, unknown("instance"))
    client = asked(script)
    assert client.delete_view("0" * 16).views == 0
    assert client.delete_instance("toys", "cup").views == 0
    assert len(waits) == 2


def test_what_was_never_there_is_not_deleted(asked: Callable[..., Client]) -> None:
    with pytest.raises(ProblemError, match="none"):
        asked(Scripted(unknown("view"))).delete_view("0" * 16)
    with pytest.raises(ProblemError, match="none"):
        asked(Scripted(httpx.ReadError, unknown("view"))).view("0" * 16)
    for first in (httpx.Response(429), httpx.ConnectError, httpx.ConnectTimeout):
        with pytest.raises(ProblemError, match="none"):
            asked(Scripted(first, unknown("view"))).delete_view("0" * 16)


def test_pages_are_followed_to_the_last(asked: Callable[..., Client]) -> None:
    ids = ["0" * 15 + digit for digit in "123"]
    script = Scripted(
        httpx.Response(200, json={"views": [], "next": ids[0]}),
        httpx.Response(200, json={"views": [], "next": ids[2]}),
        httpx.Response(200, json={"views": [], "next": None}),
    )
    assert list(asked(script).views(category="cup", annotated=True)) == []
    asked_for = [dict(request.url.params) for request in script.requests]
    filters = {"category": "cup", "annotated": "true"}
    assert asked_for == [filters, {**filters, "after": ids[0]}, {**filters, "after": ids[2]}]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("0", 0.0), ("120", 120.0), (None, None), ("", None), ("soon", None), ("-5", None)],
)
def test_retry_after_in_seconds(header: str | None, seconds: float | None) -> None:
    assert retry_after(header) == seconds


def test_retry_after_as_a_date() -> None:
    then = datetime.now(UTC) + timedelta(seconds=90)
    wait = retry_after(format_datetime(then, usegmt=True))
    assert wait is not None
    assert 60 < wait <= 90
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0
