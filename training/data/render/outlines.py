"""Flat outlines and the solids pulled from them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from training.data.render.mesh import Array, Mesh, merge, surface


def rounded_rectangle(width: float, depth: float, radius: float, steps: int = 4) -> Array:
    """(4 (steps + 1), 2) outline about the origin; ``radius`` is cut to half the short side."""
    radius = min(radius, 0.499 * width, 0.499 * depth)
    angle = np.linspace(0, np.pi / 2, steps + 1)
    corner = radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    a, b = width / 2 - radius, depth / 2 - radius
    turned = (corner, corner @ [[0, 1], [-1, 0]], -corner, corner @ [[0, -1], [1, 0]])
    centres = ((a, b), (-a, b), (-a, -b), (a, -b))
    return np.concatenate([arc + at for arc, at in zip(turned, centres, strict=True)])


def smooth(values: ArrayLike, count: int) -> Array:
    """(count, D) points on a Catmull-Rom curve through the given points (P, D)."""
    points = np.asarray(values, dtype=np.float64)
    ends = 2 * points[[0, -1]] - points[[1, -2]]
    p = np.concatenate([ends[:1], points, ends[1:]])
    t = np.linspace(0, len(points) - 1, count)
    i = np.minimum(t.astype(int), len(points) - 2)
    f = (t - i)[:, None]
    a, b, c, d = p[i], p[i + 1], p[i + 2], p[i + 3]
    return 0.5 * (
        2 * b + (c - a) * f + (2 * a - 5 * b + 4 * c - d) * f**2 + (3 * b - a - 3 * c + d) * f**3
    )


def cap(ring: Array) -> Mesh:
    """A flat fan over a closed ring (K, 3) that is star-shaped about its mean, seen along y."""
    centre = np.repeat(ring.mean(axis=0)[None], len(ring), axis=0)
    low, high = ring.min(axis=0), ring.max(axis=0)
    span = np.maximum(high - low, 1e-9)
    grid = np.stack([centre, ring])
    return surface(grid, ((grid - low) / span)[..., [0, 2]])


def slab(outline: ArrayLike, height: float, bevel: float = 0.0) -> Mesh:
    """An outline (K, 2) in (x, z), star-shaped about its mean, pulled up from y = 0.

    ``bevel`` rounds the edges by that many metres. Top and bottom carry the texture seen from
    above with +z down the image.
    """
    flat = np.asarray(outline, dtype=np.float64)
    flat = np.concatenate([flat, flat[:1]])
    centre = flat[:-1].mean(axis=0)
    reach = np.abs(flat - centre).max(axis=0)

    def ring(inset: float, y: float) -> Array:
        shrunk = centre + (flat - centre) * (1 - inset / reach)
        return np.stack([shrunk[:, 0], np.full(len(flat), y), shrunk[:, 1]], axis=1)

    bevel = min(bevel, 0.49 * height, 0.9 * float(reach.min()))
    if bevel <= 0:
        rings = [ring(0, height), ring(0, 0)]
    else:
        turn = np.linspace(0, np.pi / 2, 4)
        rings = [ring(bevel * (1 - np.sin(a)), height - bevel * (1 - np.cos(a))) for a in turn]
        rings += [ring(bevel * (1 - np.cos(a)), bevel * (1 - np.sin(a))) for a in turn]
    return merge([surface(np.stack(rings), closed=True), cap(rings[0]), cap(rings[-1])])


def cushion(width: float, height: float, depth: float, radius: float, bevel: float) -> Mesh:
    """A rounded slab about the origin: pads, seats, bodies of devices."""
    return slab(rounded_rectangle(width, depth, radius), height, bevel).moved(y=-height / 2)
