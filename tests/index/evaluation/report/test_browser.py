"""The page as a browser shows it: wide and on a phone, light and dark, by keyboard, on paper."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
DESKTOP = {"viewport": {"width": 1280, "height": 900}}
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM.exists():
        pytest.skip(f"no {CHROMIUM}; on Debian: apt-get install chromium fonts-dejavu-core")
    with playwright.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield browser
        browser.close()


Open = Callable[..., Any]


@pytest.fixture
def opened(browser: Any, reported: Callable[[str], Any]) -> Iterator[Open]:
    """Opens the report of `objectron`; the console stays silent and nothing leaves the folder."""
    told: list[str] = []
    contexts = []
    folder = reported("objectron").folder

    def open_page(**options: Any) -> Any:
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.on("console", lambda message: told.append(message.text))
        page.on("requestfailed", lambda request: told.append(request.url))
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith((f"file://{folder}/", "data:"))
                else told.append(request.url)
            ),
        )
        page.goto(f"file://{folder}/index.html")
        page.evaluate("for (const image of document.images) image.loading = 'eager'")
        page.wait_for_load_state("networkidle")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert told == []


@pytest.mark.parametrize("device", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_every_picture_shows_and_nothing_sticks_out(opened: Open, device: dict[str, Any]) -> None:
    page = opened(**device)
    width = device["viewport"]["width"]
    assert page.evaluate("document.documentElement.scrollWidth") == width
    broken = "[...document.images].filter(image => !image.naturalWidth).map(image => image.src)"
    assert page.evaluate(broken) == []
    assert page.locator("#boxes .scene").count() > 3
    scene, box = (
        page.locator(f"#boxes .scene {tag}").first.bounding_box() for tag in ("img", "svg")
    )
    assert box == pytest.approx(scene, abs=1)  # the drawn boxes lie on their photograph


def test_dark_is_dark_in_the_charts_too(opened: Open) -> None:
    shade = "element => getComputedStyle(element).backgroundColor"
    light, dark = (opened(**DESKTOP, color_scheme=scheme) for scheme in ("light", "dark"))
    assert light.locator("body").evaluate(shade) != dark.locator("body").evaluate(shade)
    charts = [page.locator("#curves img").first.screenshot() for page in (light, dark)]
    assert charts[0] != charts[1]


def test_the_keyboard_reaches_the_sections_and_the_wide_tables(opened: Open) -> None:
    page = opened(**PHONE)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the figures"
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#figures"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('role')") == "region"


def test_it_prints(opened: Open) -> None:
    page = opened(**DESKTOP, color_scheme="dark")
    assert page.pdf().startswith(b"%PDF")
    page.emulate_media(media="print")
    assert not page.locator("nav").is_visible()
