"""One view in its dialog: what closes it and what does not; deleting takes no one by surprise."""

from __future__ import annotations

from typing import Any

import pytest

from tests.service.web.hands import (
    AWAY,
    DIALOG,
    FACTS,
    VIEW,
    Held,
    close,
    open_view,
    screen,
    shown,
    until,
)

CONFIRM = f"{DIALOG} [data-testid=confirm]"
SAID = "document.getElementById('gallery-said').textContent"


@pytest.fixture
def gallery(curator: Any) -> Any:
    screen(curator, "gallery")
    curator.wait_for_selector(VIEW)
    return curator


def delete(page: Any) -> Held:
    """Deletes the view that is open; the answer is held."""
    held = Held(page, "**/views/*", only=lambda request: request.method == "DELETE")
    page.get_by_role("button", name="Delete this view").click()
    page.get_by_role("button", name="Delete for good").click()
    held.asked()
    return held


def test_a_double_tap_deletes_nothing(gallery: Any) -> None:
    """Its second half may fall on what the first has brought there."""
    open_view(gallery, 0)
    gallery.evaluate(
        """() => {
          for (const name of ["Delete this view", "Delete for good"]) {
            const buttons = [...document.querySelectorAll("#view-dialog .erase button")];
            buttons.find((one) => one.textContent === name).click();
          }
        }"""
    )
    assert "Delete for good" in gallery.inner_text(CONFIRM)
    gallery.wait_for_selector(f"{CONFIRM} button:has-text('Delete for good'):enabled")


@pytest.mark.parametrize("way", ["querySelector('[data-testid=close]').click()", "close()"])
def test_closed_and_another_opened_at_once(gallery: Any, way: str) -> None:
    """The second way is what Escape does."""
    open_view(gallery, 3)
    other = shown(gallery)[5]
    gallery.evaluate(
        f"""() => {{
          document.querySelector("{DIALOG}").{way};
          document.querySelector("[data-view='{other}']").click();
        }}"""
    )
    gallery.wait_for_selector(f"{FACTS}:has-text('{other}')")
    assert gallery.url.endswith(f"view={other}")
    close(gallery)


def test_a_late_delete_leaves_another_view_open(gallery: Any) -> None:
    gone = open_view(gallery, 0)
    held = delete(gallery)
    assert gallery.get_by_role("button", name="Keep").is_disabled()
    close(gallery)
    other = open_view(gallery, 9)
    held.let_go()
    until(gallery, f"{SAID}.startsWith('1 view deleted')")
    assert other in gallery.inner_text(FACTS)
    assert gone not in shown(gallery)


def test_a_delete_that_fails_late_is_told(gallery: Any) -> None:
    kept = open_view(gallery, 0)
    held = delete(gallery)
    close(gallery)
    held.let_go(**AWAY)
    until(gallery, f"{SAID}.includes('was not deleted: It is away.')")
    gallery.wait_for_selector(f"[data-view='{kept}']")


def test_only_a_press_beside_it_closes_it(gallery: Any) -> None:
    open_view(gallery, 3)
    box = gallery.locator(DIALOG).bounding_box()
    gallery.mouse.click(box["x"] + 9, box["y"] + 200)  # in its padding
    assert gallery.is_visible(DIALOG)
    text = gallery.locator(f"{DIALOG} dd").last.bounding_box()
    gallery.mouse.move(text["x"] + 30, text["y"] + 5)
    gallery.mouse.down()
    gallery.mouse.move(box["x"] + box["width"] + 60, text["y"] + 8, steps=5)  # selected out of it
    gallery.mouse.up()
    assert gallery.is_visible(DIALOG)
    gallery.mouse.click(5, box["y"])
    assert not gallery.is_visible(DIALOG)


def test_a_double_click_on_a_view_opens_it(gallery: Any) -> None:
    tile = gallery.locator(VIEW).first.bounding_box()
    at = tile["x"] + 20, tile["y"] + 20
    gallery.mouse.click(*at)
    gallery.wait_for_selector(FACTS)
    assert at[0] < gallery.locator(DIALOG).bounding_box()["x"]  # its second half falls beside it
    gallery.mouse.down(click_count=2)
    gallery.mouse.up(click_count=2)
    assert gallery.is_visible(DIALOG)
