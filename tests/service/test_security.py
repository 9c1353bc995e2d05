"""Without keys the service is this machine's own; with keys no route opens without one."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from pathlib import Path

import httpx
import pytest

from index.home import Home
from index.keys import SCOPES, Keys
from service.app import create_app
from service.security import is_loopback
from service.settings import Settings
from tests.service.conftest import Live, Query, Start, assert_problem, wait_until

OPEN = {"/healthz", "/readyz"}
"""What asks for no key, beside the page's own files and the OpenAPI document."""


def ask(base_url: str, settings: Settings, **headers: str) -> httpx.Response:
    """GET /samples of a new app, as if it had come in at the address of ``base_url``."""

    async def get() -> httpx.Response:
        transport = httpx.ASGITransport(create_app(settings))
        async with httpx.AsyncClient(transport=transport, base_url=base_url) as client:
            return await client.get("/samples", headers=headers)

    return asyncio.run(get())


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, database_url=f"sqlite:///{tmp_path / 'db.sqlite'}")


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1:8000", "127.1.2.3", "[::1]:8000", "LOCALHOST:1", "localhost."]
)
def test_open_to_this_machine(settings: Settings, host: str) -> None:
    assert ask("http://127.0.0.1:8000", settings, Host=host).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8000",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "localhost@evil.example",
        "192.168.1.5",
        "0.0.0.0:8000",
        "[::1",
        "",
    ],
)
def test_a_name_bound_to_loopback_elsewhere_gets_nothing(settings: Settings, host: str) -> None:
    """DNS rebinding: a page of evil.example lets that name mean 127.0.0.1."""
    assert_problem(ask("http://127.0.0.1:8000", settings, Host=host), 403, "not-local")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://192.168.1.5"},
        {"Origin": "https://localhost.evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://localhost:8000", "Sec-Fetch-Site": "cross-site"},
    ],
)
def test_a_page_of_elsewhere_gets_nothing(settings: Settings, headers: dict[str, str]) -> None:
    """A form of any page may be posted to localhost, and would enrol views."""
    assert_problem(ask("http://127.0.0.1:8000", settings, **headers), 403, "not-local")


def test_the_own_page_gets_everything(settings: Settings) -> None:
    headers = {"Origin": "http://127.0.0.1:8000", "Sec-Fetch-Site": "same-origin"}
    assert ask("http://127.0.0.1:8000", settings, **headers).status_code == 200


@pytest.mark.parametrize("address", ["192.168.1.5", "10.0.0.1", "[2001:db8::1]", "posebank"])
def test_what_came_over_the_network_needs_a_key(settings: Settings, address: str) -> None:
    """The address that the connection came in at cannot be forged as the header Host can."""
    for headers in ({}, {"Host": "localhost"}, {"Host": "127.0.0.1"}):
        answer = ask(f"http://{address}:8000", settings, **headers)
        assert_problem(answer, 401, "unauthenticated")


def test_the_insecure_setting_opens_to_who_names_localhost(settings: Settings) -> None:
    """A container's port published on the host's loopback: the connection comes from a bridge."""
    unsafe = settings.model_copy(update={"insecure_listen_without_keys": True})
    assert ask("http://10.88.0.5:8000", unsafe, Host="127.0.0.1:8000").status_code == 200
    assert_problem(ask("http://10.88.0.5:8000", unsafe), 403, "not-local")
    assert_problem(ask("http://10.88.0.5:8000", unsafe, Host="evil.example"), 403, "not-local")
    _, text = Keys(Home.open(unsafe.home, unsafe.database_url)).create("robot", ["query"])
    closed = ask("http://10.88.0.5:8000", unsafe, Host="127.0.0.1:8000")
    assert_problem(closed, 401, "unauthenticated")
    assert ask("http://10.88.0.5:8000", unsafe, **{"X-API-Key": text}).status_code == 200


def test_with_a_key_every_host_and_page_may_ask(settings: Settings) -> None:
    _, text = Keys(Home.open(settings.home, settings.database_url)).create("page", ["query"])
    headers = {"X-API-Key": text, "Host": "posebank.example", "Origin": "https://shop.example"}
    assert ask("http://192.168.1.5", settings, **headers).status_code == 200


def test_revoking_the_last_key_opens_nothing(settings: Settings) -> None:
    """Else the answer to a stolen key would be to let everybody in."""
    keys = Keys(Home.open(settings.home, settings.database_url))
    record, text = keys.create("robot", ["query"])
    assert_problem(ask("http://127.0.0.1", settings), 401, "unauthenticated")
    keys.revoke(record.id)
    assert_problem(ask("http://127.0.0.1", settings), 401, "unauthenticated")
    assert_problem(ask("http://127.0.0.1", settings, **{"X-API-Key": text}), 401, "unauthenticated")
    keys.revoke(record.id, forget=True)
    assert ask("http://127.0.0.1", settings).status_code == 200


def test_an_unknown_key_is_refused_where_none_would_do(settings: Settings) -> None:
    answer = ask("http://127.0.0.1", settings, **{"X-API-Key": "pb_1"})
    assert_problem(answer, 401, "unauthenticated")


def test_a_database_that_is_away_opens_nothing(tmp_path: Path) -> None:
    (tmp_path / "db.sqlite").mkdir()
    settings = Settings(home=tmp_path, database_url=f"sqlite:///{tmp_path / 'db.sqlite'}")
    assert_problem(ask("http://127.0.0.1", settings), 503, "not-ready")


@pytest.fixture(scope="module")
def closed(start: Start, tmp_path_factory: pytest.TempPathFactory) -> tuple[Live, dict[str, str]]:
    """A server without an index and a key of each scope."""
    home = tmp_path_factory.mktemp("closed")
    keys = Keys(Home.open(home, f"sqlite:///{home / 'posebank.sqlite'}"))
    made = {scope: keys.create(scope, [scope])[1] for scope in SCOPES}
    return start(home, wait=False), made


def test_every_route_asks_who_calls_and_for_one_scope(closed: tuple[Live, dict[str, str]]) -> None:
    """A route that somebody adds without `require` fails here."""
    live, keys = closed
    paths = live.client.get("/openapi.json").json()["paths"]
    seen = {scope: 0 for scope in SCOPES}
    for path, methods in paths.items():
        address = re.sub(r"\{[^}]*\}", "0" * 16, path)
        for method, operation in methods.items():
            without = live.client.request(method, address)
            if path in OPEN:
                assert without.status_code not in (401, 403), path
                continue
            assert_problem(without, 401, "unauthenticated")
            assert operation["security"] == [{"Bearer": []}, {"X-API-Key": []}]
            assert {"401", "403", "429", "503"} <= set(operation["responses"]), path
            opened = [
                scope
                for scope, key in keys.items()
                if live.client.request(method, address, headers={"X-API-Key": key}).status_code
                not in (401, 403)
            ]
            assert len(opened) == 1, (path, opened)
            seen[opened[0]] += 1
    assert seen["query"] >= 8


def test_the_page_and_the_document_need_no_key(closed: tuple[Live, dict[str, str]]) -> None:
    live, _ = closed
    for path in ("/", "/web/main.js", "/openapi.json", "/healthz"):
        assert live.client.get(path).status_code == 200


def test_no_url_is_ever_fetched(live: Live) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        came = threading.Event()

        def wait() -> None:
            try:
                server.accept()
            except OSError:
                return
            came.set()

        threading.Thread(target=wait, daemon=True).start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/cup.jpg"
        for route in ("/pose/estimate", "/reid/search", "/actions/search"):
            as_text = live.client.post(route, files={"image": (None, url)})
            assert_problem(as_text, 422, "invalid-request")
            assert_problem(live.ask(route, url.encode()), 415, "unsupported-image")
            svg = f'<svg xmlns="http://www.w3.org/2000/svg"><image href="{url}"/></svg>'
            assert_problem(live.ask(route, svg.encode()), 415, "unsupported-image")
            named = live.client.post(route, files={"image": (url, b"\xff\xd8\xff")})
            assert_problem(named, 422, "broken-image")
            asked = live.ask(route, b"\xff\xd8\xff", {"image_url": url})
            assert_problem(asked, 422, "invalid-request")
        assert not came.wait(0.2)


def test_a_long_header_is_no_crash(live: Live, query: Query) -> None:
    for name in ("Authorization", "X-API-Key", "Origin"):
        answer = live.client.get("/indexes", headers={name: "Bearer " + "x" * 30_000})
        assert answer.status_code in (401, 403)
        assert len(answer.text) < 2000


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("", False),
        ("192.168.1.5", False),
        ("2130706433", False),
        ("0x7f.1", False),
        ("/run/posebank.sock", False),
    ],
)
def test_what_is_loopback(host: str, own: bool) -> None:
    assert is_loopback(host) is own


def test_a_key_made_while_the_server_runs_closes_it(start: Start, tmp_path: Path) -> None:
    live = start(tmp_path, wait=False)
    assert live.client.get("/samples").status_code == 200
    Keys(Home.open(tmp_path, f"sqlite:///{tmp_path / 'posebank.sqlite'}")).create("a", ["query"])
    wait_until(lambda: live.client.get("/samples").status_code == 401, seconds=1.0)
