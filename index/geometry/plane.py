"""Ground planes: the rotation that aligns two normals, heights above a plane, rays that meet it.

A plane is a point on it (..., 3) in metres and a normal (..., 3) that points up, out of the ground.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

OPPOSITE_BELOW: Final = 1e-10
"""1 + cos(angle) under which two directions count as opposite: within 1.4e-5 rad of 180°."""

PARALLEL_BELOW: Final = 1e-9
"""|cos| between ray and normal under which the ray counts as parallel to the plane."""

MEETS: Final = 0
PARALLEL: Final = 1
BEHIND: Final = 2


def rotation_between(a: ArrayLike, b: ArrayLike) -> tuple[Array, NDArray[np.bool_]]:
    """The smallest rotation R with R a ∥ b: ``(R (..., 3, 3), opposite (...) bool)``.

    Directions (..., 3) of any length > 0. Parallel directions give the identity. Opposite ones
    have no smallest rotation: ``opposite`` is True and R is the half turn about the axis
    perpendicular to ``a`` and to the coordinate axis ``a`` is least along.
    R = I + [v]× + [v]×² / (1 + c) with v = a × b, c = a · b: the released code's formula, whose
    (1 − c)/|v|² is 0/0 for parallel normals, in the form that has no such hole.
    Raises ValueError for a direction that is zero or not finite.
    """
    a, b = _unit(a), _unit(b)
    a, b = np.broadcast_arrays(a, b)
    # 1 + c = |a + b|² / 2 keeps its digits near opposite directions, where 1 + a · b loses them.
    both = a + b
    one_and_c = 0.5 * np.einsum("...i,...i->...", both, both)
    c = one_and_c - 1.0
    opposite = one_and_c < OPPOSITE_BELOW
    # Adding v vᵀ − |v|² I instead of squaring [v]× keeps this to two outer products.
    v = _cross(a, b)
    k = 1.0 / np.where(opposite, 1.0, one_and_c)
    R = v[..., :, None] * v[..., None, :] * k[..., None, None]
    x, y, z = v[..., 0], v[..., 1], v[..., 2]
    # I + [v]×² k has (1 − |v|² k) = c on its diagonal, besides v vᵀ k.
    for i in range(3):
        R[..., i, i] += c
    R[..., 0, 1] -= z
    R[..., 1, 0] += z
    R[..., 0, 2] += y
    R[..., 2, 0] -= y
    R[..., 1, 2] -= x
    R[..., 2, 1] += x
    if opposite.any():
        R[opposite] = _half_turn(a[opposite])
    return R, opposite


def signed_distance(points: ArrayLike, center: ArrayLike, normal: ArrayLike) -> Array:
    """Height (...) in metres of points (..., 3) above the plane; positive on the normal's side."""
    offset = np.asarray(points, dtype=np.float64) - np.asarray(center, dtype=np.float64)
    return np.asarray(np.einsum("...i,...i->...", offset, _unit(normal)))


def intersect_rays(
    directions: ArrayLike, center: ArrayLike, normal: ArrayLike
) -> tuple[Array, NDArray[np.int8]]:
    """Where rays from the camera (the origin) meet planes: ``(points (..., 3), status (...))``.

    ``status`` is MEETS, PARALLEL (the ray never meets the plane) or BEHIND (it does so at or
    behind the camera); the points of the last two are zeros.
    """
    directions = np.asarray(directions, dtype=np.float64)
    n = _unit(normal)
    against = np.einsum("...i,...i->...", directions, n)
    offset = np.einsum("...i,...i->...", np.asarray(center, dtype=np.float64), n)
    length = np.sqrt(np.einsum("...i,...i->...", directions, directions))
    parallel = np.abs(against) < PARALLEL_BELOW * length
    t = offset / np.where(parallel, 1.0, against)
    status = np.where(parallel, PARALLEL, np.where(t <= 0.0, BEHIND, MEETS)).astype(np.int8)
    return np.where(status == MEETS, t, 0.0)[..., None] * directions, status


def _unit(vectors: ArrayLike) -> Array:
    vectors = np.asarray(vectors, dtype=np.float64)
    length = np.sqrt(np.einsum("...i,...i->...", vectors, vectors))
    if not (np.isfinite(length) & (length > 0)).all():
        raise ValueError("a direction is zero or not finite; give vectors of a length above 0")
    return vectors / length[..., None]


def _cross(a: Array, b: Array) -> Array:
    v = np.empty_like(a)
    v[..., 0] = a[..., 1] * b[..., 2] - a[..., 2] * b[..., 1]
    v[..., 1] = a[..., 2] * b[..., 0] - a[..., 0] * b[..., 2]
    v[..., 2] = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    return v


def _half_turn(a: Array) -> Array:
    least = np.eye(3)[np.abs(a).argmin(axis=-1)]
    axis = _unit(_cross(a, least))
    return 2.0 * axis[..., :, None] * axis[..., None, :] - np.eye(3)
