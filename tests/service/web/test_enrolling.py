"""Enrolment: a box drawn on an image, named, found again."""

from __future__ import annotations

from typing import Any

import pytest

from tests.service.conftest import Live, Query, make_query
from tests.service.web.hands import PHONE, crop, draw, screen, shoot, sideways, upload

CARD = "article[data-testid=enrolled]"


def name_it(page: Any, instance: str, dataset: str = "desk") -> None:
    for field, text in {"instance": instance, "category": "cup", "dataset": dataset}.items():
        page.fill(f"#enrol [name={field}]", text)


def start(page: Any, query: Query) -> None:
    screen(page, "enrol")
    upload(page, query)


def test_drawn_named_and_found(curator: Any, changing: Live) -> None:
    query = make_query("cup", 0.55)
    start(curator, query)
    draw(curator, tuple(query.request["bbox"]))
    drawn = crop(curator)
    name_it(curator, "mine-1")
    with curator.expect_response("**/views") as told:
        curator.click("#enrol-submit")
    assert told.value.status == 201
    curator.wait_for_selector(CARD)
    id = told.value.json()["id"]
    stored = changing.client.get(f"/views/{id}").json()
    assert stored["bbox"] == pytest.approx(drawn)
    assert (stored["instance"], stored["category"], stored["dataset"]) == ("mine-1", "cup", "desk")
    assert curator.locator("rect.enrolled").count() == 1
    assert curator.locator("rect.crop").count() == 0  # ready for the next one
    assert curator.inner_text("#caption").startswith("mine-1 is enrolled. Draw the next box")
    shoot(curator, "enrolled")

    screen(curator, "ask")
    assert curator.locator("rect.enrolled").count() == 0
    draw(curator, tuple(query.request["bbox"]))
    curator.click("#submit")
    curator.wait_for_selector("[data-testid=match]")
    assert curator.locator("[data-testid=match] .name").first.inner_text() == "mine-1"

    screen(curator, "enrol")
    curator.click(f"{CARD} a:has-text('Open it')")
    curator.wait_for_selector("#view-dialog .facts")
    assert id in curator.inner_text("#view-dialog")
    assert "no 9-DoF box" in curator.inner_text("#view-dialog")


def test_what_is_missing_is_said(curator: Any, query: Query) -> None:
    screen(curator, "enrol")
    assert curator.is_disabled("#enrol-submit")  # no image yet
    upload(curator, query)
    curator.set_viewport_size({"width": 1280, "height": 600})
    curator.click("#enrol-submit")
    problem = curator.locator("#enrolled [data-testid=problem]")
    assert "instance is missing" in problem.inner_text()
    place = problem.bounding_box()
    assert place["y"] + place["height"] <= 601  # in sight
    assert curator.evaluate("document.activeElement.name") == "instance"
    name_it(curator, "half")
    curator.fill("input[name=x0]", "10")
    curator.click("#enrol-submit")
    assert "numbers of the crop" in curator.inner_text("#enrolled [data-testid=problem]")


def test_a_refusal_names_its_remedy(curator: Any, query: Query) -> None:
    start(curator, query)
    name_it(curator, "odd", dataset="a/b")
    curator.click("#enrol-submit")
    curator.wait_for_selector("#enrolled [data-testid=problem]")
    said = curator.inner_text("#enrolled [data-testid=problem]")
    assert "dataset" in said
    assert "What to do" in said
    assert curator.locator(CARD).count() == 0
    assert curator.is_enabled("#enrol-submit")


def test_several_of_one_image_by_keyboard(curator: Any, changing: Live, query: Query) -> None:
    """Typed and sent with the keys alone; each box stays marked on the image."""
    start(curator, query)
    for number, sides in enumerate((("20", "20", "150", "200"), ("160", "40", "300", "220"))):
        curator.locator("input[name=x0]").focus()
        for side in sides:
            curator.keyboard.type(side)
            curator.keyboard.press("Tab")
        assert curator.evaluate("document.activeElement.id") == "whole"
        curator.keyboard.press("Tab")
        for text in (f"pair-{number}", "cup", "desk"):
            curator.keyboard.press("Control+A")
            curator.keyboard.type(text)
            curator.keyboard.press("Tab")
        curator.locator("#enrol [name=instance]").press("Enter")
        curator.wait_for_selector(f"{CARD}:nth-of-type({number + 1})")
        curator.wait_for_selector("#enrol-submit:not([disabled])")
    assert curator.locator("rect.enrolled").count() == 2
    for number in range(2):
        views = changing.client.get("/views", params={"instance": f"pair-{number}"}).json()["views"]
        assert len(views) == 1
    assert views[0]["bbox"] == [160, 40, 300, 220]


@pytest.mark.parametrize("curator", [PHONE], indirect=True)
def test_on_a_phone(curator: Any, query: Query) -> None:
    start(curator, query)
    assert sideways(curator) == 0
    name_it(curator, "pocket")
    curator.tap("#enrol-submit")
    curator.wait_for_selector(CARD)
    assert sideways(curator) == 0
    shoot(curator, "enrolled-phone")
