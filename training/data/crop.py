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
from numpy.typing import ArrayLike

from training.data.records import Array, ImageRGB
from training.errors import DataError

_FINEST = 64  # supersampling beyond this many samples a pixel side changes nothing visible


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

    Shrinking averages over areas, enlarging is bilinear. Raises DataError for a box that is
    empty or lies wholly outside the image.
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
    # A grid `fine` times finer than the crop is at least as fine as the image: sampling it
    # bilinearly loses nothing, and whole blocks of it then average to exact areas.
    fine = min(max(math.ceil(1.0 / scale - 1e-9), 1), _FINEST)
    first = _first_inside(low, scale, offset, fine)
    last = _first_inside(high, scale, offset, fine)
    block_low = np.clip(first // fine, 0, size)
    block_high = np.clip(-(-last // fine), 0, size)
    crop: ImageRGB = np.zeros((size, size, 3), dtype=np.uint8)
    if (last <= first).any() or (block_high <= block_low).any():
        return crop  # thinner than one sample of the grid
    grid_low = block_low * fine
    columns, rows = (block_high - block_low) * fine
    grid = np.zeros((rows, columns, 3), dtype=np.uint8)
    inside = first - grid_low
    count = np.minimum(last, block_high * fine) - first
    # image_xy of sample g: ((g + 0.5) / fine - 0.5 - offset) / scale
    step = 1.0 / (fine * scale)
    start = ((first + 0.5) / fine - 0.5 - offset) / scale
    sampled = cv2.warpAffine(
        image,
        np.array([[step, 0.0, start[0]], [0.0, step, start[1]]]),
        (int(count[0]), int(count[1])),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    grid[inside[1] : inside[1] + count[1], inside[0] : inside[0] + count[0]] = sampled
    x, y = block_low
    shape = (int(columns // fine), int(rows // fine))
    crop[y : y + shape[1], x : x + shape[0]] = (
        grid if fine == 1 else cv2.resize(grid, shape, interpolation=cv2.INTER_AREA)
    )
    return crop


def _first_inside(edge: Array, scale: float, offset: Array, fine: int) -> np.ndarray:
    """(2,) index of the first grid sample whose centre lies at or right of ``edge`` (2,)."""
    grid = (scale * edge + offset + 0.5) * fine - 0.5
    return np.ceil(grid - 1e-6).astype(np.int64)
