"""Everything by keyboard alone: in order, seen where it is, named; on every screen."""

from __future__ import annotations

from typing import Any

import pytest

from tests.service.web.hands import PHONE, screen, sideways

SCREENS = ("ask", "gallery", "enrol", "map")
READY = {"gallery": "[data-testid=view]", "map": "[data-testid=map]"}
FOCUSED = """() => {
  const at = document.activeElement;
  const seen = at.matches(".visually-hidden") ? at.labels[0] : at;
  const { outlineStyle, outlineWidth } = getComputedStyle(seen);
  return { tag: at.tagName, id: at.id, text: at.textContent.slice(0, 40),
           outline: outlineStyle !== "none" && parseFloat(outlineWidth) > 0 };
}"""


def walk(page: Any, most: int = 80) -> list[dict[str, Any]]:
    """What gets the focus, Tab by Tab, until the page's end."""
    found: list[dict[str, Any]] = []
    for _ in range(most):
        page.keyboard.press("Tab")
        at = page.evaluate(FOCUSED)
        if at["tag"] == "BODY":
            break
        found.append(at)
    return found


@pytest.mark.parametrize("name", SCREENS)
def test_each_stop_is_seen(page: Any, name: str) -> None:
    screen(page, name)
    if name in READY:
        page.wait_for_selector(READY[name])
    stops = walk(page)
    assert len(stops) > 5
    assert [stop for stop in stops if not stop["outline"]] == []


def test_the_screens_by_keyboard(page: Any) -> None:
    page.locator("nav a").first.focus()
    for name in SCREENS[1:]:
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.wait_for_selector(f"nav a[data-screen={name}][aria-current=page]")
        assert page.title().lower().startswith(name)
    page.go_back()
    page.wait_for_selector("nav a[data-screen=enrol][aria-current=page]")
    assert page.title().startswith("Enrol")


def test_the_skip_link_leads_past_the_header(page: Any) -> None:
    screen(page, "gallery")
    page.evaluate("document.activeElement.blur()")
    page.locator("#skip").focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    assert page.url.split("#")[1].startswith("/gallery")


@pytest.mark.parametrize("name", SCREENS)
def test_everything_has_a_name(page: Any, name: str) -> None:
    screen(page, name)
    if name in READY:
        page.wait_for_selector(READY[name])
    nameless = """[...document.querySelectorAll("button, a, input, select, canvas, img, dialog")]
      .filter((one) => one.checkVisibility())
      .filter((one) => !(one.labels?.length || one.textContent.trim() || one.hasAttribute("alt")
        || one.getAttribute("aria-label") || one.getAttribute("aria-labelledby")))
      .map((one) => one.outerHTML)"""
    assert page.evaluate(nameless) == []


@pytest.mark.parametrize("page", [PHONE], indirect=True)
def test_no_screen_is_wider_than_a_phone(page: Any) -> None:
    for name in SCREENS:
        screen(page, name)
        if name in READY:
            page.wait_for_selector(READY[name])
        assert sideways(page) == 0, name
        small = """[...document.querySelectorAll("nav a, .primary, #key-open")]
          .filter((one) => one.checkVisibility())
          .map((one) => one.getBoundingClientRect()).filter((box) => box.height < 28).length"""
        assert page.evaluate(small) == 0
