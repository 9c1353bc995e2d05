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


def kinds(page: Any) -> list[str]:
    """What the boxes over the image are."""
    boxes = page.locator("[data-testid=cuboid]").all()
    return [box.get_attribute("data-kind") for box in boxes]


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
    x0, y0, x1, y1 = query.request["bbox"]  # type: ignore[misc]
    draw(page, (x0, y0, x1, y1))
    page.click("#submit")
    page.wait_for_selector("[data-testid=pose]")
    return told[0]


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
    """Each is drawn from the box in metres; half a turn puts the front on the back's corners."""
    note = "The turn about the box's y is not known: the neighbours agree on all but it."
    told = ask(page, query, symmetry={"axis": "y", "fold": fold, "note": note}, confidence=0.74)
    assert page.inner_text("[data-testid=symmetry]") == note
    drawn = page.locator("[data-testid=orbit] .alternative")
    assert drawn.count() == shapes
    if fold == 2:
        points = [tuple(map(float, p.split(","))) for p in drawn.get_attribute("points").split()]
        vertices = told["consensus"]["hypothesis"]["vertices_px"]
        back = [vertices[corner] for corner in (1, 3, 5, 7)]
        assert sorted(points) == [pytest.approx(corner) for corner in sorted(map(tuple, back))]
    page.locator("[data-testid=neighbour]").first.click()
    assert drawn.count() == 0
    page.click("[data-testid=together]")
    shoot(page, f"symmetry-{fold}")


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
