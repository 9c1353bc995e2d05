"""The box in space: what is drawn where, and turning it by mouse, fingers and keys."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.service.conftest import CAMERA, PLANE, Query, wait_until
from tests.service.web.hands import PHONE, ask, screen, shoot

CANVAS = "[data-testid=space]"
SCENE = """async ([answer, extra, from]) => {
  const { scene } = await import("/web/space/scene.js");
  const { Orbit } = await import("/web/space/orbit.js");
  const { query, consensus } = answer;
  const made = scene({
    camera: query.camera, size: [query.image_width, query.image_height], plane: query.plane,
    box: consensus.hypothesis, style: "answer", ...extra,
  });
  const orbit = new Orbit(made.viewpoint);
  orbit.look(from, [500, 300]);
  return { items: made.items, seen: consensus.hypothesis.vertices_m.map(orbit.viewer()),
           camera: orbit.viewer()([0, 0, 0]), square: made.square,
           frustum: made.items.filter(({ style }) => style === "camera")
             .flatMap(({ points }) => points.map(orbit.viewer())) };
}"""


def answered(page: Any) -> dict[str, Any]:
    """The answer to the first sample, whose camera and plane are given."""
    with page.expect_response("**/pose/estimate") as told:
        page.locator("[data-testid=sample]").nth(1).click()
    page.wait_for_selector(f"{CANVAS}[data-turn]")  # once it is drawn
    return dict(told.value.json())


def scene(page: Any, answer: dict[str, Any], view: str = "camera", **extra: Any) -> dict[str, Any]:
    return dict(page.evaluate(SCENE, [answer, extra, view]))


def turned(page: Any) -> tuple[float, float, float]:
    """Turn, tilt and distance of the view."""
    told = page.locator(CANVAS).evaluate("(canvas) => ({ ...canvas.dataset })")
    return float(told["turn"]), float(told["tilt"]), float(told["distance"])


def picture(page: Any) -> str:
    return str(page.locator(CANVAS).evaluate("(canvas) => canvas.toDataURL()"))


def points(items: list[dict[str, Any]], style: str) -> NDArray[np.float64]:
    return np.array([point for item in items if item["style"] == style for point in item["points"]])


def test_corners_are_the_servers(page: Any) -> None:
    box = answered(page)["consensus"]["hypothesis"]
    script = '(box) => import("/web/space/box.js").then(({ vertices }) => vertices(box))'
    np.testing.assert_allclose(page.evaluate(script, box), box["vertices_m"], atol=1e-9)


def test_from_the_camera_it_looks_as_in_the_image(page: Any) -> None:
    """The view is a rotation of the camera's own frame: depths and sides as the image has them."""
    answer = answered(page)
    told = scene(page, answer)
    box = answer["consensus"]["hypothesis"]
    there, seen = np.array(box["vertices_m"]), np.array(told["seen"])
    np.testing.assert_allclose(np.linalg.norm(seen, axis=1), np.linalg.norm(there, axis=1))
    gaps = np.linalg.norm(there[:, None] - there[None], axis=2)
    np.testing.assert_allclose(np.linalg.norm(seen[:, None] - seen[None], axis=2), gaps, atol=1e-9)
    drawn = seen[:, :2] / seen[:, 2:] * [1, -1]
    imaged = np.array(box["vertices_px"])
    for axis in range(2):
        assert np.corrcoef(drawn[:, axis], imaged[:, axis])[0, 1] > 0.99


def test_an_overview_holds_the_box_and_the_camera(page: Any) -> None:
    told = scene(page, answered(page), "overview", size=[1500, 2000])  # sees far to its sides
    seen = np.array([*told["seen"], told["camera"], *told["frustum"]])
    assert (seen[:, 2] > 0).all()
    pixels = seen[:, :2] / seen[:, 2:] * (300 / 2 / 0.7)
    assert (np.abs(pixels) <= [250, 150]).all()
    assert np.ptp(pixels, axis=0).max() > 150  # and fills it


def test_the_ground_is_the_plane_given(page: Any) -> None:
    answer = answered(page)
    items = scene(page, answer)["items"]
    grid = points(items, "grid")
    np.testing.assert_allclose((grid - PLANE.center) @ PLANE.normal, 0, atol=1e-6)
    corner = points(items, "camera")
    rim = corner[corner[:, 2] > 0]
    pixels = (rim @ CAMERA.matrix.T)[:, :2] / rim[:, 2:]
    assert pixels[:, 0].min() == pytest.approx(-0.5, abs=1e-6)
    assert pixels[:, 0].max() == pytest.approx(CAMERA.width - 0.5, abs=1e-6)
    assert pixels[:, 1].max() == pytest.approx(CAMERA.height - 0.5, abs=1e-6)


def test_without_a_plane_the_ground_is_under_the_box(page: Any, query: Query) -> None:
    told = ask(page, query)
    assert told["query"]["plane"] is None
    assert "no ground was given" in page.inner_text(".space-figure")
    box = told["consensus"]["hypothesis"]
    up = np.array(box["rotation"])[:, 1]
    grid = points(scene(page, told)["items"], "grid")
    low = np.array(box["translation_m"]) - up * box["scale_m"][1] / 2
    np.testing.assert_allclose((grid - low) @ up, 0, atol=1e-9)


@pytest.mark.parametrize(("fold", "turns"), [(None, 2), (2, 1), (4, 3)])
def test_a_symmetry_shows_where_else_the_front_may_be(
    page: Any, fold: int | None, turns: int
) -> None:
    """What is drawn keeps its height and its distance from the axis: it is the front, turned."""
    answer = answered(page)
    symmetry = {"axis": "y", "fold": fold, "note": "."}
    items = scene(page, answer, symmetry=symmetry)["items"]
    drawn = [item["points"] for item in items if item["style"] == "alternative"]
    assert len(drawn) == turns
    box = answer["consensus"]["hypothesis"]
    own = (np.concatenate(drawn) - box["translation_m"]) @ np.array(box["rotation"])
    width, height, depth = np.array(box["scale_m"]) / 2
    radius = np.hypot(own[:, 0], own[:, 2])
    if fold is None:
        np.testing.assert_allclose(radius, (width + depth) / 2)
        np.testing.assert_allclose(np.abs(own[:, 1]), height)
    else:
        np.testing.assert_allclose(radius, np.hypot(0.8 * width, depth))
        np.testing.assert_allclose(np.abs(own[:, 1]), 0.8 * height)


def test_the_neighbours_boxes_stand_beside_it(page: Any) -> None:
    answer = answered(page)
    before = picture(page)
    page.locator("[data-testid=neighbour]").nth(2).click()
    assert picture(page) != before
    page.click("[data-testid=together]")
    assert picture(page) == before
    others = [[one["box"], "muted"] for one in answer["neighbours"]]
    items = scene(page, answer, others=others)["items"]
    muted = points(items, "muted").reshape(-1, 12, 2, 3)
    for drawn, neighbour in zip(muted, answer["neighbours"], strict=True):
        corners = {tuple(np.round(corner, 6)) for corner in neighbour["box"]["vertices_m"][1:]}
        assert {tuple(np.round(end, 6)) for end in drawn.reshape(-1, 3)} == corners


def test_turned_by_mouse_keys_and_buttons(page: Any) -> None:
    answered(page)
    start, first = turned(page), picture(page)
    canvas = page.locator(CANVAS)
    canvas.scroll_into_view_if_needed()
    edge = canvas.bounding_box()
    middle = edge["x"] + edge["width"] / 2, edge["y"] + edge["height"] / 2
    page.mouse.move(*middle)
    page.mouse.wheel(0, 120)  # not in use yet: the page scrolls, not the view
    assert turned(page) == start
    canvas.scroll_into_view_if_needed()
    edge = canvas.bounding_box()
    middle = edge["x"] + edge["width"] / 2, edge["y"] + edge["height"] / 2
    page.mouse.move(*middle)
    page.mouse.down()
    page.mouse.move(middle[0] + 60, middle[1] - 20, steps=4)
    page.mouse.up()
    dragged = turned(page)
    assert dragged[0] < start[0]
    assert dragged[1] < start[1]
    assert dragged[2] == start[2]
    page.mouse.wheel(0, -240)
    assert turned(page)[2] < start[2]
    page.keyboard.press("Home")
    assert turned(page) == start
    assert picture(page) == first
    for key, i, sign in (
        ("ArrowLeft", 0, -1),
        ("ArrowRight", 0, 1),
        ("ArrowUp", 1, 1),
        ("-", 2, 1),
    ):
        before = turned(page)
        page.keyboard.press(key)
        after = turned(page)
        assert (after[i] - before[i]) * sign > 0
        assert [n for n in range(3) if after[n] != before[n]] == [i]
    for _ in range(60):
        page.keyboard.press("ArrowUp")
    assert turned(page)[1] < np.pi / 2  # never over the top
    page.get_by_role("button", name="From above").click()
    assert turned(page)[1] == pytest.approx(np.pi / 2, abs=2e-3)
    shoot(page, "space-above")


@pytest.mark.parametrize("page", [PHONE], indirect=True)
def test_turned_by_a_finger_and_pinched_by_two(page: Any) -> None:
    answered(page)
    canvas = page.locator(CANVAS)
    canvas.scroll_into_view_if_needed()
    edge = canvas.bounding_box()
    x, y = edge["x"] + edge["width"] / 2, edge["y"] + edge["height"] / 2
    session = page.context.new_cdp_session(page)

    def touch(kind: str, *fingers: tuple[float, float]) -> None:
        told = [{"x": fx, "y": fy, "id": i} for i, (fx, fy) in enumerate(fingers)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": told})

    start = turned(page)
    touch("touchStart", (x, y))
    touch("touchMove", (x + 50, y))
    touch("touchMove", (x + 90, y))
    touch("touchEnd")
    after = turned(page)
    assert after[0] < start[0]
    assert after[2] == start[2]
    touch("touchStart", (x - 20, y))
    touch("touchStart", (x - 20, y), (x + 20, y))
    touch("touchMove", (x - 40, y), (x + 40, y))
    touch("touchMove", (x - 60, y), (x + 60, y))
    touch("touchEnd")
    assert turned(page)[2] == pytest.approx(after[2] / 3, rel=0.05)  # three times as near


def test_the_colours_follow_the_theme(page: Any) -> None:
    answered(page)
    light = picture(page)
    page.emulate_media(color_scheme="dark")
    wait_until(lambda: picture(page) != light)


def test_another_screen_and_back_keeps_it(page: Any) -> None:
    answered(page)
    first = picture(page)
    screen(page, "gallery")
    screen(page, "ask")
    wait_until(lambda: picture(page) == first)
