"""Light that reaches the ground: the sun's soft shadow and the dark under things."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from training.data.render.mesh import Array

LIGHTMAP = 384


def sun_on_ground(
    depth: NDArray[np.float32], sun_clip: Array, half: float, softness: float
) -> NDArray[np.float32]:
    """(LIGHTMAP, LIGHTMAP) share of the sun that reaches y = 0, row z and column x in ±``half`` m.

    ``depth`` (S, S) is the sun's own depth buffer in [0, 1]; ``softness`` blurs, in texels.
    """
    line = (np.arange(LIGHTMAP) + 0.5) / LIGHTMAP * 2 * half - half
    x, z = np.meshgrid(line, line)
    points = np.stack([x, np.zeros_like(x), z, np.ones_like(x)], axis=-1) @ sun_clip.T
    column = ((points[..., 0] * 0.5 + 0.5) * depth.shape[1] - 0.5).astype(np.float32)
    row = ((points[..., 1] * 0.5 + 0.5) * depth.shape[0] - 0.5).astype(np.float32)
    nearest = cv2.remap(
        depth, column, row, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=1.0
    )
    hit = (nearest < 1) & (nearest < points[..., 2] * 0.5 + 0.5 - 0.004)
    open_sky = 1 - hit.astype(np.float32)
    return cv2.GaussianBlur(open_sky, (0, 0), softness)


def sky_on_ground(depth_from_below: NDArray[np.float32], reach: float) -> NDArray[np.float32]:
    """(LIGHTMAP, LIGHTMAP) share of the sky's light on the ground around things (ours).

    ``depth_from_below`` (S, S) metres from the ground up to the lowest surface, large where open.
    """
    near = np.exp(-depth_from_below / (0.12 * reach))
    wide = np.exp(-depth_from_below / (0.5 * reach))
    small = cv2.resize(
        np.stack([near, wide], axis=-1), (LIGHTMAP, LIGHTMAP), interpolation=cv2.INTER_AREA
    )
    blurred = 0.5 * cv2.GaussianBlur(small[..., 0], (0, 0), 2.5)
    blurred += 0.4 * cv2.GaussianBlur(small[..., 1], (0, 0), 14)
    return np.clip(1 - blurred, 0.12, 1).astype(np.float32)
