"""Enrolment: a box drawn on an image, named, found again."""

from __future__ import annotations

from typing import Any

import pytest

from tests.service.conftest import Live, Query, make_query, wait_until
from tests.service.web.hands import (
    AWAY,
    PHONE,
    PROBLEM,
    STILL,
    Held,
    ask,
    crop,
    draw,
    kinds,
    screen,
    shoot,
    sideways,
    upload,
)

CARD = "article[data-testid=enrolled]"


def name_it(page: Any, instance: str, dataset: str = "desk") -> None:
    for field, text in {"instance": instance, "category": "cup", "dataset": dataset}.items():
        page.fill(f"#enrol [name={field}]", text)


def start(page: Any, query: Query) -> None:
    screen(page, "enrol")
    upload(page, query)


def missing(page: Any) -> str:
    """What stands beside the button."""
    return str(page.inner_text("#enrol-missing"))


def refused_at(page: Any) -> tuple[str, str]:
    """The field that an unfinished view leads to, and what is said there."""
    page.click("#enrol-submit")
    at = "[document.activeElement.name, document.activeElement.validationMessage]"
    name, said = page.evaluate(at)
    return name, said


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
    assert missing(curator).endswith("“Whole image”, instance, category, dataset")
    assert refused_at(curator) == ("x0", "Draw a box around the thing, or choose “Whole image”.")
    name_it(curator, "half")
    draw(curator, (20, 20, 150, 200))
    assert missing(curator) == ""
    curator.fill("#enrol [name=category]", " ")
    assert missing(curator) == "category"
    assert refused_at(curator) == ("category", "Say the category.")
    curator.fill("#enrol [name=category]", "cup")
    curator.click("#whole")
    curator.click("#whole")
    curator.fill("input[name=x0]", "10")
    assert missing(curator) == "some numbers of the crop"
    assert refused_at(curator)[0] == "y0"
    curator.fill("input[name=y0]", "10")
    assert curator.locator("#crop input:invalid").count() == 0


def enrol(page: Any) -> Held:
    """Enrols; the answer is held."""
    held = Held(page, "**/views", only=lambda request: request.method == "POST")
    page.click("#enrol-submit")
    held.asked()
    return held


def test_a_late_enrolment_leaves_the_next_box(curator: Any, query: Query) -> None:
    start(curator, query)
    name_it(curator, "slow-1")
    draw(curator, (20, 20, 150, 200))
    held = enrol(curator)
    draw(curator, (160, 40, 300, 220))
    drawn = crop(curator)
    held.let_go()
    curator.wait_for_selector(CARD)
    assert crop(curator) == drawn
    assert curator.locator("rect.enrolled").count() == 1


def test_a_late_enrolment_leaves_the_answer_asked_for_since(curator: Any, query: Query) -> None:
    ask(curator, query)
    said, drawn = curator.inner_text("#caption"), crop(curator)
    screen(curator, "enrol")
    name_it(curator, "slow-2")
    held = enrol(curator)
    screen(curator, "ask")
    held.let_go()
    curator.wait_for_selector(CARD, state="attached")
    assert crop(curator) == drawn
    assert (kinds(curator), curator.inner_text("#caption")) == (["answer"], said)
    assert curator.locator("rect.enrolled").count() == 0
    screen(curator, "enrol")
    assert curator.locator("rect.enrolled").count() == 1


def test_a_question_that_fails_late_leaves_what_is_enrolled(curator: Any, query: Query) -> None:
    held = Held(curator, "**/pose/estimate")
    upload(curator, query)
    curator.click("#submit")
    held.asked()
    screen(curator, "enrol")
    name_it(curator, "slow-3")
    curator.click("#whole")
    curator.click("#enrol-submit")
    curator.wait_for_selector(CARD)
    held.let_go(**AWAY)
    curator.wait_for_selector(f"#results {PROBLEM}", state="attached")
    assert curator.locator("rect.enrolled").count() == 1
    assert curator.inner_text("#caption").startswith("slow-3 is enrolled")


def test_one_view_is_sent_at_a_time(curator: Any, query: Query) -> None:
    start(curator, query)
    name_it(curator, "slow-4")
    curator.click("#whole")
    held = enrol(curator)
    other = {"name": "other.jpg", "mimeType": "image/jpeg", "buffer": query.jpeg}
    curator.set_input_files("#file", other)
    curator.wait_for_selector("#image-size:has-text('other.jpg')")
    assert curator.is_disabled("#enrol-submit")
    held.let_go()
    curator.wait_for_selector("#enrol-submit:enabled")
    assert curator.locator("rect.enrolled").count() == 0  # it was of the image before


def test_the_whole_image_is_enrolled_only_where_it_is_chosen(
    curator: Any, changing: Live, query: Query
) -> None:
    start(curator, query)
    name_it(curator, "whole-1")
    sent: list[str] = []
    curator.on("request", lambda one: sent.append(one.url) if one.method == "POST" else None)
    refused_at(curator)
    assert missing(curator) == "a box on the image, or the choice “Whole image”"
    described = curator.get_attribute("#enrol-submit", "aria-describedby")
    assert described == "enrol-missing"
    shoot(curator, "enrol-missing")
    curator.locator("#whole").focus()
    curator.keyboard.press("Space")
    assert curator.get_attribute("#whole", "aria-pressed") == "true"
    assert missing(curator) == ""
    shoot(curator, "enrol-whole")
    draw(curator, (20, 20, 150, 200))  # a box takes the choice back
    assert curator.get_attribute("#whole", "aria-pressed") == "false"
    curator.click("#whole")
    assert sent == []
    curator.click("#enrol-submit")
    curator.wait_for_selector(CARD)
    views = changing.client.get("/views", params={"instance": "whole-1"}).json()["views"]
    stored = changing.client.get(f"/views/{views[0]['id']}").json()
    assert stored["bbox"] == pytest.approx([-0.5, -0.5, 319.5, 239.5], abs=0.5)
    assert curator.get_attribute("#whole", "aria-pressed") == "false"  # one choice, one view
    assert "a box on the image" in missing(curator)


def test_a_refusal_names_its_remedy(curator: Any, query: Query) -> None:
    start(curator, query)
    curator.set_viewport_size({"width": 1280, "height": 600})
    name_it(curator, "odd", dataset="a/b")
    curator.click("#whole")
    curator.click("#enrol-submit")
    problem = curator.wait_for_selector("#enrolled [data-testid=problem]")
    place = problem.bounding_box()
    assert place["y"] + place["height"] <= 601  # in sight
    said = problem.inner_text()
    assert "dataset" in said
    assert "What to do" in said
    assert curator.locator(CARD).count() == 0
    assert curator.is_enabled("#enrol-submit")


def test_a_refusal_leads_to_its_field(curator: Any, query: Query) -> None:
    """Another crop of the same thing in the same image is taken for another frame."""
    start(curator, query)
    name_it(curator, "twice")
    draw(curator, (20, 20, 150, 200))
    curator.click("#enrol-submit")
    curator.wait_for_selector(CARD)
    curator.wait_for_selector("#enrol-submit:not([disabled])")
    draw(curator, (160, 40, 300, 220))
    assert not curator.is_visible("#enrol [name=frame]")
    curator.click("#enrol-submit")
    curator.wait_for_selector("#enrolled [data-testid=problem]")
    assert "Give the frame its own number" in curator.inner_text("#enrolled [data-testid=problem]")
    assert curator.is_visible("#enrol [name=frame]")
    assert curator.evaluate("document.activeElement.name") == "frame"
    shoot(curator, "enrol-twice")
    curator.keyboard.type("1")
    curator.keyboard.press("Enter")
    curator.wait_for_selector(f"{CARD}:nth-of-type(2)")
    curator.click("#enrol details summary")  # closed again: what was typed there stays
    curator.evaluate("document.querySelector('#enrol [name=frame]').value = '-1'")
    curator.click("#whole")
    curator.click("#enrol-submit")
    curator.wait_for_selector("#enrolled [data-testid=problem]")
    assert curator.evaluate("document.activeElement.name") == "frame"


@pytest.mark.parametrize("curator", [PHONE, PHONE | STILL], indirect=True, ids=["moves", "still"])
def test_the_success_comes_into_sight_and_is_announced(
    curator: Any, query: Query, request: pytest.FixtureRequest
) -> None:
    start(curator, query)
    name_it(curator, f"seen-{request.node.callspec.id}")
    curator.tap("#whole")
    curator.evaluate("""() => {
      const scroll = Element.prototype.scrollIntoView;
      window.scrolls = [];
      Element.prototype.scrollIntoView = function (how) {
        if (this.matches(".enrolled")) window.scrolls.push(how.behavior);
        scroll.call(this, how);
      };
    }""")
    curator.tap("#enrol-submit")
    curator.wait_for_selector(CARD)
    below = "(card) => card.getBoundingClientRect().bottom - innerHeight"
    wait_until(lambda: curator.locator(CARD).evaluate(below) <= 1)
    still = curator.evaluate("matchMedia('(prefers-reduced-motion: reduce)').matches")
    assert curator.evaluate("scrolls") == ["instant" if still else "smooth"]
    live = curator.locator("[aria-live=polite]:has(> [data-testid=enrolled])")
    assert live.inner_text().startswith(f"seen-{request.node.callspec.id} is enrolled")
    shoot(curator, "enrolled-in-sight")


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
    curator.tap("#whole")
    curator.tap("#enrol-submit")
    curator.wait_for_selector(CARD)
    assert sideways(curator) == 0
    shoot(curator, "enrolled-phone")
