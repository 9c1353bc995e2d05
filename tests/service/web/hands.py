"""What a person does at the page, and sees there."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from typing import Any

from tests.service.conftest import Query, wait_until

DESKTOP = {"viewport": {"width": 1280, "height": 900}}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
DARK = {**DESKTOP, "color_scheme": "dark"}
STILL = {"reduced_motion": "reduce"}
SHOTS = os.environ.get("POSEBANK_TEST_SHOTS")
VIEW = "[data-testid=view]"
DIALOG = "#view-dialog"
FACTS = f"{DIALOG} .facts"
PROBLEM = "[data-testid=problem]"
AWAY: dict[str, Any] = {
    "status": 404,
    "json": {"title": "Away", "detail": "It is away.", "remedy": "Wait.", "status": 404},
}
"""A refusal, as arguments of `fulfill`."""


def until(page: Any, expression: str) -> None:
    """Waits in Python: the page's own policy forbids the browser-side waiting of playwright."""
    wait_until(lambda: bool(page.evaluate(expression)))


def settle(page: Any) -> None:
    """Waits until the page has done what the answers that it has make it do."""
    page.evaluate("fetch('version').then((answer) => answer.text())")


class Held:
    """Answers are held back, so that a test says when each comes; after `most` they pass."""

    def __init__(
        self,
        page: Any,
        pattern: str,
        most: int | None = None,
        only: Callable[[Any], bool] = lambda request: True,
    ) -> None:
        self._page = page
        self.routes: list[Any] = []
        self._over: list[Any] = []

        def keep(route: Any) -> None:
            if len(self.routes) == most or not only(route.request):
                route.fallback()
            else:
                self.routes.append(route)

        for end in ("requestfinished", "requestfailed"):
            page.on(end, lambda request: self._over.append(request))
        page.route(pattern, keep)

    def asked(self, count: int = 1) -> None:
        """Waits until so many are held."""
        self._until(lambda: len(self.routes) >= count)

    def let_go(self, n: int = 0, **answer: Any) -> None:
        """Lets the n-th answer come, or the one given, and waits for what the page makes of it."""
        route = self.routes[n]
        with contextlib.suppress(Exception):  # the page may have given it up
            route.fulfill(**answer) if answer else route.continue_()
        self._until(lambda: route.request in self._over)
        settle(self._page)

    def _until(self, met: Callable[[], bool]) -> None:
        wait_until(lambda: self._page.evaluate("true") and met())  # evaluating lets events in


def shoot(page: Any, name: str) -> None:
    if SHOTS:
        page.screenshot(path=f"{SHOTS}/{name}.png", full_page=True)


def upload(page: Any, query: Query) -> None:
    file = {"name": "cup's.jpg", "mimeType": "image/jpeg", "buffer": query.jpeg}
    page.set_input_files("#file", file)
    page.wait_for_selector("#frame:not([hidden])")


def draw(page: Any, box: tuple[float, float, float, float]) -> None:
    """Drags a rectangle given in image pixels."""
    edge = page.locator("#overlay").bounding_box()
    scale = edge["width"] / 320
    points = [(edge["x"] + x * scale, edge["y"] + y * scale) for x, y in (box[:2], box[2:])]
    page.mouse.move(*points[0])
    page.mouse.down()
    page.mouse.move(*points[1], steps=6)
    page.mouse.up()


def crop(page: Any) -> list[float]:
    return [float(page.input_value(f"input[name={name}]")) for name in ("x0", "y0", "x1", "y1")]


def moved(box: list[float], dx: float, dy: float) -> list[float]:
    return [box[0] + dx, box[1] + dy, box[2] + dx, box[3] + dy]


def kinds(page: Any) -> list[str]:
    """What the boxes over the image are."""
    boxes = page.locator("[data-testid=cuboid]").all()
    return [box.get_attribute("data-kind") for box in boxes]


def screen(page: Any, name: str) -> None:
    """Goes to a screen by its link."""
    page.click(f"nav a[data-screen={name}]")
    page.wait_for_selector(f"nav a[data-screen={name}][aria-current=page]")


def shown(page: Any) -> list[str]:
    """The ids of the views listed."""
    return [one.get_attribute("data-view") for one in page.locator(VIEW).all()]


def listed(page: Any, count: int) -> None:
    """Waits until so many views are listed."""
    wait_until(lambda: page.locator(VIEW).count() == count)


def open_view(page: Any, n: int) -> str:
    """Opens the n-th view listed; its id."""
    id = shown(page)[n]
    page.locator(VIEW).nth(n).click()
    page.wait_for_selector(f"{FACTS}:has-text('{id}')")
    return id


def close(page: Any) -> None:
    page.keyboard.press("Escape")
    page.wait_for_selector(DIALOG, state="hidden")
    until(page, "!location.hash.includes('view=')")  # which follows the dialog


def sideways(page: Any) -> int:
    """By how many pixels the page is wider than its window."""
    return int(
        page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    )


def pressed(page: Any) -> list[str]:
    """The text of the buttons that say which box is drawn."""
    return [one.inner_text() for one in page.locator("#results [aria-pressed=true]").all()]


def ask(page: Any, query: Query, **consensus: Any) -> dict[str, Any]:
    """Asks with the query's own request; what the server says of its consensus is changed so."""
    told: list[dict[str, Any]] = []

    def change(route: Any) -> None:
        answer = route.fetch()
        told.append(answer.json())
        told[0]["consensus"].update(consensus)
        told[0]["box"] = told[0]["consensus"]["box"]
        route.fulfill(response=answer, json=told[0])

    page.route("**/pose/estimate", change)
    upload(page, query)
    x0, y0, x1, y1 = query.request["bbox"]
    draw(page, (x0, y0, x1, y1))
    page.click("#submit")
    page.wait_for_selector("[data-testid=pose]")
    return told[0]
