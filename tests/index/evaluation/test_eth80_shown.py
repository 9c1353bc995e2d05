"""ETH-80 shown whole, trimmed and as the toy alone, on painted toys before painted cloth."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from index.evaluation.cli import app
from index.evaluation.embeddings import embed_views
from index.evaluation.encoders import open_encoder
from index.evaluation.eth80_shown import FLAT_RGB, SHOWN, ToyPhoto, toy_mask
from index.evaluation.views import ViewTable, view_table
from training.data.images import FileImage
from training.data.readers import open_reader
from training.data.records import ImageRGB
from training.errors import DataError

SIDE = 128
TOY = (slice(40, 90), slice(50, 80))
"""Rows and columns."""

Photographs = Callable[..., ViewTable]


def painted(cloth: int = 160, toy: bool = True) -> ImageRGB:
    """Blue cloth of some brightness with a brown toy that has a blue patch, and a dark corner."""
    image = np.full((SIDE, SIDE, 3), (40, 60, cloth), np.uint8)
    image[:6, :12] = 20  # not blue, but nowhere near the middle
    image[100:103, 60:63] = 200  # a speck
    if toy:
        image[TOY] = (150, 90, 40)
        image[60:70, 60:70] = (40, 60, 160)
    return image


@pytest.fixture
def photographs(tmp_path: Path) -> Photographs:
    """Writes pictures as the level views of ``car1``, ``car2``…, 16 each, and reads them."""

    def write(paint: Callable[[int], ImageRGB], instances: int = 2) -> ViewTable:
        for number in range(1, instances + 1):
            for step in range(16):
                path = tmp_path / f"car{number}-090-{int(step * 22.5):03d}.png"
                cv2.imwrite(str(path), paint(step)[..., ::-1])
        return view_table(open_reader(tmp_path, "eth80").sequences())

    return write


def test_the_mask_is_the_toy_without_its_fringe() -> None:
    expected = np.zeros((SIDE, SIDE), bool)
    expected[41:89, 51:79] = True  # eroded by one pixel, its patch kept
    assert np.array_equal(toy_mask(painted()), expected)
    assert not toy_mask(painted(toy=False)).any()


def test_the_toy_alone_keeps_its_pixels_and_nothing_else(photographs: Photographs) -> None:
    view = SHOWN["toy"](photographs(lambda step: painted(), 1)).views[0]
    image, mask = view.image.load(), toy_mask(painted())
    assert np.array_equal(image[mask], painted()[mask])
    assert (image[~mask] == FLAT_RGB).all()
    assert view.bbox_xyxy.tolist() == [50.5, 40.5, 78.5, 88.5]


def test_trimmed_loses_20_pixels_a_side(photographs: Photographs) -> None:
    table = photographs(lambda step: painted(), 1)
    assert SHOWN["photograph"](table).views[0].bbox_xyxy.tolist() == [-0.5, -0.5, 127.5, 127.5]
    assert SHOWN["trimmed"](table).views[0].bbox_xyxy.tolist() == [19.5, 19.5, 107.5, 107.5]
    small = tuple(replace(view, bbox_xyxy=np.array([0.0, 0.0, 40.0, 64.0])) for view in table.views)
    with pytest.raises(DataError, match="40 × 64 pixels: 20 off each side leave nothing"):
        SHOWN["trimmed"](replace(table, views=small))


def test_a_photograph_without_a_toy_is_left_out_and_told(photographs: Photographs) -> None:
    table = SHOWN["toy"](photographs(lambda step: painted(toy=step != 3), 1))
    embedded = embed_views(open_encoder("baseline:pixels16"), table)
    assert len(embedded) == 15
    (skipped,) = embedded.skipped
    assert "shows no toy" in skipped.reason
    assert skipped.reference.endswith("car1-090-067 (toy alone)")


def test_what_is_no_picture_is_told_as_for_photographs(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"nothing")
    photo = ToyPhoto(FileImage(tmp_path / "broken.png", "broken"))
    with pytest.raises(DataError, match="cannot be decoded"):
        photo.load()


def test_cloth_that_tells_the_azimuth_tells_it_no_more(
    photographs: Photographs, tmp_path: Path
) -> None:
    """All toys look alike from all sides; only the cloth's brightness goes with the azimuth."""
    table = photographs(lambda step: painted(cloth=130 + 7 * step))
    toys = embed_views(open_encoder("baseline:pixels16"), SHOWN["toy"](table)).vectors["pose"]
    assert (toys == toys[0]).all()
    cache = str(tmp_path / "cache")
    error = {
        shown: evaluated(tmp_path, shown, cache)["azimuth_error_mean_deg"]
        for shown in ("photograph", "trimmed", "toy", "photograph")
    }
    assert error["photograph"] == error["trimmed"] == 0.0
    assert error["toy"] > 45.0  # equal embeddings: rounding alone says which view answers


def evaluated(root: Path, shown: str, cache: str) -> dict[str, Any]:
    options = ["--root", str(root), "--encoder", "baseline:pixels16", "--cache", cache]
    result = CliRunner().invoke(
        app, ["eth80", *options, "--shown", shown, "--json"], catch_exceptions=False
    )
    figures: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    assert figures["dataset"]["shown"] == shown
    return figures
