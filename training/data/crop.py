"""From a box in an image to the square crop an encoder sees, exact about pixel centres.

The box is grown about its centre by ``margin``, cut with zeros outside the image, its longer
side brought to ``size`` with the aspect kept, and padded to a square with black, centred
(paper: longest side to 224, then padding). Growing and sub-pixel boxes are ours: the released
code truncates box corners to whole pixels.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from training.data.records import Array, ImageRGB
from training.errors import DataError

Indices = NDArray[np.int64]

_EXACT = 1e-6
"""Pixels under which two edges are taken for one: boxes come out of floating-point sums."""


def whole_image(width: int, height: int) -> Array:
    """(4,) the box of a whole image, outer edges: pixel centres lie at integers."""
    return np.array([-0.5, -0.5, width - 0.5, height - 0.5])


def crop_transform(bbox_xyxy: ArrayLike, size: int, margin: float = 1.0) -> tuple[float, Array]:
    """``(scale, offset)`` with ``crop_xy = scale * image_xy + offset``; inverse by division.

    ``bbox_xyxy`` (4,) pixels, centres at integers; ``offset`` (2,) crop pixels. The centre of
    the box falls on ((size - 1) / 2, (size - 1) / 2). Raises DataError for an empty, reversed
    or non-finite box.
    """
    box = np.asarray(bbox_xyxy, dtype=np.float64)
    if box.shape != (4,) or not np.isfinite(box).all():
        raise DataError(
            f"The box {np.round(box, 2).tolist()} is not four finite numbers.",
            "Give [x_min, y_min, x_max, y_max] in pixels.",
        )
    sides = box[2:] - box[:2]
    if (sides <= 0).any():
        raise DataError(
            f"The box {np.round(box, 2).tolist()} is empty: its sides are "
            f"{sides[0]:.2f} x {sides[1]:.2f} px, both must be above 0.",
            "Give [x_min, y_min, x_max, y_max] with x_min < x_max and y_min < y_max.",
        )
    if size < 1 or not 0.0 < margin < math.inf:
        raise DataError(
            f"Crop size {size} with margin {margin} is impossible; both must be above 0.",
            "Use a size of a few dozen pixels or more and a margin of about 1.",
        )
    scale = size / (margin * float(sides.max()))
    return scale, (size - 1) / 2 - scale * (box[:2] + box[2:]) / 2


def crop_view(image: ImageRGB, bbox_xyxy: ArrayLike, size: int, margin: float = 1.0) -> ImageRGB:
    """(size, size, 3) uint8 crop of ``image`` (H, W, 3) uint8 round ``bbox_xyxy``.

    Shrinking averages over areas, enlarging is bilinear; crop pixels that the box or the image
    covers in part are darker by as much. Raises DataError for a box that is empty or lies wholly
    outside the image.
    """
    scale, offset = crop_transform(bbox_xyxy, size, margin)
    box = np.asarray(bbox_xyxy, dtype=np.float64)
    height, width = image.shape[:2]
    half = margin * (box[2:] - box[:2]) / 2
    centre = (box[:2] + box[2:]) / 2
    low = np.maximum(centre - half, -0.5)
    high = np.minimum(centre + half, (width - 0.5, height - 0.5))
    if (high <= low).any():
        raise DataError(
            f"The box {np.round(box, 2).tolist()} does not touch the image of "
            f"{width} x {height} px.",
            "Give a box in the pixels of this very image.",
        )
    # From here on crop pixel i spans [i, i + 1]: edges, not centres.
    low, high = scale * low + offset + 0.5, scale * high + offset + 0.5
    first = np.clip(np.floor(low + _EXACT), 0, size - 1).astype(np.int64)
    last = np.clip(np.ceil(high - _EXACT), first + 1, size).astype(np.int64)
    shrink = 1.0 / scale
    origin = (first - 0.5 - offset) * shrink + 0.5  # image pixel j spans [j, j + 1] likewise
    cut = _average if shrink >= 2.0 else _sample
    inside = cut(image, origin, last - first, shrink)
    crop: ImageRGB = np.zeros((size, size, 3), dtype=np.uint8)
    crop[first[1] : last[1], first[0] : last[0]] = inside
    for axis, view in enumerate((crop.swapaxes(0, 1), crop)):
        for cell in {int(first[axis]), int(last[axis]) - 1}:
            covered = min(high[axis], cell + 1) - max(low[axis], cell)
            if covered < 1.0 - _EXACT:
                view[cell] = np.rint(view[cell] * max(covered, 0.0))
    return crop


def _sample(image: ImageRGB, origin: Array, cells: Indices, shrink: float) -> ImageRGB:
    """(rows, columns, 3) bilinear samples of ``cells`` (2,) squares from ``origin`` (2,).

    One sample at the centre of a square up to a pixel wide, the mean of 2 x 2 for wider ones.
    """
    fine = 1 if shrink <= 1.0 + _EXACT else 2
    step = shrink / fine
    start = origin + step / 2 - 0.5
    columns, rows = (fine * cells).tolist()
    sampled = cv2.warpAffine(
        image,
        np.array([[step, 0.0, start[0]], [0.0, step, start[1]]]),
        (columns, rows),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    if fine > 1:
        sampled = cv2.resize(sampled, cells.tolist(), interpolation=cv2.INTER_AREA)
    return np.asarray(sampled, dtype=np.uint8)


def _average(image: ImageRGB, origin: Array, cells: Indices, shrink: float) -> ImageRGB:
    """(rows, columns, 3) means over ``cells`` (2,) squares of ``shrink`` pixels from ``origin``.

    The image is halved while eight pixels or more make one, then moved by the fraction of a
    pixel that ``origin`` has, then averaged: OpenCV averages over fractional squares, but starts
    at whole pixels only. The image goes on with its border's colour outside.
    """
    extent = np.array([image.shape[1], image.shape[0]])
    if shrink > extent.max():  # the whole image is hardly a pixel
        return np.full((cells[1], cells[0], 3), image.mean(axis=(0, 1)).round(), np.uint8)
    halvings = max(0, int(math.log2(shrink / 4)))
    block = 1 << halvings
    # The nearest pixel, so that little is left to interpolate between blocks.
    start = np.minimum(np.rint(origin).astype(np.int64), extent - 1)
    fraction = (origin - start) / block
    back = fraction < -_EXACT
    start, fraction = start - block * back, fraction + back
    shrink /= block
    # Counted in blocks from `start`; one more than the squares cover, to interpolate with.
    wanted = np.ceil(cells * shrink - _EXACT).astype(np.int64) + 1
    before = np.maximum(-start, 0) // block
    held = np.minimum(-(-(extent - start) // block), wanted)
    low, high = start + before * block, start + held * block
    tile = _extended(image, low, high)
    for _ in range(halvings):
        columns, rows = tile.shape[1] // 2, tile.shape[0] // 2
        tile = np.asarray(cv2.resize(tile, (columns, rows), interpolation=cv2.INTER_AREA), np.uint8)
    tile = _extended(tile, -before, wanted - before)
    right, down = fraction
    tile = _between(tile[:, :-1], tile[:, 1:], right)
    tile = _between(tile[:-1], tile[1:], down)
    small = cv2.resize(tile, None, fx=1 / shrink, fy=1 / shrink, interpolation=cv2.INTER_AREA)
    return np.asarray(small[: cells[1], : cells[0]], dtype=np.uint8)


def _extended(image: ImageRGB, low: Indices, high: Indices) -> ImageRGB:
    """Pixels ``low`` to ``high`` (x, y; ``high`` left out), the border's colour outside."""
    extent = np.array([image.shape[1], image.shape[0]])
    left, top = np.maximum(low, 0)
    right, bottom = np.minimum(high, extent)
    part = image[top:bottom, left:right]
    before, after = np.maximum(-low, 0), np.maximum(high - extent, 0)
    if not before.any() and not after.any():
        return part
    (left, top), (right, bottom) = before.tolist(), after.tolist()
    grown = cv2.copyMakeBorder(part, top, bottom, left, right, cv2.BORDER_REPLICATE)
    return np.asarray(grown, dtype=np.uint8)


def _between(one: ImageRGB, next_one: ImageRGB, share: float) -> ImageRGB:
    """``one`` moved by ``share`` of a pixel towards ``next_one``."""
    if share < 1 / 512:  # under half a grey level
        return one
    return np.asarray(cv2.addWeighted(one, 1 - share, next_one, share, 0), dtype=np.uint8)
