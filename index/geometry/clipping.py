"""The volume that many parallelepipeds share with the unit cube, by clipping their faces.

By the divergence theorem on the field (clamp(x, 0, 1), 0, 0), whose divergence is 1 inside the
slab 0 < x < 1 and 0 outside, the shared volume is

    V = Σ over the faces of B  ∫∫ clamp(x, 0, 1) dy dz   over the part with 0 ≤ y, z ≤ 1

(the caps that close B at y or z = 0 or 1 have no x in their normal). Only B's faces are clipped,
the cube's never: there is no second test that could disagree about a face both boxes share, and V
is continuous through every coincidence of faces, edges and corners.
"""

from __future__ import annotations

from itertools import product
from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

GROWTH: Final = 1e-13
"""How much the cube is grown before clipping, so that rounding cannot put the vertices of a shared
face now inside, now outside; the volume is too large by about as much."""

CORNERS: Final[Array] = np.array(list(product((-0.5, 0.5), repeat=3)))

FACES: Final = np.array(
    [(4, 6, 7, 5), (0, 1, 3, 2), (2, 3, 7, 6), (0, 4, 5, 1), (1, 5, 7, 3), (0, 2, 6, 4)]
)
"""(6, 4) corners of the faces +x −x +y −y +z −z, anticlockwise seen from outside."""

X, Y, Z = 0, 1, 2


def volume_in_unit_cube(axes: Array, center: Array) -> Array:
    """(P,) volume of each parallelepiped inside the cube [−0.5, 0.5]³.

    ``axes`` (P, 3, 3) holds the edge vectors as columns, ``center`` is (P, 3). Ours.
    """
    count = len(axes)
    axes, center = _left_of_the_cube(axes, center)
    corners = np.ascontiguousarray((CORNERS @ axes.transpose(0, 2, 1)).transpose(2, 1, 0))
    corners += (center.T + 0.5)[:, None, :]
    start = corners[:, FACES.T, :].reshape(3, 4, 6 * count)
    low, high = start.min(axis=1), start.max(axis=1)
    # Faces left of, above, … the cube hold no part of the integral.
    counts = (high > 0.0).all(axis=0) & (low[Y] < 1.0) & (low[Z] < 1.0)
    kept = np.nonzero(counts)[0]
    start = start[:, :, kept]
    polygons = start, np.roll(start, -1, axis=1)
    for axis, side in ((Y, 1), (Y, -1), (Z, 1), (Z, -1)):
        polygons = _clip(*polygons, axis, side)
    # ∫ clamp(x, 0, 1) = ∫ of x where x > 0, less ∫ of x − 1 where x > 1.
    polygons = _clip(*polygons, X, 1)
    flux = _integral_of_x(*polygons, 0.0)
    beyond = np.nonzero(high[X, kept] > 1.0)[0]
    rest = _clip(polygons[0][:, :, beyond], polygons[1][:, :, beyond], X, -1, keep_beyond=True)
    flux[beyond] -= _integral_of_x(*rest, 1.0)
    return np.abs(np.bincount(kept % max(count, 1), weights=flux, minlength=count))


def _left_of_the_cube(axes: Array, center: Array) -> tuple[Array, Array]:
    """The same volumes with coordinates renamed and mirrored so that centres lie far out on −x.

    There the most faces lie left of the cube, where they need no clipping.
    """
    rows = np.arange(len(axes))
    order = np.tile([X, Y, Z], (len(axes), 1))
    farthest = np.abs(center).argmax(axis=1)
    order[rows, farthest], order[:, X] = X, farthest
    axes, center = axes[rows[:, None], order], center[rows[:, None], order]
    mirrored = center[:, X] > 0.0
    axes[mirrored, X] *= -1.0
    center[mirrored, X] *= -1.0
    return axes, center


def _clip(
    p: Array, q: Array, axis: int, side: int, keep_beyond: bool = False
) -> tuple[Array, Array]:
    """Convex polygons cut off at a face of the cube: one more edge each.

    A polygon is a set of directed edges p → q, each (3, n, K): coordinate, edge, polygon. Edges
    that fall away shrink to a point, and the edge along the cut comes last, so that no polygon
    needs its vertices in order or counted. ``side`` 1 keeps coordinate ≥ 0, −1 keeps ≤ 1;
    ``keep_beyond`` keeps what side −1 would cut off.
    """
    n, count = p.shape[1:]
    if side > 0:
        dp, dq = p[axis] + GROWTH, q[axis] + GROWTH
    elif keep_beyond:
        dp, dq = p[axis] - 1.0, q[axis] - 1.0
    else:
        dp, dq = (1.0 + GROWTH) - p[axis], (1.0 + GROWTH) - q[axis]
    p_in, q_in = dp >= 0.0, dq >= 0.0
    cut = np.nonzero(~p_in.all(axis=0))[0]

    def crossing(edges: NDArray[np.bool_]) -> tuple[Array, NDArray[np.intp]]:
        """Where the one marked edge of each cut polygon meets the cut, and which edge it is.

        Of a polygon wholly outside: any of its corners.
        """
        index = edges.argmax(axis=0)
        d0, d1 = dp[index, cut], dq[index, cut]
        crosses = edges[index, np.arange(len(cut))]
        w = np.where(crosses, d0, 0.0) / np.where(crosses, d0 - d1, 1.0)
        a, b = p[:, index, cut], q[:, index, cut]
        return a + w * (b - a), index

    p_cut, q_cut = p_in[:, cut], q_in[:, cut]
    leaves, enters = np.zeros((2, 3, count))
    leaves[:, cut], _ = crossing(p_cut & ~q_cut)
    enters[:, cut], first_in = crossing(q_cut & ~p_cut)
    new_p, new_q = np.empty((3, n + 1, count)), np.empty((3, n + 1, count))
    new_p[:, :n] = np.where(p_in, p, leaves[:, None])
    new_p[:, first_in, cut] = enters[:, cut]
    new_q[:, :n] = np.where(q_in, q, leaves[:, None])
    # A polygon that was not cut gets an edge of no length.
    new_p[:, n], new_q[:, n] = leaves, enters
    return new_p, new_q


def _integral_of_x(p: Array, q: Array, origin: float) -> Array:
    """(K,) ∫∫ (x − origin) dy dz over each polygon, positive where it faces +x."""
    apex = p[:, 0]
    y, z = apex[Y], apex[Z]
    twice_area = (p[Y] - y) * (q[Z] - z) - (q[Y] - y) * (p[Z] - z)
    x_sum = p[X] + q[X] + (apex[X] - 3.0 * origin)
    return np.asarray(np.einsum("nk,nk->k", twice_area, x_sum) / 6.0)
