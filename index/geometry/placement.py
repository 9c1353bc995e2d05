"""Where along a ray, and how large, a box shows the size of its crop: the loops of the fit.

A box hangs on the ray through its centre: corner = factor · shape + depth · ray. Under K both
terms are linear, so they are projected once and each round of a loop is arithmetic on two arrays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

NEAREST_M: Final = 1e-6
"""Depth in metres below which a point counts as at the camera."""

SMALLEST_SIDE_PX: Final = 1e-6
"""Side of a 2-D box in pixels below which it has no area."""


@dataclass(frozen=True, slots=True, eq=False)
class HangingBoxes:
    """N boxes on their rays, already multiplied by K: ``shape`` (3, 8, N), ``ray`` (3, 1, N).

    ``limit`` (2, N) is the last pixel border of the image, or None for a box not to be clipped.
    """

    shape: Array
    ray: Array
    limit: Array | None

    @classmethod
    def of(cls, corners: Array, ray: Array, K: Array, image_size: Array | None) -> HangingBoxes:
        """From corners (N, 8, 3) about the centre, rays (N, 3), K (N, 3, 3), image sizes (N, 2)."""
        Kt = np.swapaxes(K, -1, -2)
        shape = np.ascontiguousarray((corners @ Kt).transpose(2, 1, 0))
        limit = None if image_size is None else image_size.T - 0.5
        return cls(shape, np.ascontiguousarray((ray[:, None] @ Kt).transpose(2, 1, 0)), limit)

    def take(self, rows: NDArray[np.intp] | slice) -> HangingBoxes:
        """These boxes alone."""
        limit = None if self.limit is None else self.limit[:, rows]
        return HangingBoxes(self.shape[:, :, rows], self.ray[:, :, rows], limit)

    def diagonal(self, factor: Array, depth: Array) -> tuple[Array, NDArray[np.bool_]]:
        """``(diagonal (N,) in pixels, in_front (N,))`` of the 2-D extent of the corners.

        The extent is clipped to the image; the diagonal is 0 where nothing of it is left and
        where a corner is not in front of the camera.
        """
        corners = factor * self.shape + depth * self.ray
        z = corners[2]
        in_front = z.min(axis=0) > NEAREST_M
        uv = corners[:2] / np.where(in_front, z, 1.0)
        low, high = uv.min(axis=1), uv.max(axis=1)
        if self.limit is not None:
            low = np.minimum(np.maximum(low, -0.5), self.limit)
            high = np.minimum(np.maximum(high, -0.5), self.limit)
        width, height = high - low
        seen = in_front & (width > SMALLEST_SIDE_PX) & (height > SMALLEST_SIDE_PX)
        return np.where(seen, np.hypot(width, height), 0.0), in_front


def scale_and_snap(
    boxes: HangingBoxes,
    target_diagonal: Array,
    plane_offset: Array,
    ray_up: Array,
    height: Array,
    steps: int,
) -> tuple[Array, Array]:
    """``(factor (N,), depth (N,))`` after ``steps`` rounds of scale, then snap to the plane.

    The centre is where the ray meets the plane raised by the centre's height above it:
    depth = (plane_offset + factor · height) / ray_up, with plane_offset = c·n and ray_up = l·n.
    A round scales by s = 1 + (diagonal(query) / diagonal(box) − 1) / 2: half the step to equal
    diagonals (released code, get_smooth_scale_factor with alpha 2). A box that falls behind the
    camera or out of the image keeps its last size; the caller sees it by ``diagonal``.
    """
    factor = np.ones_like(height)
    depth = (plane_offset + height) / ray_up
    for _ in range(steps):
        diagonal, _ = boxes.diagonal(factor, depth)
        ratio = np.divide(target_diagonal, diagonal, out=np.ones_like(factor), where=diagonal > 0.0)
        factor = factor * (1.0 + (ratio - 1.0) / 2.0)
        depth = (plane_offset + factor * height) / ray_up
    return factor, depth


def move_to_size(boxes: HangingBoxes, target_diagonal: Array, depth: Array, steps: int) -> Array:
    """(N,) depth at which the box, its size kept, shows the diagonal of the query's crop. Ours.

    ``depth`` is the first guess. Diagonal and depth are nearly inverse, so each round multiplies
    depth by diagonal(box) / diagonal(query).
    """
    factor = np.ones_like(depth)
    for _ in range(steps):
        diagonal, _ = boxes.diagonal(factor, depth)
        depth = np.where(diagonal > 0.0, depth * diagonal / target_diagonal, depth)
    return depth
