"""Light that reaches the ground: the sun's soft shadow and the dark under things."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from training.data.render.mesh import Array

LIGHTMAP = 640


def sun_on_ground(
    depth: NDArray[np.float32], sun_clip: Array, half: float, softness: float
) -> NDArray[np.float32]:
    """(LIGHTMAP, LIGHTMAP) share of the sun that reaches y = 0, row z and column x in ±``half`` m.

    ``depth`` (S, S) is the sun's own depth buffer in [0, 1]; ``softness`` blurs, in metres.
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
    soft = cv2.GaussianBlur(open_sky, (0, 0), softness / (2 * half) * LIGHTMAP)
    return soft.astype(np.float32, copy=False)


def sky_on_ground(height: NDArray[np.float32], half: float, reach: float) -> NDArray[np.float32]:
    """(LIGHTMAP, LIGHTMAP) share of the sky's light on the ground around things (ours).

    ``height`` (S, S) metres from the ground up to the lowest surface, large where open; it spans
    ±``half`` metres. ``reach`` is half the diagonal of the object.
    """
    texel = 2 * half / LIGHTMAP
    near = np.exp(-height / (0.1 * reach)).astype(np.float32)
    wide = np.exp(-height / (0.6 * reach)).astype(np.float32)
    near, wide = (cv2.resize(cover, (LIGHTMAP, LIGHTMAP)) for cover in (near, wide))
    dark = 0.75 * cv2.GaussianBlur(near, (0, 0), max(0.1 * reach / texel, 0.7))
    dark += 0.5 * cv2.GaussianBlur(wide, (0, 0), max(0.4 * reach / texel, 0.7))
    return np.clip(1 - dark, 0.08, 1).astype(np.float32)
