"""The page in a real browser: upload, crop by mouse and keyboard, answer, refusal, phone, dark."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.service.conftest import Live, Query, Start, make_query, wait_until

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DESKTOP = {"viewport": {"width": 1280, "height": 900}}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
DARK = {**DESKTOP, "color_scheme": "dark"}
SHOTS = os.environ.get("POSEBANK_TEST_SHOTS")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM.exists():
        pytest.skip(f"no {CHROMIUM}; on Debian: apt-get install chromium fonts-dejavu-core")
    with playwright.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def sampled(start: Start, home: Path, tmp_path_factory: pytest.TempPathFactory) -> Live:
    """A server with two sample queries."""
    folder = tmp_path_factory.mktemp("queries")
    for category, yaw in (("cup", 0.25), ("book", 0.7)):
        query = make_query(category, yaw)
        (folder / f"{category}.jpg").write_bytes(query.jpeg)
        (folder / f"{category}.json").write_text(json.dumps(query.request))
    return start(home, samples=folder)


@pytest.fixture
def page(browser: Any, sampled: Live, request: pytest.FixtureRequest) -> Iterator[Any]:
    """The page, whose console must stay without errors."""
    context = browser.new_context(**getattr(request, "param", DESKTOP))
    page = context.new_page()
    page.set_default_timeout(15_000)
    said: list[str] = []
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("console", lambda m: said.append(m.text) if m.type == "error" else None)
    page.goto(sampled.url)
    until(page, "document.querySelector('select[name=index]').value === 'toys'")
    yield page
    context.close()
    # A refusal is an answer with a 4xx status, which the browser itself logs.
    assert [text for text in said if "status of 4" not in text] == []


def until(page: Any, expression: str) -> None:
    """Waits in Python: the page's own policy forbids the browser-side waiting of playwright."""
    wait_until(lambda: bool(page.evaluate(expression)))


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


def test_upload_crop_ask(page: Any, query: Query) -> None:
    shoot(page, "empty")
    upload(page, query)
    wanted = query.request["bbox"]
    draw(page, tuple(wanted))  # type: ignore[arg-type]
    assert crop(page) == pytest.approx(wanted, abs=1.5)
    page.click("#submit")
    page.wait_for_selector("[data-testid=pose]")
    assert page.locator("[data-testid=neighbour]").count() == 8
    assert page.locator("[data-testid=cuboid]").count() == 1
    assert page.locator("[data-testid=match]").count() == 4
    assert "No camera was given" in page.inner_text("[data-testid=pose]")
    front = page.get_attribute("[data-testid=cuboid] polygon", "points")
    page.locator("[data-testid=neighbour]").nth(4).click()
    assert page.get_attribute("[data-testid=cuboid] polygon", "points") != front
    until(page, "[...document.images].every((i) => i.complete || i.loading === 'lazy')")
    shoot(page, "desktop")


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


def test_after_a_good_image_a_broken_one_asks_nothing(page: Any, query: Query) -> None:
    upload(page, query)
    page.set_input_files("#file", {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": b"nothing"})
    page.wait_for_selector("[data-testid=problem]")
    assert page.is_disabled("#submit")
    assert page.is_visible("#drop")


def test_an_answer_to_a_replaced_image_is_not_drawn(page: Any, query: Query) -> None:
    held: list[Any] = []
    page.route("**/pose/estimate", lambda route: held.append(route))
    upload(page, query)
    page.click("#submit")
    wait_until(lambda: page.evaluate("true") and bool(held))  # evaluating lets events in
    other = {"name": "other.jpg", "mimeType": "image/jpeg", "buffer": query.jpeg}
    page.set_input_files("#file", other)
    until(page, "document.getElementById('image-size').textContent.startsWith('other.jpg')")
    assert page.inner_text("#submit") == "Ask"
    with contextlib.suppress(Exception):  # the page may have closed that request already
        held[0].continue_()
    page.unroute("**/pose/estimate")
    page.wait_for_timeout(500)
    assert page.locator("[data-testid=pose]").count() == 0
    assert page.locator("[data-testid=cuboid]").count() == 0


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


@pytest.mark.parametrize(
    ("page", "name"), [(PHONE, "phone"), (DARK, "dark")], indirect=["page"], ids=["phone", "dark"]
)
def test_a_sample_on_a_phone_and_in_the_dark(page: Any, name: str) -> None:
    page.locator("[data-testid=sample]").nth(1).click()
    page.wait_for_selector("[data-testid=pose]")
    assert page.locator("[data-testid=cuboid]").count() == 1
    assert page.locator(".assumptions").count() == 0
    wide = page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    assert wide == 0
    page.wait_for_timeout(200)
    shoot(page, name)


def test_every_input_has_a_label(page: Any) -> None:
    inputs = "[...document.querySelectorAll('input, select')]"
    assert page.evaluate(f"{inputs}.filter((one) => !one.labels.length).length") == 0


def test_nothing_comes_from_elsewhere(sampled: Live) -> None:
    answer = sampled.client.get("/")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    web = Path(__file__).resolve().parents[2] / "service" / "web"
    for file in web.iterdir():
        text = file.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "http" not in text.replace("httpx", ""), file
