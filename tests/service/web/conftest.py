"""A browser, a server with sample queries, and its page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.service.conftest import BuildToys, Live, Start, make_query
from tests.service.web.hands import DESKTOP, until

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM.exists():
        pytest.skip(f"no {CHROMIUM}; on Debian: apt-get install chromium fonts-dejavu-core")
    with playwright.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def sampled(start: Start, home: Path, tmp_path_factory: pytest.TempPathFactory) -> Live:
    """A server with two sample queries."""
    folder = tmp_path_factory.mktemp("queries")
    for category, yaw in (("cup", 0.25), ("book", 0.7)):
        query = make_query(category, yaw)
        (folder / f"{category}.jpg").write_bytes(query.jpeg)
        (folder / f"{category}.json").write_text(json.dumps(query.request))
    return start(home, samples=folder)


@contextmanager
def opened(browser: Any, url: str, options: dict[str, Any]) -> Iterator[Any]:
    """The page of a server, whose console must stay without errors."""
    context = browser.new_context(**options)
    page = context.new_page()
    page.set_default_timeout(30_000)
    said: list[str] = []
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("console", lambda m: said.append(m.text) if m.type == "error" else None)
    page.goto(url)
    until(page, "!document.getElementById('status').textContent.startsWith('Connecting')")
    yield page
    context.close()
    # A refusal is an answer with a 4xx status, which the browser itself logs.
    assert [text for text in said if "status of 4" not in text] == []


@pytest.fixture
def page(browser: Any, sampled: Live, request: pytest.FixtureRequest) -> Iterator[Any]:
    """The page of a server whose gallery nobody changes."""
    with opened(browser, sampled.url, getattr(request, "param", DESKTOP)) as page:
        yield page


@pytest.fixture(scope="module")
def changing(start: Start, build_toys: BuildToys, tmp_path_factory: pytest.TempPathFactory) -> Live:
    """A server of 60 toys, into whose gallery tests put views and out of which they take some."""
    folder = tmp_path_factory.mktemp("changing")
    build_toys(folder, frames=15)
    return start(folder)


@pytest.fixture
def curator(browser: Any, changing: Live, request: pytest.FixtureRequest) -> Iterator[Any]:
    """The page of the server whose gallery changes."""
    with opened(browser, changing.url, getattr(request, "param", DESKTOP)) as page:
        yield page
