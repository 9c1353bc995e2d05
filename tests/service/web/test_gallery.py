"""The gallery: pages, filters, one view in a dialog, deleting views for good."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.service.conftest import Live, Query
from tests.service.web.hands import (
    AWAY,
    DARK,
    DIALOG,
    PHONE,
    VIEW,
    Held,
    close,
    listed,
    screen,
    settle,
    shoot,
    shown,
    sideways,
    until,
)


def test_page_by_page(curator: Any, changing: Live) -> None:
    screen(curator, "gallery")
    listed(curator, 48)
    assert curator.inner_text("#gallery-said") == "48 views so far, and there are more"
    curator.locator("#gallery-more").focus()
    curator.keyboard.press("Enter")
    listed(curator, 60)
    assert not curator.is_visible("#gallery-more")
    assert curator.inner_text("#gallery-said") == "60 views"
    focused = curator.evaluate("document.activeElement.dataset.view")
    assert focused == shown(curator)[48]  # the button is gone, its place is not lost
    told = changing.client.get("/views", params={"limit": 200}).json()["views"]
    assert shown(curator) == [view["id"] for view in told]


def test_more_takes_no_focus_from_what_is_typed(curator: Any) -> None:
    screen(curator, "gallery")
    listed(curator, 48)
    held = Held(curator, "**/views?*")
    curator.click("#gallery-more")
    held.asked()
    curator.click("#gallery-filters [name=instance]")
    curator.keyboard.type("cu")
    held.let_go()
    listed(curator, 60)
    assert curator.evaluate("document.activeElement.name") == "instance"


def away(route: Any) -> None:
    route.fulfill(**AWAY)


def test_what_failed_is_asked_for_once_more(curator: Any) -> None:
    curator.clock.install()
    curator.reload()
    curator.wait_for_selector("[data-testid=sample], #status:has-text('views')")
    curator.route("**/indexes", away)
    curator.route("**/views?*", away)
    screen(curator, "gallery")
    curator.wait_for_selector("#gallery-problem [data-testid=problem]")
    curator.clock.run_for(15_000)
    until(curator, "document.getElementById('status').textContent.includes('Away')")
    curator.unroute("**/views?*")
    curator.click("#gallery-filters button:has-text('Show')")
    listed(curator, 48)
    curator.route("**/map?*", away)
    screen(curator, "map")
    curator.wait_for_selector("#map-problem [data-testid=problem]")
    curator.unroute("**/map?*")
    curator.unroute("**/indexes")
    curator.clock.run_for(15_000)
    curator.wait_for_selector("[data-testid=map]")
    assert curator.locator("[data-testid=problem]").count() == 0


def test_an_index_that_is_not_served_is_not_another(curator: Any) -> None:
    curator.goto(f"{curator.url.split('#')[0]}#/gallery?index=gone")
    curator.wait_for_selector("#gallery-problem [data-testid=problem]")
    assert "gone" in curator.inner_text("#gallery-problem")
    assert shown(curator) == []


def test_filters_are_in_the_address(curator: Any) -> None:
    screen(curator, "gallery")
    curator.select_option("#gallery-filters [name=category]", "cup")
    listed(curator, 30)
    assert curator.url.endswith("#/gallery?index=toys&category=cup")
    curator.fill("#gallery-filters [name=instance]", "cup-1")
    curator.keyboard.press("Enter")
    listed(curator, 15)
    assert {one.inner_text() for one in curator.locator(f"{VIEW} .name").all()} == {"cup-1"}
    curator.reload()
    listed(curator, 15)
    assert curator.input_value("#gallery-filters [name=category]") == "cup"
    curator.go_back()
    listed(curator, 30)
    curator.select_option("#gallery-filters [name=annotated]", "false")
    until(curator, "document.getElementById('gallery-said').textContent.startsWith('No view')")
    curator.click("#gallery-clear")
    listed(curator, 48)
    assert curator.input_value("#gallery-filters [name=category]") == ""


def test_one_view(curator: Any, changing: Live) -> None:
    screen(curator, "gallery")
    listed(curator, 48)
    curator.locator(VIEW).nth(3).focus()
    curator.keyboard.press("Enter")
    curator.wait_for_selector(f"{DIALOG} [data-testid=space]")
    told = changing.client.get(f"/views/{shown(curator)[3]}").json()
    text = curator.inner_text(DIALOG)
    for wanted in (told["id"], told["dataset"], told["instance"], told["sequence"], "320 × 240"):
        assert wanted in text
    assert f"{told['frame']} · {told['time_s']:.2f} s" in text
    width = told["box"]["scale_m"][0]
    assert f"{100 * width:.0f} cm ×" in text
    shoot(curator, "view")
    close(curator)
    assert curator.evaluate("document.activeElement.dataset.view") == told["id"]
    assert "view=" not in curator.url
    curator.go_forward()
    curator.locator(VIEW).nth(3).click()
    curator.click(f"{DIALOG} a:has-text('All views of')")
    listed(curator, 15)
    assert not curator.is_visible(DIALOG)


def test_a_view_that_is_not_there(curator: Any, changing: Live) -> None:
    for id in ("0000000000000000", "nope", "a/b?c"):
        curator.goto(f"{changing.url}/#/gallery?{httpx.QueryParams(view=id, category='cup')}")
        curator.wait_for_selector(f"{DIALOG} [data-testid=problem]")
        said = curator.inner_text(f"{DIALOG} [data-testid=problem]")
        assert "There is no such view" in said
        assert f"No view has the id “{id}”" in said
        assert "^[0-9a-f]" not in said
        shoot(curator, "no-such-view")
        curator.get_by_role("button", name="Close").click()
        assert not curator.is_visible(DIALOG)
        listed(curator, 30)
    curator.goto(f"{changing.url}/#/gallery?view=nope&category=cup")
    curator.wait_for_selector(f"{DIALOG} [data-testid=problem]")
    curator.get_by_role("link", name="To the gallery").click()
    listed(curator, 48)
    assert not curator.is_visible(DIALOG)


def away_and_back(page: Any) -> None:
    """Another tab is looked at, and this one again: headless, only the event tells of it."""
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def pictured(page: Any) -> None:
    """Waits for the pictures: one that comes after its view was deleted takes the tile with it."""
    images = "[...document.querySelectorAll('#gallery-views img')]"
    for image in page.locator("#gallery-views img").all():
        image.scroll_into_view_if_needed()  # they are fetched near the window only
    until(page, f"{images}.every((one) => one.complete && one.naturalWidth)")


def test_what_was_deleted_elsewhere_goes(curator: Any, changing: Live) -> None:
    curator.goto(f"{changing.url}/#/gallery?instance=book-1")
    listed(curator, 15)
    pictured(curator)
    first, second, third, *rest = shown(curator)
    for id in (first, second):
        assert changing.client.delete(f"/views/{id}").status_code == 200
    curator.evaluate(  # a picture that is fetched only now
        f"document.querySelector('[data-view=\"{first}\"] img').src = 'views/{first}/thumbnail?'"
    )
    listed(curator, 14)
    assert curator.inner_text("#gallery-said") == "1 view no longer there · 14 views"
    curator.locator(f"[data-view='{second}']").click()
    curator.wait_for_selector(f"{DIALOG} [data-testid=problem]")
    assert shown(curator) == [third, *rest]
    close(curator)
    curator.locator(f"[data-view='{rest[0]}']").focus()
    for id in (third, rest[-1]):
        assert changing.client.delete(f"/views/{id}").status_code == 200
    assert len(shown(curator)) == 13
    away_and_back(curator)
    listed(curator, 11)
    assert shown(curator) == rest[:-1]
    assert curator.inner_text("#gallery-said") == "2 views no longer there · 11 views"
    assert curator.evaluate("document.activeElement.dataset.view") == rest[0]
    shoot(curator, "gallery-gone")


def test_a_picture_that_is_away_takes_no_view_with_it(curator: Any, changing: Live) -> None:
    curator.route("**/thumbnail", lambda route: route.fulfill(status=404, body=""))
    curator.goto(f"{changing.url}/#/gallery?instance=cup-0")
    listed(curator, 15)
    look_again(curator)
    assert len(shown(curator)) == 15


def look_again(page: Any) -> None:
    """Comes back to the tab and waits for what that changes."""
    with page.expect_event("requestfinished", lambda request: "/views?" in request.url):
        away_and_back(page)
    settle(page)


def test_a_filter_half_typed_deletes_nothing(curator: Any) -> None:
    screen(curator, "gallery")
    listed(curator, 48)
    curator.click("#gallery-filters [name=instance]")
    curator.keyboard.type("cu")
    look_again(curator)
    assert len(shown(curator)) == 48


def test_a_view_enrolled_elsewhere_takes_none_away(curator: Any, query: Query) -> None:
    """It stands on an earlier page, so that the last view moves on to the next one."""
    there = ["b", "c"]

    def two(route: Any) -> None:
        after = httpx.URL(route.request.url).params.get("after", "")
        rest = [id for id in there if id > after]
        known = {"category": "cup", "dataset": "d", "sequence": "s", "frame": 0, "box": None}
        views = [{"id": id, "instance": id, "thumbnail_url": "/x", **known} for id in rest[:2]]
        route.fulfill(json={"views": views, "next": rest[1] if rest[2:] else None})

    curator.route("**/views?*", two)
    curator.route("**/x", lambda route: route.fulfill(body=query.jpeg, content_type="image/jpeg"))
    screen(curator, "gallery")
    listed(curator, 2)
    there.insert(0, "a")
    look_again(curator)
    assert shown(curator) == ["b", "c"]


def test_deleted_for_good(curator: Any, changing: Live) -> None:
    curator.goto(f"{changing.url}/#/gallery?instance=book-0")
    listed(curator, 15)
    victim = shown(curator)[0]
    curator.locator(VIEW).first.click()
    curator.get_by_role("button", name="Delete this view").click()
    assert curator.evaluate("document.activeElement.textContent") == "Keep"
    shoot(curator, "delete")
    curator.get_by_role("button", name="Keep").click()
    assert changing.client.get(f"/views/{victim}").status_code == 200
    curator.get_by_role("button", name="Delete this view").click()
    curator.get_by_role("button", name="Delete for good").click()
    listed(curator, 14)
    assert victim not in shown(curator)
    assert curator.inner_text("#gallery-said").startswith("1 view deleted")
    assert not curator.is_visible(DIALOG)
    assert changing.client.get(f"/views/{victim}").status_code == 404
    assert changing.client.get(f"/views/{victim}/thumbnail").status_code == 404
    curator.locator(VIEW).first.click()
    curator.get_by_role("button", name="Delete the instance").click()
    assert "every view of book-0 of toys" in curator.inner_text("[data-testid=confirm]")
    curator.get_by_role("button", name="Delete for good").click()
    until(curator, "document.getElementById('gallery-said').textContent.includes('No view')")
    assert curator.inner_text("#gallery-said").startswith("14 views deleted")
    left = changing.client.get("/views", params={"instance": "book-0"}).json()["views"]
    assert left == []


@pytest.mark.parametrize(
    ("page", "name"), [(PHONE, "phone"), (DARK, "dark")], indirect=["page"], ids=["phone", "dark"]
)
def test_on_a_phone_and_in_the_dark(page: Any, name: str) -> None:
    screen(page, "gallery")
    listed(page, 24)
    assert sideways(page) == 0
    shoot(page, f"gallery-{name}")
    page.locator(VIEW).first.click()
    page.wait_for_selector(f"{DIALOG} [data-testid=space]")
    assert sideways(page) == 0
    inside = "(dialog) => dialog.scrollWidth <= dialog.clientWidth"
    assert page.locator(DIALOG).evaluate(inside)
    shoot(page, f"view-{name}")
