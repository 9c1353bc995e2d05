"""The images of a report: asked for section by section, photographs decoded once, as JPEG."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from index.evaluation.report.folder import IMAGES
from index.evaluation.report.names import plain
from training.data.crop import crop_view
from training.data.images import load_views
from training.data.records import Array, ImageRGB, View
from training.errors import DataError

Region = tuple[int, int, int, int]
"""Whole pixels of an image: x, y, right, bottom; the ends are left out."""

CROP_PX = 128
SCENE_PX = 480
QUALITY = 82


@dataclass(frozen=True)
class Picture:
    """An image of the report: its address from the page, its size in pixels, and its words."""

    file: str
    width: int
    height: int
    alt: str


@dataclass(frozen=True)
class _Wanted:
    """A part of a view's image; without a ``region`` its crop."""

    view: View
    region: Region | None
    file: str


class Pictures:
    """Hands out names at once and makes the files at the end, each video opened once.

    Names are numbers in the order asked: nothing of a dataset's own names reaches a path.
    """

    def __init__(self) -> None:
        self._wanted: dict[tuple[int, Region | None], _Wanted] = {}
        self._charts: list[tuple[str, bytes]] = []

    def crop(self, view: View, alt: str | None = None) -> Picture:
        """The view as encoders see it: a padded square of CROP_PX."""
        words = alt or f"{view.category}, {view.instance}"
        return Picture(self._file(view, None, "crop"), CROP_PX, CROP_PX, plain(words))

    def scene(self, view: View, region: Region, alt: str) -> Picture:
        """A part of the view's image."""
        width, height = _shrunk(region)
        return Picture(self._file(view, region, "scene"), width, height, plain(alt))

    def chart(self, svg: bytes, width: int, height: int, alt: str) -> Picture:
        """A drawing of ``width`` by ``height`` CSS pixels."""
        file = f"{IMAGES}/chart-{len(self._charts) + 1:03d}.svg"
        self._charts.append((file, svg))
        return Picture(file, width, height, plain(alt))

    def _file(self, view: View, region: Region | None, kind: str) -> str:
        key = id(view), region
        if key not in self._wanted:
            name = f"{IMAGES}/{kind}-{len(self._wanted) + 1:04d}.jpg"
            self._wanted[key] = _Wanted(view, region, name)
        return self._wanted[key].file

    def write(self, folder: Path) -> list[str]:
        """Write all files under ``folder``; what could not be decoded is grey, and told."""
        for file, svg in self._charts:
            (folder / file).write_bytes(svg)
        failed: list[str] = []
        waiting: dict[int, list[_Wanted]] = {}
        for wanted in self._wanted.values():
            waiting.setdefault(id(wanted.view), []).append(wanted)
        views = {id(wanted.view): wanted.view for wanted in self._wanted.values()}

        def fail(view: View, error: DataError) -> None:
            failed.append(f"{plain(view.image.reference)}: {plain(error.message)}")
            for wanted in waiting[id(view)]:
                _write(folder / wanted.file, _grey(wanted.region))

        for view, image in load_views(sorted(views.values(), key=_place), on_error=fail):
            for wanted in waiting[id(view)]:
                try:
                    _write(folder / wanted.file, _cut(image, wanted))
                except DataError as error:
                    fail(view, error)
        return failed


def _place(view: View) -> tuple[str, int, str]:
    """By file and frame, so that videos are decoded forwards."""
    return str(getattr(view.image, "path", "")), view.frame, view.image.reference


def _cut(image: ImageRGB, wanted: _Wanted) -> ImageRGB:
    if wanted.region is None:
        return crop_view(image, wanted.view.bbox_xyxy, CROP_PX)
    left, top, right, bottom = wanted.region
    part = image[top:bottom, left:right]
    if not part.size:
        raise DataError(
            f"The image is smaller than the {right} x {bottom} px it should have.",
            "Check that the images belong to the annotations.",
        )
    return np.asarray(
        cv2.resize(part, _shrunk(wanted.region), interpolation=cv2.INTER_AREA), np.uint8
    )


def _shrunk(region: Region) -> tuple[int, int]:
    """(width, height) of the region's picture: its own, or less where a side is too long."""
    width, height = region[2] - region[0], region[3] - region[1]
    scale = min(1.0, SCENE_PX / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _grey(region: Region | None) -> ImageRGB:
    width, height = (CROP_PX, CROP_PX) if region is None else _shrunk(region)
    return np.full((height, width, 3), 128, np.uint8)


def _write(file: Path, image: ImageRGB) -> None:
    done, data = cv2.imencode(
        ".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
    )
    if not done:
        raise OSError(f"{file.name} cannot be encoded")
    file.write_bytes(data.tobytes())


def region_around(points: Array, image_size: tuple[int, int], margin: float = 0.12) -> Region:
    """The part of an image of (width, height) that shows the finite ones of ``points`` (N, 2).

    Grown on each side by ``margin`` of its longer one. The whole image where none is inside.
    """
    width, height = image_size
    known = points[np.isfinite(points).all(axis=1)]
    whole = (0, 0, width, height)
    if not len(known):
        return whole
    low, high = known.min(axis=0), known.max(axis=0)
    grown = margin * float((high - low).max())
    left, top = np.clip(np.floor(low - grown), 0, (width, height)).astype(int).tolist()
    right, bottom = np.clip(np.ceil(high + grown) + 1, 0, (width, height)).astype(int).tolist()
    return (left, top, right, bottom) if right - left >= 8 and bottom - top >= 8 else whole
