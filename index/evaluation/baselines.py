"""Untrained embeddings that every trained encoder should beat; they also validate the protocols.

- ``pixels16``: the crop shrunk to 16×16 RGB values.
- ``squeezenet-pooled``: the mean of SqueezeNet's last ImageNet feature map, 512 numbers; knows
  identity and little pose.
- ``squeezenet-grid3``: the same map averaged over a 3×3 grid, 4,608 numbers; knows pose better.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from index.evaluation.squeezenet import INPUT_SIZE, SqueezeNet
from training.errors import DataError, EncoderError

PIXELS_SIDE = 16
GRID_SIDE = 3
SQUEEZENET_FILE = Path("weights_squeezenet") / "squeezenet_v1_0_imagenet_float32.npz"
BATCH = 32
HEAD = "pose"


class Baseline:
    """An embedding without training; one head answers every question."""

    def __init__(self, name: str, side: int, dim: int) -> None:
        self.identity = f"baseline:{name}"
        self.heads: Mapping[str, int] = {HEAD: dim}
        self._side = side

    def crop(self, image: NDArray[np.uint8], bbox_xyxy: NDArray[np.float64]) -> NDArray[np.uint8]:
        """The square around the box, zero outside the image, resized bilinearly.

        Bilinear without smoothing, as the published baseline figures were made; encoders of this
        project use ``training.data.crop`` instead. Raises DataError for a box without pixels.
        """
        resized = cv2.resize(
            _square_window(image, bbox_xyxy),
            (self._side, self._side),
            interpolation=cv2.INTER_LINEAR,
        )
        return np.asarray(resized, dtype=np.uint8)

    def encode(self, crops: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """(N, S, S, 3) uint8 RGB crops to {head: (N, dim) float32, L2-normalised}."""
        features = self._features(crops)
        norms = np.linalg.norm(features, axis=1, keepdims=True)
        return {HEAD: features / np.maximum(norms, np.finfo(np.float32).tiny)}

    def resolve_head(self, wanted: str) -> tuple[str, str | None]:
        """The one head there is, with a note unless it was asked for by name."""
        if wanted == HEAD:
            return HEAD, None
        return HEAD, f"a baseline has one embedding: it stands in for the head '{wanted}'"

    def _features(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        raise NotImplementedError


class Pixels(Baseline):
    """Raw pixels of the shrunken crop."""

    def __init__(self) -> None:
        super().__init__("pixels16", PIXELS_SIDE, PIXELS_SIDE**2 * 3)

    def _features(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        return crops.reshape(len(crops), -1).astype(np.float32)


class SqueezeNetGrid(Baseline):
    """SqueezeNet's fire9 averaged over a ``cells`` × ``cells`` grid; 1 is the plain mean."""

    def __init__(self, name: str, weights_file: Path, cells: int) -> None:
        super().__init__(name, INPUT_SIZE, 512 * cells**2)
        self._network = SqueezeNet(weights_file)
        self._cells = cells

    def _features(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        batches = [
            grid_means(self._network.feature_maps(crops[start : start + BATCH]), self._cells)
            for start in range(0, len(crops), BATCH)
        ]
        return np.concatenate(batches) if batches else np.empty((0, self.heads[HEAD]), np.float32)


BASELINES = ("pixels16", "squeezenet-pooled", "squeezenet-grid3")


def open_baseline(name: str, data_root: Path | None) -> Baseline:
    """The baseline called ``name``; ``data_root`` holds ``weights_squeezenet/``.

    Raises EncoderError where the name is unknown, or torch or the weights are missing.
    """
    if name == "pixels16":
        return Pixels()
    if name in BASELINES:
        if data_root is None:
            raise EncoderError(
                f"baseline:{name} needs ImageNet weights and no data folder is known.",
                "Set POSEBANK_DATA to the folder that holds weights_squeezenet/.",
            )
        cells = GRID_SIDE if name == "squeezenet-grid3" else 1
        return SqueezeNetGrid(name, data_root / SQUEEZENET_FILE, cells)
    raise EncoderError(f"There is no baseline '{name}'.", f"Choose one of {', '.join(BASELINES)}.")


def grid_means(maps: NDArray[np.float32], cells: int) -> NDArray[np.float32]:
    """(N, C, H, W) to (N, C * cells²): means of cells from floor(iH/n) to ceil((i+1)H/n)."""
    height, width = maps.shape[2:]
    means = [
        maps[
            :,
            :,
            row * height // cells : -(-(row + 1) * height // cells),
            column * width // cells : -(-(column + 1) * width // cells),
        ].mean(axis=(2, 3))
        for row in range(cells)
        for column in range(cells)
    ]
    return np.stack(means, axis=2).reshape(len(maps), -1)


def _square_window(image: NDArray[np.uint8], bbox_xyxy: NDArray[np.float64]) -> NDArray[np.uint8]:
    """The square of whole pixels around the box's centre with its longer side."""
    x0, y0, x1, y1 = (int(np.floor(edge + 0.5)) for edge in bbox_xyxy)
    side = max(x1 - x0, y1 - y0, 1)
    left, top = (x0 + x1 - side) // 2, (y0 + y1 - side) // 2
    height, width = image.shape[:2]
    window = np.zeros((side, side, 3), np.uint8)
    # Ends below 0 would count from the far edge of the image.
    bottom, right = max(min(top + side, height), 0), max(min(left + side, width), 0)
    inside = image[max(top, 0) : bottom, max(left, 0) : right]
    if inside.size == 0:
        raise DataError(
            f"The box {bbox_xyxy.tolist()} lies outside the image of {width} × {height} pixels.",
            "Correct the annotation.",
        )
    row, column = max(-top, 0), max(-left, 0)
    window[row : row + inside.shape[0], column : column + inside.shape[1]] = inside
    return window
