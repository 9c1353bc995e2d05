"""What is served is looked at again and again: a look that fails or is slow undoes nothing."""

from __future__ import annotations

from typing import Any

from tests.service.web.hands import AWAY, VIEW, Held, screen, settle, until

GOOD = "!document.getElementById('status').classList.contains('bad')"


def timed(page: Any) -> None:
    """The page's clock goes as the test says."""
    page.clock.install()
    page.reload()
    until(page, "document.getElementById('status').textContent.endsWith('views')")


def look(page: Any, held: Held, **answer: Any) -> None:
    """The time for the next look comes, and its answer."""
    page.clock.run_for(15_000)
    held.asked()
    held.let_go(**answer)


def test_a_failed_look_undoes_no_choice(page: Any) -> None:
    def two(route: Any) -> None:
        answer = route.fetch()
        told = answer.json()
        told["indexes"].append({**told["indexes"][0], "name": "zoo", "default": False})
        route.fulfill(response=answer, json=told)

    page.route("**/indexes", two)
    timed(page)
    chosen = {
        "#ask [name=index]": "zoo",
        "#ask [name=category]": "cup",
        "#enrol [name=index]": "zoo",
        "#map-choices [name=index]": "zoo",
        "#map-choices [name=head]": "identity",
    }
    screen(page, "map")
    page.wait_for_selector("[data-testid=map]")
    for field, value in chosen.items():
        page.locator(field).evaluate("(field, value) => (field.value = value)", value)
    look(page, Held(page, "**/indexes", most=1), **AWAY)
    until(page, f"!({GOOD})")
    page.clock.run_for(15_000)
    until(page, GOOD)
    assert {field: page.input_value(field) for field in chosen} == chosen


def test_a_look_leaves_what_is_typed(page: Any) -> None:
    timed(page)
    screen(page, "gallery")
    page.click("#gallery-filters [name=instance]")
    page.keyboard.type("my ")
    look(page, Held(page, "**/indexes", most=1))
    page.keyboard.type("cup")
    assert page.input_value("#gallery-filters [name=instance]") == "my cup"


def test_the_screens_are_there_before_the_first_answer(page: Any) -> None:
    held = Held(page, "**/indexes", most=1)
    page.goto(f"{page.url}#/gallery")
    page.reload()
    page.wait_for_selector("#gallery-filters")
    screen(page, "map")
    screen(page, "gallery")
    held.let_go()
    page.wait_for_selector(VIEW)


def test_one_look_at_a_time(page: Any) -> None:
    timed(page)
    held = Held(page, "**/indexes")
    page.clock.run_for(60_000)
    held.asked()
    settle(page)
    assert len(held.routes) == 1
    held.let_go()
    page.clock.run_for(15_000)
    held.asked(2)
