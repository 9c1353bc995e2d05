"""What a phone's lens and sensor add: motion blur and noise."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from training.data.records import ImageRGB


class Film:
    """Turns clean frames into filmed ones; seeded, one a sequence.

    ``size`` is (width, height); ``grain`` scales the noise, which costs most of a video's bytes.
    """

    def __init__(self, rng: np.random.Generator, size: tuple[int, int], grain: float = 1.0) -> None:
        width, height = size
        self._rng = rng
        self._shutter = rng.uniform(0.15, 0.5)
        shape = (height + 64, width + 64)
        noise = rng.normal(0, rng.uniform(0.6, 2.0), (*shape, 1)) + rng.normal(0, 0.4, (*shape, 3))
        self._noise: NDArray[np.int16] = np.round(grain * noise).astype(np.int16)

    def expose(self, image: ImageRGB, motion: NDArray[np.float64]) -> ImageRGB:
        """The frame (H, W, 3) after ``motion`` (2,) pixels since the frame before."""
        blurred = image
        length = float(np.hypot(*motion)) * self._shutter
        if length > 0.8:
            blurred = cv2.filter2D(image, -1, _streak(motion, length)).astype(np.uint8, copy=False)
        y, x = self._rng.integers(0, 64, 2)
        h, w = image.shape[:2]
        noisy = cv2.add(blurred, self._noise[y : y + h, x : x + w], dtype=cv2.CV_8U)
        return noisy.astype(np.uint8, copy=False)


def _streak(motion: NDArray[np.float64], length: float) -> NDArray[np.float32]:
    half = int(np.ceil(length / 2))
    kernel = np.zeros((2 * half + 1, 2 * half + 1), dtype=np.float32)
    direction = motion / np.hypot(*motion)
    for t in np.linspace(-length / 2, length / 2, 4 * half + 3):
        x, y = t * direction + half
        kernel[round(y), round(x)] += 1
    return kernel / kernel.sum()
