"""`evaluate … --report DIR`: a page for every protocol, safe, repeatable, with the figures."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import pytest
from typer.testing import CliRunner

from index.evaluation.cli import app
from index.evaluation.report import extra
from index.evaluation.tables import grids
from training.errors import DataError

PROTOCOLS = {
    "objectron": ["figures", "boxes", "failures", "curves", "neighbours", "maps"],
    "reid": ["figures", "failures", "curves", "neighbours", "maps"],
    "eth80": ["figures", "failures", "curves", "neighbours", "maps"],
    "coil100": ["figures", "failures", "curves", "neighbours", "maps"],
}

Reported = Callable[[str], Any]
Files = Callable[[Path], dict[str, bytes]]
every_protocol = pytest.mark.parametrize("protocol", PROTOCOLS)


@every_protocol
def test_the_page_has_its_sections_and_no_link_is_broken(reported: Reported, protocol: str) -> None:
    done = reported(protocol)
    page, folder = done.page, done.folder
    assert [name for name in page.sections if name != "reliability"] == PROTOCOLS[protocol]
    assert {link["href"] for link in page.all("a")} <= {f"#{name}" for name in page.sections}
    used = {image["src"] for image in page.all("img")}
    there = {f"images/{path.name}" for path in (folder / "images").iterdir()}
    assert used == there
    assert {path.name for path in folder.iterdir()} == {"index.html", "images"}
    for image in page.all("img"):
        assert image["alt"].strip()
        if image["src"].endswith(".jpg"):
            picture = cv2.imread(str(folder / image["src"]))
            assert picture.shape[:2] == (int(image["height"]), int(image["width"]))


@every_protocol
def test_nothing_is_fetched_and_nothing_runs(reported: Reported, protocol: str) -> None:
    page, folder = reported(protocol).page, reported(protocol).folder
    assert not page.all("script")
    assert "http:" not in page.source
    assert "https:" not in page.source
    for _, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on")]
    for chart in folder.glob("images/*.svg"):
        tree = ElementTree.parse(chart)
        for element in tree.iter():
            assert not element.tag.endswith(("script", "image"))
            for name, value in element.attrib.items():
                assert not name.endswith("href") or value.startswith("#")


@every_protocol
def test_the_tables_are_those_of_the_terminal(reported: Reported, protocol: str) -> None:
    done = reported(protocol)
    for grid in grids(protocol, done.figures):
        assert grid.title in done.page.text
    shown = done.page.text
    for grid in grids(protocol, done.figures):
        for row in grid.rows:
            for cell in row.cells[1:]:
                assert cell in shown


@every_protocol
def test_the_curves_enclose_the_mean_average_precision(reported: Reported, protocol: str) -> None:
    done = reported(protocol)
    chart = next(image for image in done.page.all("img") if "mAP of all" in image["alt"])
    assert f"mAP of all queries {done.figures['reid_map']:.3f}" in chart["alt"]


@every_protocol
def test_the_same_run_gives_the_same_bytes(
    reported: Reported, report: Any, files: Files, protocol: str
) -> None:
    assert files(report(protocol).folder) == files(reported(protocol).folder)


def test_another_seed_shows_other_queries(reported: Reported, report: Any, files: Files) -> None:
    other = files(report("reid", None, "baseline:pixels16", "--seed", "1").folder)
    assert other != files(reported("reid").folder)


def test_the_figures_are_those_without_a_report(reported: Reported, dataset: Any) -> None:
    import json

    arguments = ["eth80", "--root", str(dataset("eth80")), "--encoder", "baseline:pixels16"]
    result = CliRunner().invoke(app, [*arguments, "--json"], catch_exceptions=False)
    plain, told = json.loads(result.stdout), dict(reported("eth80").figures)
    del plain["seconds"], told["seconds"]
    assert plain == told


@pytest.mark.parametrize("protocol", ["objectron", "reid"])
def test_hostile_names_are_shown_and_do_nothing(
    reported: Reported, hostile: SimpleNamespace, protocol: str
) -> None:
    page, folder = reported(protocol).page, reported(protocol).folder
    assert "<script" not in page.source
    assert "<img src=x" not in page.source
    assert hostile.script in page.text  # as a text, whole
    assert hostile.image in page.text
    assert "$x_{1}$ _a_ & \N{REPLACEMENT CHARACTER}gnp" in page.text
    assert not {"\u202e", "\u0007"} & set(page.source)
    charts = "".join(path.read_text("utf-8") for path in folder.glob("images/*.svg"))
    assert "&lt;script&gt;" in charts  # the label on the map
    assert (
        "$x_{1}$ _a_ &amp; \N{REPLACEMENT CHARACTER}gnp\N{REPLACEMENT CHARACTER}</text>" in charts
    )  # no formula
    assert not {"\u202e", "\u0007"} & set(charts)
    assert all(path.name.replace("-", "").split(".")[0].isalnum() for path in folder.rglob("*"))


def test_two_heads_stand_beside_each_other(report: Any, tiny_encoder: Path) -> None:
    page = report("reid", None, str(tiny_encoder)).page
    alts = [image["alt"] for image in page.all("img")]
    for head in ("pose", "identity"):
        assert any(alt.startswith("t-SNE") and alt.endswith(f"head {head}") for alt in alts)
        assert f"{head}: other sequences" in page.text
        assert f"{head}: own sequence included" in page.text


def test_other_sequences_are_without_the_own_one(reported: Reported) -> None:
    source = reported("reid").page.source
    for part in source.split("<h4>")[1:]:
        heading, listed = part.split("</h4>", 1)
        listed = listed.split("</ol>", 1)[0]
        if heading == "other sequences":
            assert "own sequence" not in listed
            assert "same instance" in listed  # a thing is filmed twice, alike
        else:
            assert heading == "own sequence included"


def test_every_drawn_box_belongs_to_an_answer(reported: Reported) -> None:
    page = reported("objectron").page
    lines = page.all("line")
    truth = [line for line in lines if line.get("class") == "truth"]
    cards = page.source.count('<div class="scene">')
    assert cards > 6
    keys = page.source.count('<ul class="key"')  # one sample line each, and the map's legend
    assert len(truth) == 12 * cards + keys - 1
    assert page.source.count(">IoU ") >= 2 * cards  # nearest view and consensus


def test_an_earlier_report_is_replaced_and_nothing_else(
    report: Any, files: Files, tmp_path: Path, dataset: Any
) -> None:
    folder = tmp_path / "out" / "report"
    first = files(report("coil100", folder).folder)
    (folder / "images" / "old.jpg").write_bytes(b"old")
    assert files(report("coil100", folder).folder) == first
    assert [path.name for path in folder.parent.iterdir()] == ["report"]
    (folder / "thesis.txt").write_text("years of work")
    arguments = ["coil100", "--root", "nowhere", "--encoder", "baseline:pixels16"]
    with pytest.raises(DataError, match=r"thesis\.txt"):
        CliRunner().invoke(app, [*arguments, "--report", str(folder)], catch_exceptions=False)
    assert (folder / "thesis.txt").read_text() == "years of work"


def test_another_page_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<h1>My homepage</h1>")
    arguments = ["coil100", "--root", "nowhere", "--encoder", "baseline:pixels16"]
    with pytest.raises(DataError, match="no report's"):
        CliRunner().invoke(app, [*arguments, "--report", str(tmp_path)], catch_exceptions=False)


def test_a_missing_extra_is_told_before_the_work(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    there = extra.find_spec
    monkeypatch.setattr(
        extra, "find_spec", lambda name: (name != "sklearn" and there(name)) or None
    )
    arguments = ["coil100", "--root", "nowhere", "--encoder", "baseline:pixels16"]
    with pytest.raises(DataError, match="scikit-learn") as caught:
        CliRunner().invoke(app, [*arguments, "--report", str(tmp_path)], catch_exceptions=False)
    assert "pip install 'posebank[report]'" in caught.value.remedy
    assert "matplotlib" not in caught.value.message
