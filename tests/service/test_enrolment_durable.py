"""What was answered 201 outlives the server, and every server of a database learns of it."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from index.build import build_index
from index.home import Home
from index.store.database import close_database
from service.client import Client
from tests.service.conftest import Query, ToyReader, make_query, wait_until
from tests.service.test_commands import POSEBANK, free_port, plain_environment
from tests.service.test_enrolment import annotated
from training.encoder import Encoder


@dataclass
class Server:
    """`posebank serve` as a process."""

    process: subprocess.Popen[bytes]
    url: str

    def kill(self) -> None:
        """As a power cut would: no handler runs, nothing is flushed."""
        self.process.kill()
        self.process.wait()


Serve = Callable[[], Server]


@pytest.fixture(params=["sqlite", "postgres"])
def serve(request: pytest.FixtureRequest, tiny_encoder: Path, tmp_path: Path) -> Iterator[Serve]:
    """``serve()`` starts a process on the one home and database of a test."""
    if request.param == "sqlite":
        database = f"sqlite:///{tmp_path / 'posebank.sqlite'}"
    else:
        database = request.getfixturevalue("postgres_url")
    home = Home.open(tmp_path, database)
    encoder = Encoder.load(tiny_encoder, threads=1)
    build_index(home, "toys", [ToyReader()], encoder, encoder_folder=tiny_encoder, fps=None)
    close_database(home)
    started: list[Server] = []

    def run() -> Server:
        port, log = free_port(), tmp_path / f"log-{len(started)}"
        environment = {"POSEBANK_HOME": str(tmp_path), "POSEBANK_DATABASE_URL": database}
        with log.open("w") as stream:
            process = subprocess.Popen(
                [*POSEBANK, "serve", "--port", str(port)],
                stderr=stream,
                env=plain_environment(environment),
            )
        server = Server(process, f"http://127.0.0.1:{port}")
        started.append(server)

        def ready() -> bool:
            assert process.poll() is None, log.read_text()
            try:
                return httpx.get(f"{server.url}/readyz").status_code == 200
            except httpx.TransportError:
                return False

        wait_until(ready, 60)
        return server

    yield run
    for server in started:
        server.kill()


def nearest(client: Client, query: Query) -> str:
    """The instance that a question answers."""
    return client.search_reid(query.jpeg, query.request).matches[0].instance


def enrol_and_kill(server: Server, query: Query, instance: str) -> str:
    """Kills the server at the first byte of its answer, which must be a 201; its Location."""
    form = httpx.Request(
        "POST",
        f"{server.url}/views",
        files={"image": ("q.jpg", query.jpeg)},
        data={"request": json.dumps(annotated(query, instance))},
    )
    head = f"POST /views HTTP/1.1\r\nHost: {form.headers['host']}\r\n"
    head += "".join(f"{key}: {form.headers[key]}\r\n" for key in ("content-type", "content-length"))
    with socket.create_connection((form.url.host, form.url.port), timeout=30) as connection:
        connection.sendall(head.encode() + b"\r\n" + form.read())
        answer = connection.recv(1)
        server.process.kill()
        while part := connection.recv(65536):
            answer += part
    server.process.wait()
    assert answer.startswith(b"HTTP/1.1 201"), answer[:200]
    lines = answer.decode("latin-1").split("\r\n")
    return next(line.split(": ")[1] for line in lines if line.lower().startswith("location"))


def test_killed_at_the_201_it_is_there_after_the_restart(serve: Serve) -> None:
    queries = [make_query("cup", 0.35 + 0.2 * number) for number in range(3)]
    places = []
    for number, query in enumerate(queries):
        places.append(enrol_and_kill(serve(), query, f"kept-{number}"))
    with Client(serve().url) as client:
        for number, (query, place) in enumerate(zip(queries, places, strict=True)):
            view = client.view(place.removeprefix("/views/"))
            assert view.instance == f"kept-{number}"
            assert client.thumbnail(view.id).startswith(b"\xff\xd8")
            assert nearest(client, query) == view.instance
        assert len(list(client.views(dataset="workshop"))) == 3


def test_two_servers_see_what_each_other_does(serve: Serve, query: Query) -> None:
    with Client(serve().url) as one, Client(serve().url) as other:
        view = one.enrol(query.jpeg, annotated(query, "shared"))
        assert nearest(one, query) == "shared"
        wait_until(lambda: nearest(other, query) == "shared")
        assert other.view(view.id) == view
        assert view.id in {point.id for point in other.map().points}

        back = other.enrol(make_query("book").jpeg, annotated(make_query("book"), "back"))
        wait_until(lambda: nearest(one, make_query("book")) == "back")

        other.delete_view(view.id)
        assert nearest(other, query) != "shared"
        wait_until(lambda: nearest(one, query) != "shared")
        assert [known.id for known in one.views(dataset="workshop")] == [back.id]

        toy = next(one.views(dataset="toys"))
        gone = one.delete_instance("toys", toy.instance)
        assert gone.views == 6
        (version,) = gone.versions
        wait_until(lambda: other.indexes()[0].version == version.after)
        assert toy.instance not in {known.instance for known in other.views()}
        assert nearest(other, make_query("book")) == "back"


class LosesAnswers(httpx.BaseTransport):
    """Sends every request and loses the first answer."""

    def __init__(self) -> None:
        self.sent = 0
        self._real = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self._real.handle_request(request)
        answer.read()
        self.sent += 1
        if self.sent == 1:
            raise httpx.ReadError("the connection broke", request=request)
        return answer

    def close(self) -> None:
        self._real.close()


def test_a_lost_answer_is_repeated_and_the_view_stored_once(serve: Serve, query: Query) -> None:
    transport = LosesAnswers()
    with Client(serve().url, transport=transport) as client:
        view = client.enrol(query.jpeg, annotated(query, "once"))
        assert transport.sent == 2
        assert [known.id for known in client.views(dataset="workshop")] == [view.id]
