"""Exact 3-D intersection over union of oriented boxes, over pairs and over N × M.

Affine maps keep ratios of volumes, so each pair is moved into the frame where the larger box is
the unit cube; rotated boxes and sheared ones (Objectron's affine fits) then are one case.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from index.geometry.clipping import volume_in_unit_cube

Array = NDArray[np.float64]

CHUNK: Final = 256
"""Pairs intersected at a time: the working set stays in the cache whatever N × M is."""

TOUCHING: Final = 1e-12
"""Overlap, as a share of the larger box, below which two boxes only touch."""

FLAT: Final = 1e-12
"""Volume over the product of the edges at or below which a box is flat; 1 for right angles."""


def iou_3d(
    rotation_a: ArrayLike,
    translation_a: ArrayLike,
    scale_a: ArrayLike,
    rotation_b: ArrayLike,
    translation_b: ArrayLike,
    scale_b: ArrayLike,
) -> Array:
    """(N, M) IoU of every box of A (N, 3, 3), (N, 3), (N, 3) with every box of B (M, …).

    A box without volume has IoU 0 with everything. Raises ValueError for a value that is not
    finite.
    """
    return affine_iou_3d(
        _axes(rotation_a, scale_a), translation_a, _axes(rotation_b, scale_b), translation_b
    )


def iou_3d_pairs(
    rotation_a: ArrayLike,
    translation_a: ArrayLike,
    scale_a: ArrayLike,
    rotation_b: ArrayLike,
    translation_b: ArrayLike,
    scale_b: ArrayLike,
) -> Array:
    """(N,) IoU of box i of A with box i of B, as ``iou_3d`` has it on its diagonal."""
    return affine_iou_3d_pairs(
        _axes(rotation_a, scale_a), translation_a, _axes(rotation_b, scale_b), translation_b
    )


def symmetric_iou(
    rotation_a: ArrayLike,
    translation_a: ArrayLike,
    scale_a: ArrayLike,
    rotation_b: ArrayLike,
    translation_b: ArrayLike,
    scale_b: ArrayLike,
    step_degrees: float = 5.0,
) -> Array:
    """(N,) best IoU over turns of box i of A about its own y axis, for objects round about it.

    Turns are the multiples of ``step_degrees`` below 360 (5: released code, cup and bottle).
    Raises ValueError unless 0 < step_degrees <= 360.
    """
    if not 0.0 < step_degrees <= 360.0:
        raise ValueError(f"step_degrees is {step_degrees}; give a value above 0 and up to 360")
    # A half turn about y gives the same set of points, so angles count modulo 180°.
    turns = np.unique(np.round(np.arange(0.0, 360.0, step_degrees) % 180.0, 9))
    cos, sin = np.cos(np.radians(turns)), np.sin(np.radians(turns))
    about_y = np.zeros((len(turns), 3, 3))
    about_y[:, 0, 0], about_y[:, 0, 2] = cos, sin
    about_y[:, 2, 0], about_y[:, 2, 2] = -sin, cos
    about_y[:, 1, 1] = 1.0
    turned = np.asarray(rotation_a, dtype=np.float64)[:, None] @ about_y
    rows = np.repeat(np.arange(len(turned)), len(turns))
    iou = iou_3d_pairs(
        turned.reshape(-1, 3, 3),
        np.asarray(translation_a)[rows],
        np.asarray(scale_a)[rows],
        np.asarray(rotation_b)[rows],
        np.asarray(translation_b)[rows],
        np.asarray(scale_b)[rows],
    )
    return np.asarray(iou.reshape(-1, len(turns)).max(axis=1))


def affine_iou_3d(
    axes_a: ArrayLike, center_a: ArrayLike, axes_b: ArrayLike, center_b: ArrayLike
) -> Array:
    """(N, M) IoU of parallelepipeds: edge vectors as the columns of axes (N, 3, 3), centres (N, 3).

    As ``iou_3d``, for boxes that may be sheared.
    """
    A, a, B, b = _checked(axes_a, center_a, axes_b, center_b)
    iou = np.zeros((len(A), len(B)))
    if not iou.size:
        return iou
    radius_a, radius_b = _radius(A), _radius(B)
    rows = max(1, 2**18 // len(B))
    for start in range(0, len(A), rows):
        part = slice(start, start + rows)
        squared = np.zeros((len(A[part]), len(B)))
        for axis in range(3):
            squared += np.square(a[part, axis, None] - b[None, :, axis])
        near = squared < np.square(radius_a[part, None] + radius_b[None, :])
        i, j = np.nonzero(near)
        i += start
        iou[i, j] = _iou(A, a, B, b, i, j)
    return iou


def affine_iou_3d_pairs(
    axes_a: ArrayLike, center_a: ArrayLike, axes_b: ArrayLike, center_b: ArrayLike
) -> Array:
    """(N,) IoU of parallelepiped i of A with i of B; arrays as for ``affine_iou_3d``."""
    A, a, B, b = _checked(axes_a, center_a, axes_b, center_b)
    if len(A) != len(B):
        raise ValueError(f"{len(A)} boxes cannot be paired with {len(B)}; give as many of each")
    rows = np.arange(len(A))
    return _iou(A, a, B, b, rows, rows)


def _iou(A: Array, a: Array, B: Array, b: Array, i: NDArray[np.intp], j: NDArray[np.intp]) -> Array:
    """IoU of box i[p] of A with j[p] of B, chunk by chunk."""
    out = np.zeros(len(i))
    for start in range(0, len(i), CHUNK):
        part = slice(start, start + CHUNK)
        rows, columns = i[part], j[part]
        out[part] = _iou_chunk(A[rows], a[rows], B[columns], b[columns])
    return out


def _iou_chunk(A: Array, a: Array, B: Array, b: Array) -> Array:
    det_a, det_b = _determinant(A), _determinant(B)
    solid = (np.abs(det_a) > FLAT * _edge_product(A)) & (np.abs(det_b) > FLAT * _edge_product(B))
    # The larger box is the cube: coordinates stay small, and IoU(a, b) is IoU(b, a) to the bit.
    swap = np.abs(det_b) > np.abs(det_a)
    large = np.where(swap[:, None, None], B, A)
    small = np.where(swap[:, None, None], A, B)
    offset = np.where(swap[:, None], a - b, b - a)
    det_large = np.where(solid, np.where(swap, det_b, det_a), 1.0)
    to_cube = _adjugate(large) / det_large[:, None, None]
    axes = to_cube @ small
    center = (to_cube @ offset[:, :, None])[:, :, 0]
    extent = np.abs(axes).sum(axis=2)
    apart = (np.abs(center) >= 0.5 * (1.0 + extent) - TOUCHING).any(axis=1)
    rows = np.nonzero(solid & ~apart)[0]
    axes, center = axes[rows], center[rows]
    shared = volume_in_unit_cube(axes, center)
    small_volume = np.abs(_determinant(axes))
    shared = np.clip(shared, 0.0, np.minimum(small_volume, 1.0))
    iou = np.zeros(len(A))
    iou[rows] = np.where(shared > TOUCHING, shared, 0.0) / (1.0 + small_volume - shared)
    return iou


def _axes(rotation: ArrayLike, scale: ArrayLike) -> Array:
    rotation = np.asarray(rotation, dtype=np.float64)
    return rotation * np.asarray(scale, dtype=np.float64)[..., None, :]


def _checked(
    axes_a: ArrayLike, center_a: ArrayLike, axes_b: ArrayLike, center_b: ArrayLike
) -> tuple[Array, Array, Array, Array]:
    arrays = [np.asarray(x, dtype=np.float64) for x in (axes_a, center_a, axes_b, center_b)]
    for axes, center in (arrays[:2], arrays[2:]):
        if axes.shape[1:] != (3, 3) or center.shape != (len(axes), 3):
            raise ValueError(
                f"boxes come as (N, 3, 3) axes with (N, 3) centres, not {axes.shape} {center.shape}"
            )
        if not (np.isfinite(axes).all() and np.isfinite(center).all()):
            raise ValueError("a box is not finite; drop rows with NaN or infinity first")
    return arrays[0], arrays[1], arrays[2], arrays[3]


def _determinant(M: Array) -> Array:
    return np.asarray(
        M[:, 0, 0] * (M[:, 1, 1] * M[:, 2, 2] - M[:, 1, 2] * M[:, 2, 1])
        - M[:, 0, 1] * (M[:, 1, 0] * M[:, 2, 2] - M[:, 1, 2] * M[:, 2, 0])
        + M[:, 0, 2] * (M[:, 1, 0] * M[:, 2, 1] - M[:, 1, 1] * M[:, 2, 0])
    )


def _edge_product(M: Array) -> Array:
    return np.asarray(np.sqrt(np.square(M).sum(axis=1)).prod(axis=1))


def _adjugate(M: Array) -> Array:
    """M⁻¹ det M: the rows are the cross products of the columns."""
    x, y, z = M[:, :, 0], M[:, :, 1], M[:, :, 2]
    return np.stack([np.cross(y, z), np.cross(z, x), np.cross(x, y)], axis=1)


def _radius(axes: Array) -> Array:
    """(N,) distance from the centre to the farthest corner."""
    signs = np.array([(1, 1, 1), (1, 1, -1), (1, -1, 1), (1, -1, -1)], dtype=np.float64)
    return np.asarray(np.linalg.norm(axes @ (0.5 * signs.T), axis=1).max(axis=1))
