"""The map: points where the server put them, coloured, looked at, opened."""

from __future__ import annotations

from collections import Counter
from typing import Any

import cv2
import httpx
import numpy as np
import pytest

from tests.service.conftest import Live, wait_until
from tests.service.web.hands import (
    AWAY,
    DARK,
    FACTS,
    PHONE,
    PROBLEM,
    Held,
    close,
    screen,
    shoot,
    sideways,
    until,
)

CANVAS = "[data-testid=map]"
TIP = "[data-testid=tip]"
MARGIN = 28


def opened_map(page: Any, live: Live, head: str = "pose") -> list[dict[str, Any]]:
    """Goes to the map; its points, with where they lie on the canvas as `at`."""
    screen(page, "map")
    page.wait_for_selector(CANVAS)
    page.locator(CANVAS).scroll_into_view_if_needed()
    params = httpx.QueryParams(index="toys", head=head, limit=5000)
    points = live.client.get("/map", params=params).json()["points"]
    edge = page.locator(CANVAS).bounding_box()
    places = np.array([[point["x"], point["y"]] for point in points])
    size = np.array([edge["width"], edge["height"]])
    low, high = places.min(axis=0), places.max(axis=0)
    scale = ((size - 2 * MARGIN) / (high - low)).min()
    pixels = size / 2 + (places - (low + high) / 2) * scale * [1, -1]
    return [point | {"at": at.tolist()} for point, at in zip(points, pixels, strict=True)]


def alone(points: list[dict[str, Any]]) -> dict[str, Any]:
    """The point farthest from any other, so that nothing is drawn over it."""
    places = np.array([point["at"] for point in points])
    gaps = np.linalg.norm(places[:, None] - places[None], axis=2) + np.diag([np.inf] * len(places))
    return points[int(gaps.min(axis=1).argmax())]


def hover(page: Any, point: dict[str, Any]) -> None:
    edge = page.locator(CANVAS).bounding_box()
    page.mouse.move(edge["x"] + point["at"][0], edge["y"] + point["at"][1])


def colour_at(page: Any, point: dict[str, Any]) -> list[int]:
    script = "(canvas, [x, y]) => [...canvas.getContext('2d').getImageData(x, y, 1, 1).data]"
    return list(page.locator(CANVAS).evaluate(script, point["at"]))[:3]


def looked(page: Any) -> str:
    return str(page.locator(CANVAS).get_attribute("data-looked") or "")


def legend(page: Any) -> dict[str, int]:
    """Names and counts as the legend has them."""
    texts = [one.inner_text().split() for one in page.locator(".legend button").all()]
    return {name: int(count) for name, count in texts}


def test_points_lie_where_the_server_says(page: Any, sampled: Live) -> None:
    points = opened_map(page, sampled)
    ground = colour_at(page, {"at": [2, 2]})
    assert all(colour_at(page, point) != ground for point in points)
    assert legend(page) == Counter(point["category"] for point in points)
    assert "24 views of toys" in page.inner_text("[data-testid=map-note]")
    shoot(page, "map")


def test_coloured_by_category_instance_or_time(page: Any, sampled: Live) -> None:
    points = opened_map(page, sampled)
    point = alone(points)
    seen = {tuple(colour_at(page, point))}
    page.select_option("#map-choices [name=colour]", "instance")
    until(page, "document.querySelectorAll('.legend button').length === 4")
    assert legend(page) == Counter(point["instance"] for point in points)
    page.get_by_role("button", name=point["instance"]).click()
    shoot(page, "map-instance")
    page.select_option("#map-choices [name=colour]", "time_s")
    page.wait_for_selector(".ramp")
    seen.add(tuple(colour_at(page, point)))
    assert len(seen) == 2
    assert "no view has a time" in page.inner_text(".ramp")  # the toys are numbered, not timed
    assert page.url.endswith("colour=time_s")
    page.reload()
    page.wait_for_selector(".ramp")


def test_the_other_head_lies_otherwise(page: Any, sampled: Live) -> None:
    opened_map(page, sampled)
    page.select_option("#map-choices [name=head]", "identity")
    until(page, "document.querySelector('[data-testid=map-note]').textContent.includes('identity')")
    points = opened_map(page, sampled, "identity")
    ground = colour_at(page, {"at": [2, 2]})
    assert all(colour_at(page, point) != ground for point in points)


def test_a_map_asked_for_before_and_failing_late(page: Any, sampled: Live) -> None:
    """One head, another, the first again: the first answer is no longer waited for."""
    opened_map(page, sampled)
    page.goto(f"{sampled.url}/#/ask")
    held = Held(page, "**/map?*")
    for n, head in enumerate(("identity", "pose", "identity")):
        page.goto(f"{sampled.url}/#/map?index=toys&head={head}")
        held.asked(n + 1)
    held.let_go(0, **AWAY)
    assert page.locator(PROBLEM).count() == 0
    held.let_go(2)
    until(page, "document.querySelector('[data-testid=map-note]').textContent.includes('identity')")
    assert page.locator(PROBLEM).count() == 0


def test_after_a_delete_the_map_is_loaded_once(curator: Any) -> None:
    """A second time would take the look and the focus from whoever goes on."""
    screen(curator, "map")
    curator.wait_for_selector(CANVAS)
    asked: list[str] = []
    curator.on("request", lambda one: asked.append(one.url) if "/map?" in one.url else None)
    look_and_open = ("ArrowRight", "Enter")
    curator.locator(CANVAS).focus()
    for key in look_and_open:
        curator.keyboard.press(key)
    curator.get_by_role("button", name="Delete this view").click()
    curator.get_by_role("button", name="Delete for good").click()
    curator.wait_for_selector("[data-testid=map-note]:has-text('59 views')")
    curator.locator(CANVAS).focus()
    for key in look_and_open:
        curator.keyboard.press(key)
    curator.wait_for_selector(FACTS)
    here = looked(curator)
    close(curator)
    assert len(asked) == 1
    assert looked(curator) == here


def test_looked_at_and_opened_with_the_mouse(page: Any, sampled: Live) -> None:
    points = opened_map(page, sampled)
    point = alone(points)
    before = page.locator(CANVAS).evaluate("(canvas) => canvas.toDataURL()")
    hover(page, point)
    assert looked(page) == point["id"]
    said = page.inner_text(TIP)
    assert point["instance"] in said
    assert f"frame {point['frame']}" in said
    assert f"view {point['frame'] + 1} of 6 of its sequence" in said
    page.wait_for_selector(f"{TIP} img")
    assert page.get_attribute(f"{TIP} img", "src") == f"views/{point['id']}/thumbnail"
    assert page.locator(CANVAS).evaluate("(canvas) => canvas.toDataURL()") != before
    shoot(page, "map-looked")
    page.mouse.down()
    page.mouse.up()
    page.wait_for_selector("#view-dialog .facts")
    assert point["id"] in page.inner_text("#view-dialog")
    page.keyboard.press("Escape")
    page.wait_for_selector("#view-dialog", state="hidden")
    assert page.is_visible(CANVAS)  # it was opened over the map
    page.mouse.move(5, 5)
    assert not page.is_visible(TIP)


def test_by_keyboard(page: Any, sampled: Live) -> None:
    points = {point["id"]: point for point in opened_map(page, sampled)}
    page.locator(CANVAS).focus()
    page.keyboard.press("ArrowRight")
    first = looked(page)
    assert first in points
    page.keyboard.press("ArrowRight")
    assert points[looked(page)]["at"][0] > points[first]["at"][0]
    for _ in range(3):
        page.keyboard.press("+")
    here = looked(page)
    page.keyboard.press("Enter")
    page.wait_for_selector("#view-dialog .facts")
    assert here in page.inner_text("#view-dialog")
    page.keyboard.press("Escape")
    until(page, "document.activeElement.dataset.testid === 'map'")
    page.keyboard.press("Escape")
    assert looked(page) == ""


def test_zoomed_and_moved(page: Any, sampled: Live) -> None:
    """What is under the pointer stays there; dragging takes it along; All goes back."""
    points = opened_map(page, sampled)
    point = alone(points)
    first = page.locator(CANVAS).evaluate("(canvas) => canvas.toDataURL()")
    page.locator(CANVAS).focus()
    hover(page, point)
    before = page.locator(CANVAS).evaluate("(canvas) => canvas.toDataURL()")
    page.mouse.wheel(0, -300)
    wait_until(lambda: page.locator(CANVAS).evaluate("(canvas) => canvas.toDataURL()") != before)
    hover(page, point)
    assert looked(page) == point["id"]
    page.mouse.down()
    moved = {"at": [point["at"][0] + 40, point["at"][1] + 30]}
    hover(page, {"at": [point["at"][0] + 20, point["at"][1] + 15]})
    hover(page, moved)
    page.mouse.up()
    page.mouse.move(5, 5)
    hover(page, moved)
    assert looked(page) == point["id"]
    page.mouse.move(5, 5)
    page.get_by_role("button", name="Show all points").click()
    page.mouse.move(5, 5)
    assert page.locator(CANVAS).evaluate("(canvas) => canvas.toDataURL()") == first


@pytest.mark.parametrize("page", [PHONE], indirect=True)
def test_a_tap_shows_and_a_second_one_opens(page: Any, sampled: Live) -> None:
    point = alone(opened_map(page, sampled))
    edge = page.locator(CANVAS).bounding_box()
    at = edge["x"] + point["at"][0], edge["y"] + point["at"][1]
    page.touchscreen.tap(*at)
    wait_until(lambda: looked(page) == point["id"])
    assert sideways(page) == 0
    shoot(page, "map-phone")
    page.touchscreen.tap(*at)
    page.wait_for_selector("#view-dialog .facts")


@pytest.mark.parametrize("page", [PHONE], indirect=True)
def test_on_a_slow_phone_the_tap_that_opens_does_not_close(page: Any, sampled: Live) -> None:
    """Its click comes long after the finger was lifted, to whatever then lies under it."""
    point = alone(opened_map(page, sampled))
    page.evaluate(
        """() => {
          window.clicked = [];
          addEventListener("click", (event) => {
            if (!event.isTrusted) return;
            event.stopImmediatePropagation();
            setTimeout(() => {
              const under = document.elementFromPoint(event.clientX, event.clientY);
              clicked.push(under.dataset.testid ?? under.tagName);
              under.dispatchEvent(new PointerEvent("click", event));
            }, 300);
          }, true);
        }"""
    )
    edge = page.locator(CANVAS).bounding_box()
    at = edge["x"] + point["at"][0], edge["y"] + point["at"][1]
    page.touchscreen.tap(*at)
    wait_until(lambda: looked(page) == point["id"])
    page.touchscreen.tap(*at)
    page.wait_for_selector("#view-dialog .facts")
    until(page, "clicked.length === 2")
    assert page.evaluate("clicked") == ["map", "map"]


@pytest.mark.parametrize("page", [DARK], indirect=True)
def test_in_the_dark(page: Any, sampled: Live) -> None:
    hover(page, alone(opened_map(page, sampled)))
    assert page.is_visible(TIP)
    shoot(page, "map-dark")


def test_time_runs_through_the_colours(page: Any) -> None:
    """The first view of a sequence and the last have the ends of the scale."""
    script = """async () => {
      const { colouring } = await import("/web/map/colours.js");
      const points = [0, 1.25, 2.5].map((time_s) => ({ time_s }));
      const { colour, legend } = colouring(points, "time_s", () => {});
      const ends = [...legend().querySelectorAll("rect")].map((one) => one.getAttribute("fill"));
      const said = legend().textContent;
      return { points: points.map(colour), ends: [ends[0], ends.at(-1)], said };
    }"""
    told = page.evaluate(script)
    assert [told["points"][0], told["points"][2]] == told["ends"]
    assert len(set(told["points"])) == 3
    assert "2.5 s" in told["said"]


NAMED = """async (count) => {
  const { colouring } = await import("/web/map/colours.js");
  const points = Array.from({ length: count }, (_, i) => ({ instance: `thing-${i}` }));
  const { colour, shape, legend } = colouring(points, "instance", () => {});
  const swatches = [...legend().querySelectorAll("button")].map((button) => {
    const path = button.querySelector("path");
    return [path.getAttribute("fill"), path.getAttribute("d"), button.textContent.trim()];
  });
  return { marks: points.map((point) => [colour(point), shape(point).d]), swatches };
}"""


@pytest.mark.parametrize("count", [2, 10, 11, 24, 25, 40, 96])
def test_each_name_has_a_mark_of_its_own(page: Any, count: int) -> None:
    """Colours that are told apart, then the same in other shapes; the legend shows both."""
    told = page.evaluate(NAMED, count)
    marks = [tuple(mark) for mark in told["marks"]]
    assert len(set(marks)) == count
    colours = sorted({colour for colour, _ in marks})
    bytes_ = [[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in colours]
    lab = cv2.cvtColor(np.array([bytes_], np.float32) / 255, cv2.COLOR_RGB2Lab)[0]
    apart = np.linalg.norm(lab[:, None] - lab[None], axis=2) + np.diag([np.inf] * len(lab))
    assert apart.min() > 14  # CIE 1976; 2.3 is just noticed
    shown = {(fill, d) for fill, d, _ in told["swatches"]}
    assert len(shown) == min(count, 40)
    assert shown <= set(marks)


def test_many_instances_on_the_map(page: Any) -> None:
    """Names beyond the colours are drawn in other shapes, and the tip names each."""

    def many(route: Any) -> None:
        answer = route.fetch()
        told = answer.json()
        for i, point in enumerate(told["points"]):
            point["instance"] = f"thing-{i // 2:02}"
        first = told["points"]
        told["points"] = first + [
            {**one, "x": one["x"] * 0.6, "y": one["y"] * 0.6 + 0.1, "instance": f"more-{i:02}"}
            for i, one in enumerate(first)
        ]
        route.fulfill(response=answer, json=told)

    page.route("**/map?*", many)
    screen(page, "map")
    page.select_option("#map-choices [name=colour]", "instance")
    until(page, "document.querySelectorAll('.legend button').length === 36")
    assert page.locator(".legend path").nth(0).get_attribute("d") != (
        page.locator(".legend path").nth(30).get_attribute("d")
    )
    page.locator(CANVAS).focus()
    page.keyboard.press("ArrowRight")
    assert page.inner_text(f"{TIP} strong")[:5] in ("thing", "more-")
    page.keyboard.press("Escape")
    shoot(page, "map-many")
