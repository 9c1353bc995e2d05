"""9-DoF boxes as arrays: rotation (..., 3, 3), translation (..., 3), scale (..., 3).

``X_camera = rotation @ (scale * x_unit) + translation``; corners in the order of UNIT_BOX.
"""

from __future__ import annotations

from itertools import product
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from index.geometry.camera import project

Array = NDArray[np.float64]

UNIT_BOX: Final[Array] = np.array([(0.0, 0.0, 0.0), *product((-0.5, 0.5), repeat=3)])
"""(9, 3) centre, then 8 corners x-major: (−−−, −−+, −+−, −++, +−−, …); +y is up.

The same table as training.data.records.UNIT_BOX, which pure geometry does not import.
"""

EDGES: Final = ((1, 5, 2, 6, 3, 7, 4, 8), (1, 3, 5, 7, 2, 4, 6, 8), (1, 2, 3, 4, 5, 6, 7, 8))
"""Vertex pairs of the four edges along x, y and z: (from, to, from, to, …)."""


def box_vertices(rotation: ArrayLike, translation: ArrayLike, scale: ArrayLike) -> Array:
    """(..., 9, 3) centre and corners in the camera frame, in metres, ordered as UNIT_BOX."""
    scaled = UNIT_BOX * np.asarray(scale, dtype=np.float64)[..., None, :]
    turned = scaled @ np.swapaxes(np.asarray(rotation, dtype=np.float64), -1, -2)
    return turned + np.asarray(translation, dtype=np.float64)[..., None, :]


def projected_bbox(K: ArrayLike, vertices: ArrayLike, image_size: ArrayLike | None = None) -> Array:
    """(..., 4) xyxy pixels: the extent of the projected vertices (..., M, 3) of each box.

    ``image_size`` (2,) width, height clips it to the image. NaN where a vertex is at or behind
    the camera, for then the extent is not bounded.
    """
    uv = project(K, vertices)
    bbox = np.concatenate([uv.min(axis=-2), uv.max(axis=-2)], axis=-1)
    return bbox if image_size is None else clip_bbox(bbox, image_size)


def clip_bbox(bbox_xyxy: ArrayLike, image_size: ArrayLike) -> Array:
    """(..., 4) boxes clipped to images of width, height (..., 2), which span [−0.5, W − 0.5].

    A box that lies outside the image collapses onto its border and has a side of 0.
    """
    size = np.asarray(image_size, dtype=np.float64)
    limit = np.concatenate([size, size], axis=-1) - 0.5
    return np.clip(np.asarray(bbox_xyxy, dtype=np.float64), -0.5, limit)


def fit_axes_to_vertices(vertices: ArrayLike) -> tuple[Array, Array]:
    """The parallelepiped nearest in least squares to vertices (..., 9, 3): ``(axes, center)``.

    ``axes`` (..., 3, 3) holds the edge vectors as columns, ``center`` is (..., 3). This is the
    affine fit of Objectron's evaluation; unlike fit_box_to_vertices it keeps shear.
    """
    vertices = np.asarray(vertices, dtype=np.float64)
    # UNIT_BOX is centred and its columns are orthogonal with squared length 8 · 0.25 = 2.
    return np.swapaxes(vertices, -1, -2) @ (UNIT_BOX / 2.0), vertices.mean(axis=-2)


def fit_box_to_vertices(vertices: ArrayLike) -> tuple[Array, Array, Array]:
    """``(rotation, translation, scale)`` of the box through vertices (..., 9, 3) given as UNIT_BOX.

    ``scale`` is the mean length of the four edges along each axis (as Objectron does);
    ``rotation`` the nearest one (det +1) to the directions of the least-squares axes.
    """
    vertices = np.asarray(vertices, dtype=np.float64)
    axes, center = fit_axes_to_vertices(vertices)
    scale = np.stack(
        [
            np.linalg.norm(
                vertices[..., edges[1::2], :] - vertices[..., edges[::2], :], axis=-1
            ).mean(axis=-1)
            for edges in EDGES
        ],
        axis=-1,
    )
    length = np.linalg.norm(axes, axis=-2, keepdims=True)
    U, _, Vt = np.linalg.svd(axes / np.where(length > 0, length, 1.0))
    U[..., :, 2] *= np.sign(np.linalg.det(U @ Vt))[..., None]
    return U @ Vt, center, scale
