"""The log: one line a request with its id, and never a key, an image or a client's own text."""

from __future__ import annotations

import io
import json
import logging
import re
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest

from index.home import Home
from index.keys import Keys
from service import questions
from service.logs import JsonLines, TextLines, set_up_logging
from tests.service.conftest import Live, Query, Start, assert_problem, wait_until

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Written:
    """What the loggers wrote."""

    def __init__(self, stream: io.StringIO) -> None:
        self._stream = stream

    @property
    def text(self) -> str:
        return self._stream.getvalue()

    def line(self, request_id: str) -> dict[str, object]:
        """The line of one request, which is written when its answer has gone."""
        found: list[dict[str, object]] = []

        def there() -> bool:
            lines = [json.loads(line) for line in self.text.splitlines()]
            found[:] = [line for line in lines if line.get("request_id") == request_id]
            return bool(found)

        wait_until(there)
        assert len(found) == 1
        return found[0]


def write_to(handler: logging.Handler) -> Iterator[None]:
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield
    root.setLevel(before)
    root.removeHandler(handler)


@pytest.fixture
def written() -> Iterator[Written]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    handler.addFilter(lambda made: made.name != "httpx")  # the client is no part of the server
    for _ in write_to(handler):
        yield Written(stream)


def record(message: str, **fields: object) -> logging.LogRecord:
    made = logging.LogRecord("posebank", logging.INFO, "", 0, message, None, None)
    made.fields = fields
    made.created = 1_700_000_000.25
    return made


def test_a_line_of_json() -> None:
    line = JsonLines().format(record("answered", status=200, ms=1.5, key=None, route="/é\n"))
    assert "\n" not in line
    assert json.loads(line) == {
        "time": "2023-11-14T22:13:20.250Z",
        "level": "info",
        "message": "answered",
        "status": 200,
        "ms": 1.5,
        "route": "/é\n",
    }


def test_a_line_of_text() -> None:
    told = record("answered", status=200, key=None)
    assert re.fullmatch(r"\d\d:\d\d:20 answered status=200", TextLines().format(told))
    told.levelno, told.levelname = logging.WARNING, "WARNING"
    assert "20 WARNING answered" in TextLines().format(told)


def test_an_exception_is_in_the_line() -> None:
    try:
        raise ValueError("so it is")
    except ValueError as error:
        told = record("crashed")
        told.exc_info = (ValueError, error, error.__traceback__)
    assert "ValueError: so it is" in json.loads(JsonLines().format(told))["exception"]
    assert "ValueError: so it is" in TextLines().format(told)


def test_a_request_is_one_line(live: Live, query: Query, written: Written) -> None:
    answer = live.ask("/pose/estimate", query.jpeg, query.request)
    line = written.line(answer.headers["x-request-id"])
    moment, ms = line.pop("time"), line.pop("ms")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", str(moment))
    assert isinstance(ms, float)
    assert ms > 0
    assert line == {
        "level": "info",
        "message": "answered",
        "method": "POST",
        "route": "/pose/estimate",
        "status": 200,
        "request_id": answer.headers["x-request-id"],
    }


def test_a_refusal_is_told_by_its_kind(live: Live, written: Written) -> None:
    answer = live.ask("/pose/estimate", b"GIF89a")
    line = written.line(answer.headers["x-request-id"])
    assert (line["refused"], line["status"], line["level"]) == ("unsupported-image", 415, "info")


def test_a_crash_is_told_with_its_trace_and_the_answer_without(
    live: Live, query: Query, written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object, **__: object) -> None:
        raise ZeroDivisionError("nobody foresaw it")

    monkeypatch.setattr(questions, "answer_poses", crash)
    answer = live.ask("/pose/estimate", query.jpeg)
    assert_problem(answer, 500, "internal")
    number = answer.headers["x-request-id"]
    assert "ZeroDivisionError" not in answer.text

    def both() -> bool:
        return written.text.count(number) == 2

    wait_until(both)
    crashed, answered = (
        line
        for line in map(json.loads, written.text.splitlines())
        if line.get("request_id") == number
    )
    assert "ZeroDivisionError: nobody foresaw it" in crashed["exception"]
    assert crashed["level"] == "error"
    assert (answered["status"], answered["refused"], answered["level"]) == (
        500,
        "internal",
        "warning",
    )


@pytest.mark.parametrize("given", ["a", "trace-1.2_B", "x" * 64])
def test_a_plain_id_of_the_client_is_kept(live: Live, given: str, written: Written) -> None:
    answer = live.client.get("/nowhere", headers={"X-Request-ID": given})
    assert answer.headers["x-request-id"] == given
    assert answer.json()["instance"] == f"urn:posebank:request:{given}"
    assert written.line(given)["status"] == 404


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", 'a"b', "a/b", "é", "a\tb", "{}"])
def test_another_id_is_replaced(live: Live, given: str) -> None:
    answer = live.client.get("/indexes", headers={"X-Request-ID": given.encode("latin-1")})
    assert UUID.fullmatch(answer.headers["x-request-id"])


def test_probes_are_not_told(live: Live, written: Written) -> None:
    for route in ("/healthz", "/readyz", "/metrics"):
        live.client.get(route, headers={"X-Request-ID": "probe"})
    live.client.get("/nowhere", headers={"X-Request-ID": "after"})
    written.line("after")
    assert "probe" not in written.text


def test_a_client_that_left_is_told(
    start: Start, home: Path, query: Query, written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start(home)
    see = questions.decode

    def slow(data: bytes) -> object:
        time.sleep(0.5)
        return see(data)

    monkeypatch.setattr(questions, "decode", slow)
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(
            f"{server.url}/pose/estimate",
            files={"image": query.jpeg},
            headers={"X-Request-ID": "impatient"},
            timeout=0.1,
        )
    line = written.line("impatient")
    assert line["message"] == "gone"
    assert "status" not in line
    text = server.client.get("/metrics").text
    gone = 'posebank_requests_total{method="POST",route="/pose/estimate",status="gone"} 1.0'
    assert gone in text
    assert 'posebank_dropped_total{reason="gone"} 1.0' in text


def test_neither_key_nor_image_nor_question_is_told(
    start: Start, tmp_path: Path, query: Query, written: Written, build_toys: object
) -> None:
    assert callable(build_toys)
    build_toys(tmp_path)
    keys = Keys(Home.open(tmp_path, f"sqlite:///{tmp_path / 'posebank.sqlite'}"))
    _, text = keys.create("robot", ["query"])
    server = start(tmp_path)
    marked = query.jpeg[:20] + b"\xff\xfe\x00\x0bIMAGETEXT" + query.jpeg[20:]
    request = json.dumps({"filters": {"category": "QUESTIONTEXT"}})
    for header, number in (
        ({"Authorization": f"Bearer {text}"}, "one"),
        ({"X-API-Key": text}, "two"),
        ({"Authorization": f"Bearer {text}x"}, "wrong"),
    ):
        httpx.post(
            f"{server.url}/pose/estimate?QUERYTEXT=1",
            files={"image": marked},
            data={"request": request},
            headers={**header, "X-Request-ID": number, "Cookie": "COOKIETEXT"},
        )
    assert written.line("one")["key"] == written.line("two")["key"] == "robot"
    assert written.line("one")["status"] == 200
    assert "key" not in written.line("wrong")
    assert written.line("wrong")["refused"] == "unauthenticated"
    secret = text.rsplit("_", 1)[1]
    for word in (secret, "IMAGETEXT", "QUESTIONTEXT", "QUERYTEXT", "COOKIETEXT"):
        assert word not in written.text, word


def test_opencv_writes_no_lines_of_its_own(capfd: pytest.CaptureFixture[str]) -> None:
    """About an image that it cannot read, between lines that a machine is to parse."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    opencv = cv2.utils.logging.getLogLevel()
    try:
        set_up_logging("json")
        canvas = b"VP8X\n\0\0\0\x02\0\0\0\t\0\0\t\0\0"
        broken = b"RIFF\x24\0\0\0WEBP" + canvas + b"ANIM\x06\0\0\0" + bytes(6)
        assert cv2.imdecode(np.frombuffer(broken, np.uint8), cv2.IMREAD_COLOR) is None
    finally:
        root.handlers, root.level = before, level
        cv2.utils.logging.setLogLevel(opencv)
    assert capfd.readouterr().err == ""
