"""A server with API keys: what the page says without one, with one, and with one that may less."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from index.home import Home
from index.keys import Keys
from tests.service.conftest import BuildToys, Live, Start, make_query, wait_until
from tests.service.web.conftest import opened
from tests.service.web.hands import (
    DESKTOP,
    DIALOG,
    FACTS,
    PHONE,
    PROBLEM,
    Held,
    listed,
    screen,
    shoot,
    sideways,
    until,
    upload,
)

PICTURES = "[...document.querySelectorAll('#gallery-views img')]"


@pytest.fixture(scope="module")
def keys(build_toys: BuildToys, tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """The keys of a home of its own; one is made, so that none is open."""
    folder = tmp_path_factory.mktemp("locked")
    build_toys(folder)
    keys = Keys(Home.open(folder, f"sqlite:///{folder / 'posebank.sqlite'}"))
    keys.create("first", ["admin"])
    return keys


@pytest.fixture(scope="module")
def locked(start: Start, keys: Keys) -> Live:
    live = start(keys._home.path)
    wait_until(lambda: live.client.get("/indexes").status_code == 401)
    return live


@pytest.fixture
def guest(browser: Any, locked: Live, request: pytest.FixtureRequest) -> Iterator[Any]:
    """The page, whose tab has no key yet."""
    with opened(browser, locked.url, getattr(request, "param", DESKTOP)) as page:
        yield page


Make = Callable[[str], str]


@pytest.fixture
def make(keys: Keys, locked: Live) -> Make:
    """Makes a key that may look; the server, which reads them now and then, knows it already."""

    def make(name: str) -> str:
        _, text = keys.create(name, ["query"])
        headers = {"Authorization": f"Bearer {text}"}
        wait_until(lambda: locked.client.get("/indexes", headers=headers).status_code == 200)
        return text

    return make


def give(page: Any, text: str) -> None:
    page.click("#key-open")
    page.keyboard.type(text)  # the field has the focus
    page.keyboard.press("Enter")
    page.wait_for_selector("#key-dialog", state="hidden")


def status(page: Any, words: str) -> None:
    until(page, f"document.getElementById('status').textContent === '{words}'")


def test_a_key_opens_the_page_for_this_tab(guest: Any, make: Make) -> None:
    status(guest, "A key is needed")
    screen(guest, "gallery")
    guest.wait_for_selector("[data-testid=problem].locked")
    shoot(guest, "locked")
    text = make("looks")
    guest.get_by_role("button", name="Enter a key").click()
    shoot(guest, "key")
    guest.keyboard.type(text)
    guest.keyboard.press("Enter")
    status(guest, "toys · 24 views")
    wait_until(lambda: guest.locator("[data-testid=view]").count() == 24)
    assert guest.locator("[data-testid=problem]").count() == 0
    # An <img> of a locked address shows nothing: they are fetched with the key.
    until(guest, f"{PICTURES}.some((one) => one.naturalWidth > 1)")
    assert guest.evaluate(f"{PICTURES}.every((one) => /^(blob|data):/.test(one.src))")
    guest.reload()
    status(guest, "toys · 24 views")  # the tab remembers
    assert guest.evaluate("localStorage.length") == 0
    guest.click("#key-open")
    guest.get_by_role("button", name="Forget the key").click()
    status(guest, "A key is needed")
    guest.wait_for_selector("[data-testid=problem].locked")
    assert guest.locator("[data-testid=view]").count() == 0


def test_a_key_never_is_in_the_command(guest: Any, make: Make) -> None:
    text = make("asks")
    give(guest, text)
    status(guest, "toys · 24 views")
    upload(guest, make_query())
    guest.click("#submit")
    guest.wait_for_selector("[data-testid=pose]")
    guest.click("#curl summary")
    command = guest.inner_text("#curl-text")
    assert '"Authorization: Bearer $POSEBANK_KEY"' in command
    assert text not in guest.content()


def test_a_wrong_key_is_told_kindly(guest: Any) -> None:
    give(guest, "pb_wrong")
    status(guest, "The key is not known")
    screen(guest, "map")
    guest.wait_for_selector("[data-testid=problem].locked")
    assert guest.get_by_role("button", name="Use another key").is_visible()


@pytest.mark.parametrize("guest", [DESKTOP, PHONE], indirect=True, ids=["desktop", "phone"])
def test_a_key_that_may_only_look(guest: Any, make: Make, locked: Live) -> None:
    text = make("looks only")
    give(guest, text)
    status(guest, "toys · 24 views")
    screen(guest, "enrol")
    upload(guest, make_query())
    for field in ("instance", "category", "dataset"):
        guest.fill(f"#enrol [name={field}]", "mine")
    guest.click("#whole")
    guest.click("#enrol-submit")
    guest.wait_for_selector("#enrolled .locked")
    assert "no scope enrol" in guest.inner_text("#enrolled .locked")
    screen(guest, "gallery")
    guest.locator("[data-testid=view]").first.click()
    guest.get_by_role("button", name="Delete this view").click()
    guest.get_by_role("button", name="Delete for good").click()
    guest.wait_for_selector("#view-dialog .locked")
    assert sideways(guest) == 0
    shoot(guest, "may-only-look")
    guest.keyboard.press("Escape")
    headers = {"Authorization": f"Bearer {text}"}
    assert len(locked.client.get("/views", headers=headers).json()["views"]) == 24


KNOWN = "toys · 24 views"


def test_a_look_without_the_key_that_comes_after_it(guest: Any, make: Make) -> None:
    text = make("late look")
    guest.clock.install()
    guest.reload()
    status(guest, "A key is needed")
    held = Held(guest, "**/indexes", most=1)
    guest.clock.run_for(15_000)
    held.asked()
    give(guest, text)
    status(guest, KNOWN)
    held.let_go()
    assert guest.inner_text("#status") == KNOWN


def test_a_key_given_before_the_first_look_has_come(guest: Any, make: Make) -> None:
    text = make("early")
    held = Held(guest, "**/indexes", most=1)
    guest.goto(f"{guest.url}#/gallery")
    guest.reload()
    held.asked()
    give(guest, text)
    status(guest, KNOWN)
    held.let_go()
    listed(guest, 24)
    assert guest.inner_text("#status") == KNOWN


def test_a_view_is_shown_once_the_key_is_given_over_it(
    guest: Any, make: Make, locked: Live
) -> None:
    text = make("opens")
    headers = {"Authorization": f"Bearer {text}"}
    id = locked.client.get("/views", headers=headers).json()["views"][0]["id"]
    guest.goto(f"{locked.url}/#/gallery?view={id}")
    guest.wait_for_selector(f"{DIALOG} .locked")
    guest.locator(DIALOG).get_by_role("button", name="Enter a key").click()
    guest.keyboard.type(text)
    guest.keyboard.press("Enter")
    guest.wait_for_selector(f"{FACTS}:has-text('{id}')")


def test_a_question_without_the_key_that_is_refused_after_it(guest: Any, make: Make) -> None:
    text = make("late question")
    upload(guest, make_query())
    held = Held(guest, "**/pose/estimate", most=1)
    guest.click("#submit")
    held.asked()
    give(guest, text)
    status(guest, KNOWN)
    held.let_go()
    assert guest.locator(PROBLEM).count() == 0
    guest.click("#submit")
    guest.wait_for_selector("[data-testid=pose]")
