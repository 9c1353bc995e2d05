"""Images chosen one after the other: the last one counts, whichever is there first."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.service.conftest import Query
from tests.service.web.hands import AWAY, PROBLEM, Held, crop, draw, upload

NAMED = "#image-size"


@pytest.mark.parametrize("answer", [{}, AWAY], ids=["comes", "fails"])
def test_a_late_sample_leaves_the_file_chosen_since(
    page: Any, query: Query, answer: dict[str, Any]
) -> None:
    held = Held(page, "**/samples/**", only=lambda request: request.resource_type == "fetch")
    page.locator("[data-testid=sample]").first.click()
    held.asked()
    upload(page, query)
    draw(page, (60, 40, 250, 200))
    drawn = crop(page)
    held.let_go(**answer)
    assert page.inner_text(NAMED).startswith("cup's.jpg")
    assert crop(page) == drawn
    assert page.is_enabled("#submit")
    assert page.locator(PROBLEM).count() == 0


def test_a_sample_that_fails_is_told(page: Any) -> None:
    page.route("**/samples/**", lambda route: route.fulfill(**AWAY))
    page.locator("[data-testid=sample]").first.click()
    page.wait_for_selector(f"#image-problem {PROBLEM}")


TWO = """async ([text, slowly]) => {
  const { take } = await import("/web/image/image.js");
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const file = (data) => new Blob([data], { type: "image/jpeg" });
  let go;
  const waited = new Promise((done) => (go = done));
  const first = file(bytes);
  const picture = document.getElementById("picture");
  if (slowly === "read") {
    first.slice = () => ({ arrayBuffer: () => waited.then(() => bytes.slice(0, 12).buffer) });
  } else {
    picture.decode = () => waited;
  }
  const taken = take(first, "first.jpg");
  if (slowly === "decoded") {
    while (!picture.src) await new Promise((done) => setTimeout(done));
    delete picture.decode;
  }
  await take(slowly === "read" ? file(bytes) : file("no image"), "second.jpg");
  go();
  await taken;
}"""


def test_a_file_that_is_read_slowly(page: Any, query: Query) -> None:
    page.evaluate(TWO, [base64.b64encode(query.jpeg).decode(), "read"])
    assert page.inner_text(NAMED).startswith("second.jpg")


def test_a_file_that_is_decoded_slowly(page: Any, query: Query) -> None:
    """The one chosen since is no image: nothing is shown in its place."""
    page.evaluate(TWO, [base64.b64encode(query.jpeg).decode(), "decoded"])
    assert "second.jpg" in page.inner_text(f"#image-problem {PROBLEM}")
    assert not page.is_visible("#frame")
    assert page.is_disabled("#submit")
