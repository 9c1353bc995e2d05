"""Asking at the page: upload, crop by mouse and keyboard, curl, refusals; nothing from outside."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.service.conftest import Live, Query, Start, wait_until
from tests.service.web.conftest import opened
from tests.service.web.hands import (
    DESKTOP,
    PROBLEM,
    Held,
    crop,
    draw,
    kinds,
    moved,
    screen,
    settle,
    shoot,
    until,
    upload,
)


def test_annotated_views_only(page: Any, query: Query) -> None:
    page.check("input[name=annotated]")
    upload(page, query)
    assert not page.is_checked("input[name=annotated]")  # a new image is a new question
    page.check("input[name=annotated]")
    page.click("#curl summary")
    assert '"filters":{"annotated":true}' in page.inner_text("#curl-text")


def test_the_curl_command_asks_the_same(page: Any, query: Query, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    upload(page, query)
    draw(page, (60, 40, 250, 200))
    page.fill("input[name=k]", "3")
    page.select_option("select[name=category]", "cup")
    page.click("#curl summary")
    command = page.inner_text("#curl-text")
    (tmp_path / "cup's.jpg").write_bytes(query.jpeg)
    told = json.loads(subprocess.check_output(command, shell=True, cwd=tmp_path))
    assert told["query"]["bbox"] == crop(page)
    assert [one["view"]["category"] for one in told["neighbours"]] == ["cup"] * 3
    shoot(page, "curl")


def test_the_crop_by_mouse_and_keyboard(page: Any, query: Query) -> None:
    upload(page, query)
    draw(page, (60, 40, 200, 160))
    before = crop(page)
    draw(page, (100, 100, 120, 110))  # inside: moves
    assert crop(page) == pytest.approx(moved(before, 20, 10), abs=1.5)
    page.locator("rect.crop").focus()
    here = crop(page)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Alt+ArrowDown")
    assert crop(page) == pytest.approx(moved(here, 1, 10), abs=0.2)
    page.keyboard.press("Shift+ArrowLeft")
    assert crop(page)[2] == pytest.approx(here[2], abs=0.2)
    x0, y0, x1, y1 = crop(page)
    draw(page, (x1, y1, x1 + 30, y1 + 20))  # the corner: resizes
    assert crop(page) == pytest.approx([x0, y0, x1 + 30, y1 + 20], abs=1.5)
    page.fill("input[name=x0]", "10")
    assert float(page.get_attribute("rect.crop", "x")) == 10
    page.click("#whole")
    assert page.locator("rect.crop").count() == 0
    assert page.input_value("input[name=x0]") == ""


def test_a_refusal_is_shown_with_its_remedy(page: Any, query: Query) -> None:
    upload(page, query)
    for name, value in zip(("x0", "y0", "x1", "y1"), ("900", "900", "950", "950"), strict=True):
        page.fill(f"input[name={name}]", value)
    page.click("#submit")
    page.wait_for_selector("[data-testid=problem]")
    text = page.inner_text("[data-testid=problem]")
    assert "320 × 240" in text
    assert "What to do" in text
    shoot(page, "refusal")
    page.fill("input[name=x1]", "")
    page.click("#submit")
    until(
        page, "document.querySelector('[data-testid=problem]').textContent.includes('unfinished')"
    )


def test_a_file_that_is_no_image(page: Any) -> None:
    page.set_input_files("#file", {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": b"nothing"})
    page.wait_for_selector("[data-testid=problem]")
    assert page.is_disabled("#submit")


@pytest.fixture(scope="module")
def strict(start: Start, home: Path) -> Live:
    """A server that takes small images only."""
    return start(home, max_image_bytes=4_000, max_image_pixels=60_000)


def choose(page: Any, name: str, kind: str, data: bytes) -> str:
    """What is said when a file is chosen, while nothing may be sent."""
    sent: list[str] = []
    page.on("request", lambda one: sent.append(one.url) if one.method == "POST" else None)
    page.set_input_files("#file", {"name": name, "mimeType": kind, "buffer": data})
    said = str(page.inner_text("#image-problem [data-testid=problem]"))
    assert page.is_disabled("#submit")
    assert page.is_disabled("#enrol-submit")
    assert page.is_visible("#drop")
    assert not page.is_visible("#frame")
    assert sent == []
    return said


def test_a_file_that_would_be_refused_is_refused_when_chosen(
    browser: Any, strict: Live, query: Query
) -> None:
    with opened(browser, strict.url, DESKTOP) as page:
        wait_until(lambda: "0.004 MB and 0.06 megapixels" in page.inner_text("#limits"))
        said = choose(page, "notes.pdf", "application/pdf", b"%PDF-1.7 and more")
        assert "notes.pdf is given as application/pdf" in said
        assert "no JPEG, PNG or WebP image" in said
        shoot(page, "wrong-type")
        assert "0 bytes" in choose(page, "empty.jpg", "image/jpeg", b"")
        said = choose(page, "long.jpg", "image/jpeg", query.jpeg + bytes(50_000))
        assert f"has {len(query.jpeg) + 50_000:,} bytes" in said
        assert "limit of 4,000" in said
        assert "POSEBANK_MAX_IMAGE_BYTES" in said
        shoot(page, "too-large")
        small = cv2.imencode(".png", np.zeros((240, 320), np.uint8))[1].tobytes()
        said = choose(page, "wide.png", "image/png", small)
        assert "320 × 240, 76,800 pixels" in said
        assert "limit of 60,000" in said
        assert "What to do" in said


def test_each_type_that_the_server_reads_is_taken(page: Any) -> None:
    for kind in ("jpg", "png", "webp"):
        data = cv2.imencode(f".{kind}", np.zeros((40, 60, 3), np.uint8))[1].tobytes()
        file = {"name": f"a.{kind}", "mimeType": "", "buffer": data}
        page.set_input_files("#file", file)
        until(page, f"document.getElementById('image-size').textContent.startsWith('a.{kind}')")
        assert page.is_enabled("#submit")


def test_after_a_good_image_a_broken_one_asks_nothing(page: Any, query: Query) -> None:
    upload(page, query)
    page.set_input_files("#file", {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": b"nothing"})
    page.wait_for_selector("[data-testid=problem]")
    assert page.is_disabled("#submit")
    assert page.is_visible("#drop")


def test_an_answer_to_a_replaced_image_is_not_drawn(page: Any, query: Query) -> None:
    held = Held(page, "**/pose/estimate")
    upload(page, query)
    page.click("#submit")
    held.asked()
    other = {"name": "other.jpg", "mimeType": "image/jpeg", "buffer": query.jpeg}
    page.set_input_files("#file", other)
    until(page, "document.getElementById('image-size').textContent.startsWith('other.jpg')")
    assert page.inner_text("#submit") == "Ask"
    held.let_go()
    assert page.locator("[data-testid=pose]").count() == 0
    assert page.locator("[data-testid=cuboid]").count() == 0


def test_an_answer_waits_while_something_is_enrolled(page: Any, query: Query) -> None:
    held = Held(page, "**/pose/estimate")
    upload(page, query)
    page.click("#submit")
    held.asked()
    screen(page, "enrol")
    held.let_go()
    page.wait_for_selector("[data-testid=pose]", state="attached")
    assert (kinds(page), page.inner_text("#caption")) == ([], "")
    screen(page, "ask")
    assert kinds(page) == ["answer"]


def test_a_sample_to_enrol_from_is_not_asked_about(page: Any) -> None:
    sent: list[str] = []
    page.on("request", lambda one: sent.append(one.url) if one.method == "POST" else None)
    screen(page, "enrol")
    page.locator("[data-testid=sample]").first.click()
    page.wait_for_selector("#stage-bar:not([hidden])")
    settle(page)
    assert sent == []
    screen(page, "ask")
    page.click("#submit")
    page.wait_for_selector("[data-testid=pose]")


def test_an_answer_that_breaks_off_is_not_laid_on_the_image(page: Any, query: Query) -> None:
    cut = {"body": '{"consensus": {', "content_type": "application/json"}
    page.route("**/pose/estimate", lambda route: route.fulfill(**cut))
    upload(page, query)
    page.click("#submit")
    page.wait_for_selector(f"#results {PROBLEM}")
    assert "The answer cannot be read" in page.inner_text(PROBLEM)


def test_paste_and_drop(page: Any, query: Query) -> None:
    import base64

    script = """([kind, text]) => {
      const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
      const data = new DataTransfer();
      data.items.add(new File([bytes], kind + '.jpg', { type: 'image/jpeg' }));
      const event = kind === 'paste'
        ? new ClipboardEvent('paste', { clipboardData: data })
        : new DragEvent('drop', { dataTransfer: data, cancelable: true });
      document.dispatchEvent(event);
    }"""
    for kind in ("paste", "drop"):
        page.evaluate(script, [kind, base64.b64encode(query.jpeg).decode()])
        until(page, f"document.getElementById('image-size').textContent.startsWith('{kind}.jpg')")


def test_every_input_has_a_label(page: Any) -> None:
    inputs = "[...document.querySelectorAll('input, select')]"
    assert page.evaluate(f"{inputs}.filter((one) => !one.labels.length).length") == 0


def test_nothing_comes_from_elsewhere(sampled: Live) -> None:
    answer = sampled.client.get("/")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    web = Path(__file__).resolve().parents[3] / "service" / "web"
    for file in (path for path in web.rglob("*") if path.is_file()):
        text = file.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "http" not in text.replace("httpx", ""), file
