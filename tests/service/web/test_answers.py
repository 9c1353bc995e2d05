"""What the page shows of an answer: the box, how sure it is, its neighbours, re-ID; phone, dark."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.service.conftest import Query
from tests.service.web.hands import (
    DARK,
    PHONE,
    Held,
    ask,
    crop,
    draw,
    kinds,
    pressed,
    shoot,
    sideways,
    until,
    upload,
)


def test_upload_crop_ask(page: Any, query: Query) -> None:
    shoot(page, "empty")
    upload(page, query)
    wanted = query.request["bbox"]
    draw(page, tuple(wanted))
    assert crop(page) == pytest.approx(wanted, abs=1.5)
    page.click("#submit")
    page.wait_for_selector("[data-testid=pose]")
    assert page.locator("[data-testid=neighbour]").count() == 8
    assert page.locator("[data-testid=cuboid]").count() == 1
    assert page.locator("[data-testid=match]").count() == 4
    assert "No camera was given" in page.inner_text("[data-testid=pose]")
    assert kinds(page) == ["answer"]
    front = page.get_attribute("[data-testid=cuboid] polygon", "points")
    page.locator("[data-testid=neighbour]").nth(4).click()
    assert kinds(page) == ["neighbour"]
    assert page.get_attribute("[data-testid=cuboid] polygon", "points") != front
    assert page.inner_text("#caption") == "The box of neighbour 5 of 8 alone"
    page.click("[data-testid=together]")
    assert page.get_attribute("[data-testid=cuboid] polygon", "points") == front
    until(page, "[...document.images].every((i) => i.complete || i.loading === 'lazy')")
    shoot(page, "desktop")


def test_one_request_gives_pose_and_identity(page: Any, query: Query) -> None:
    asked: list[str] = []
    page.on("request", lambda r: asked.append(r.url) if r.method == "POST" else None)
    told = ask(page, query)
    assert [url.rpartition("/")[2] for url in asked] == ["estimate"]
    names = [one.inner_text() for one in page.locator("[data-testid=match] .name").all()]
    assert names == [match["instance"] for match in told["reid"]["matches"]]
    assert "head identity" in page.inner_text("[data-testid=reid]")


@pytest.mark.parametrize(
    ("confidence", "words", "tone"),
    [
        (0.934, "Very likely right · 93 %", "good"),
        (0.55, "More likely right than wrong · 55 %", "good"),
        (0.26, "Doubtful · 26 %", "doubtful"),
        (None, "A box was found", "good"),
    ],
)
def test_confidence_in_words_and_number(
    page: Any, query: Query, confidence: float | None, words: str, tone: str
) -> None:
    told = ask(page, query, confidence=confidence, members=[0, 3], agreement=0.625)
    assert page.inner_text("#caption") == words
    assert words.split(" · ")[0] in page.inner_text(f".{tone}[data-testid=verdict]")
    shown = len(told["neighbours"])
    said = page.inner_text("[data-testid=agreement]")
    assert said.startswith(f"2 of the {shown} neighbours shown agree")
    assert "62 %" in said or "63 %" in said
    agree = [one.inner_text() for one in page.locator("[data-testid=neighbour].agrees").all()]
    assert len(agree) == 2
    assert all("agrees" in text for text in agree)


def test_an_abstention_shows_what_it_would_have_been(page: Any, query: Query) -> None:
    reason = "The neighbours disagree: 12% of their weight agrees with the best box."
    ask(page, query, box=None, reason=reason, confidence=0.12)
    assert kinds(page) == ["hypothesis"]
    dashes = "getComputedStyle(document.querySelector('.hypothesis .edge')).strokeDasharray"
    assert page.evaluate(dashes) != "none"
    assert page.inner_text("#caption") == "No answer · dashed: what it would have been · 12 %"
    said = page.inner_text("[data-testid=verdict]")
    assert said.startswith("No answer")
    assert reason in said
    assert "dashed box" in said
    page.locator("[data-testid=neighbour]").first.click()
    assert kinds(page) == ["neighbour"]
    page.click("[data-testid=together]")
    shoot(page, "abstains")


@pytest.mark.parametrize(("fold", "shapes"), [(None, 2), (2, 1), (4, 3)])
def test_a_symmetry_shows_the_other_turns(
    page: Any, query: Query, fold: int | None, shapes: int
) -> None:
    """Each is drawn from the box in metres; half a turn puts the front on the back."""
    note = "The turn about the box's y is not known: the neighbours agree on all but it."
    told = ask(page, query, symmetry={"axis": "y", "fold": fold, "note": note}, confidence=0.74)
    assert page.inner_text("[data-testid=symmetry]") == note
    drawn = page.locator("[data-testid=orbit] .alternative")
    assert drawn.count() == shapes
    if fold == 2:
        points = [tuple(map(float, p.split(","))) for p in drawn.get_attribute("points").split()]
        back = np.array(told["consensus"]["hypothesis"]["vertices_m"])[[1, 3, 5, 7]]
        within = back.mean(axis=0) + 0.8 * (back - back.mean(axis=0))
        camera = told["query"]["camera"]
        x = camera["fx"] * within[:, 0] / within[:, 2] + camera["cx"]
        y = camera["fy"] * within[:, 1] / within[:, 2] + camera["cy"]
        np.testing.assert_allclose(sorted(points), sorted(zip(x, y, strict=True)), atol=1e-6)
    page.locator("[data-testid=neighbour]").first.click()
    assert drawn.count() == 0
    page.click("[data-testid=together]")
    shoot(page, f"symmetry-{fold}")


CHANGED = "[data-testid=changed]"


def test_an_answer_of_another_crop_says_so(page: Any, query: Query) -> None:
    ask(page, query)
    said = page.inner_text("#caption")
    assert page.locator(CHANGED).count() == 0
    sides = [page.input_value(f"input[name={name}]") for name in ("x0", "y0", "x1", "y1")]
    page.locator("rect.crop").focus()
    page.keyboard.press("Alt+ArrowRight")
    assert "The crop was changed since this answer" in page.inner_text(CHANGED)
    assert page.inner_text("#caption") == f"{said} · of another crop"
    opacity = "(one) => Number(getComputedStyle(one).opacity)"
    for dimmed in ("[data-testid=pose]", "[data-testid=reid]", "#overlay g:has(> .cuboid)"):
        assert page.locator(dimmed).evaluate(opacity) < 0.6
    page.locator("[data-testid=neighbour]").first.click()
    assert page.locator("#overlay .of-another-crop .cuboid.neighbour").count() == 1
    page.mouse.move(5, 5)
    shoot(page, "changed-crop")
    page.fill("input[name=x0]", sides[0])
    page.fill("input[name=x1]", sides[2])  # the crop asked about: its own answer again
    assert page.locator(CHANGED).count() == 0
    assert page.locator("#overlay .of-another-crop").count() == 0
    page.fill("input[name=x0]", "")
    assert page.locator(CHANGED).count() == 1
    page.click("#whole")
    assert page.locator(CHANGED).count() == 1
    with page.expect_response("**/pose/estimate"):
        page.get_by_role("button", name="Ask again").click()
    page.wait_for_selector(CHANGED, state="detached")
    assert page.locator("[data-testid=pose]").evaluate(opacity) == 1
    assert "another crop" not in page.inner_text("#caption")


def test_a_crop_changed_while_it_is_asked_about(page: Any, query: Query) -> None:
    held = Held(page, "**/pose/estimate")
    upload(page, query)
    page.click("#submit")
    held.asked()
    draw(page, (60, 40, 250, 200))
    held.let_go()
    page.wait_for_selector("[data-testid=pose]")
    assert page.locator(CHANGED).count() == 1


def test_neighbours_by_keyboard(page: Any, query: Query) -> None:
    ask(page, query)
    assert pressed(page) == ["All together"]
    page.locator("[data-testid=together]").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert kinds(page) == ["neighbour"]
    assert len(pressed(page)) == 1
    page.keyboard.press("Space")  # again: back to all together
    assert pressed(page) == ["All together"]
    assert kinds(page) == ["answer"]


@pytest.mark.parametrize(
    ("page", "name"), [(PHONE, "phone"), (DARK, "dark")], indirect=["page"], ids=["phone", "dark"]
)
def test_a_sample_on_a_phone_and_in_the_dark(page: Any, name: str) -> None:
    page.locator("[data-testid=sample]").nth(1).click()
    page.wait_for_selector("[data-testid=pose]")
    assert page.locator("[data-testid=cuboid]").count() == 1
    assert page.locator(".assumptions").count() == 0
    assert sideways(page) == 0
    page.wait_for_timeout(200)
    shoot(page, name)
