"""What of an ETH-80 photograph an encoder is shown: all of it, less its edges, or the toy alone.

The toys stand before blue cloth whose folds, shadows and horizon move with the camera, the same for
every toy: an encoder can read the azimuth off the cloth. The toy alone speaks of the toy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from index.evaluation.views import ViewTable
from training.data.images import FileImage
from training.data.records import Array, ImageRGB, View
from training.errors import DataError

TRIM_PX: Final = 20
"""Cut off each side of the 256-pixel photographs, as for the baselines that others published."""

FLAT_RGB: Final = (93, 105, 167)
"""Stands for the cloth: the mean colour of the photographs of 30 toys (ours)."""

CENTRAL: Final = 0.35
"""A toy's parts have their centres this near the middle, in heights of the photograph (ours)."""

LEAST_PART_PX: Final = 60
"""Smaller parts are specks in the cloth (ours)."""


def photographs(table: ViewTable) -> ViewTable:
    """The photographs as they are."""
    return table


def trimmed(table: ViewTable) -> ViewTable:
    """The photographs less ``TRIM_PX`` a side. Raises DataError where nothing is left of one."""
    return replace(table, views=tuple(map(_trimmed, table.views)))


def toys_alone(table: ViewTable) -> ViewTable:
    """Each toy cut out by its colour, cropped tightly, before one flat colour.

    Where no toy can be told from the cloth, the view's image raises DataError when it is loaded.
    """
    return replace(table, views=tuple(map(_toy_alone, table.views)))


SHOWN: Final[dict[str, Callable[[ViewTable], ViewTable]]] = {
    "photograph": photographs,
    "trimmed": trimmed,
    "toy": toys_alone,
}


@dataclass(frozen=True, slots=True)
class ToyPhoto:
    """A photograph in which everything but the toy has the colour ``FLAT_RGB``."""

    photo: FileImage

    @property
    def path(self) -> Path:
        """The file of the photograph."""
        return self.photo.path

    @property
    def reference(self) -> str:
        """The photograph's, told apart from the photograph itself."""
        return f"{self.photo.reference} (toy alone)"

    def load(self) -> ImageRGB:
        """(H, W, 3) uint8 RGB. Raises DataError where it cannot be decoded or shows no toy."""
        image = self.photo.load()
        flat = np.array(FLAT_RGB, np.uint8)
        return np.where(self._mask(image)[..., None], image, flat)

    def bbox_xyxy(self) -> Array:
        """(4,) the tight box of the toy, outer edges. Raises DataError as ``load`` does."""
        y, x = np.nonzero(self._mask(self.photo.load()))
        return np.array([x.min() - 0.5, y.min() - 0.5, x.max() + 0.5, y.max() + 0.5])

    def _mask(self, image: ImageRGB) -> NDArray[np.bool_]:
        mask = toy_mask(image)
        if not mask.any():
            raise DataError(
                f"{self.photo.path} shows no toy that stands out from blue cloth.",
                "Ask for --shown photograph, or point --root at a folder of ETH-80.",
            )
        return mask


def toy_mask(image: ImageRGB) -> NDArray[np.bool_]:
    """(H, W) bool: the central parts of what is not blue cloth, holes filled, fringe removed."""
    red, green, blue = (image[..., channel].astype(np.int16) for channel in range(3))
    cloth = (blue > red + 25) & (blue > green + 15)
    mask = cv2.morphologyEx((~cloth).astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, labels, stats, centres = cv2.connectedComponentsWithStats(mask)
    middle = np.array(mask.shape[::-1]) / 2
    near = np.linalg.norm(centres - middle, axis=1) < CENTRAL * mask.shape[0]
    kept = [
        part
        for part in range(1, count)
        if near[part] and stats[part, cv2.CC_STAT_AREA] >= LEAST_PART_PX
    ]
    toy = np.isin(labels, kept).astype(np.uint8)
    outlines, _ = cv2.findContours(toy, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(toy, outlines, -1, 1, cv2.FILLED)
    return cv2.erode(toy, np.ones((3, 3), np.uint8)) > 0


def _trimmed(view: View) -> View:
    box = view.bbox_xyxy + np.array([TRIM_PX, TRIM_PX, -TRIM_PX, -TRIM_PX])
    if (box[2:] <= box[:2]).any():
        width, height = view.bbox_xyxy[2:] - view.bbox_xyxy[:2]
        raise DataError(
            f"{view.image.reference} has {width:.0f} × {height:.0f} pixels: {TRIM_PX} off each "
            "side leave nothing.",
            "Ask for --shown photograph; ETH-80's photographs have 256 × 256 pixels.",
        )
    return replace(view, bbox_xyxy=box)


def _toy_alone(view: View) -> View:
    assert isinstance(view.image, FileImage)  # as the reader of ETH-80 gives them
    toy = ToyPhoto(view.image)
    try:
        return replace(view, image=toy, bbox_xyxy=toy.bbox_xyxy())
    except DataError:  # `load` says it again, to those who count what was left out
        return replace(view, image=toy)
