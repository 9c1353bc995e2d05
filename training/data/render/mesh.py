"""Triangle meshes and the primitives every shape is built from.

Coordinates are metres in the object's own frame: +x right, +y up, +z to the front. Texture
coordinates are those of an image: u to the right, v downwards from the top row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Mesh:
    """``positions`` and ``normals`` (N, 3), ``uvs`` (N, 2), ``triangles`` (M, 3) int indices.

    Normals are unit; their sign is free, since the shader turns them towards the viewer.
    """

    positions: Array
    normals: Array
    uvs: Array
    triangles: NDArray[np.int64]

    def moved(self, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Mesh:
        """The mesh shifted by metres."""
        return Mesh(self.positions + np.array((x, y, z)), self.normals, self.uvs, self.triangles)

    def turned(self, axis: str, degrees: float) -> Mesh:
        """The mesh turned about the x, y or z axis through the origin, counter-clockwise."""
        rotation = turn(axis, degrees)
        return Mesh(
            self.positions @ rotation.T, self.normals @ rotation.T, self.uvs, self.triangles
        )

    def scaled(self, x: float, y: float, z: float) -> Mesh:
        """The mesh stretched along its axes; factors must not be 0."""
        factors = np.array((x, y, z))
        normals = self.normals / factors
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        return Mesh(self.positions * factors, normals, self.uvs, self.triangles)

    def with_uv_scale(self, u: float, v: float) -> Mesh:
        """The mesh with its texture repeated ``u`` × ``v`` times."""
        return Mesh(self.positions, self.normals, self.uvs * (u, v), self.triangles)


def turn(axis: str, degrees: float) -> Array:
    """(3, 3) rotation about the axis ``x``, ``y`` or ``z`` by ``degrees``."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return {
        "x": np.array([[1.0, 0, 0], [0, c, -s], [0, s, c]]),
        "y": np.array([[c, 0, s], [0, 1.0, 0], [-s, 0, c]]),
        "z": np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]]),
    }[axis]


def merge(meshes: Sequence[Mesh]) -> Mesh:
    """All the meshes as one."""
    offsets = np.cumsum([0, *(len(mesh.positions) for mesh in meshes[:-1])])
    return Mesh(
        np.concatenate([mesh.positions for mesh in meshes]),
        np.concatenate([mesh.normals for mesh in meshes]),
        np.concatenate([mesh.uvs for mesh in meshes]),
        np.concatenate([m.triangles + o for m, o in zip(meshes, offsets, strict=True)]),
    )


def surface(points: ArrayLike, uvs: ArrayLike | None = None, closed: bool = False) -> Mesh:
    """A smooth sheet through a grid of points (R, C, 3); rows run down the texture, columns across.

    ``closed``: the last column meets the first one, so that their normals are averaged.
    """
    grid = np.asarray(points, dtype=np.float64)
    rows, columns = grid.shape[:2]
    if uvs is None:
        u, v = np.meshgrid(np.linspace(0, 1, columns), np.linspace(0, 1, rows))
        uvs = np.stack([u, v], axis=-1)
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]
    triangles = np.stack([a, c, b, b, c, d], axis=-1).reshape(-1, 3)
    flat = grid.reshape(-1, 3)
    faces = np.cross(
        flat[triangles[:, 1]] - flat[triangles[:, 0]], flat[triangles[:, 2]] - flat[triangles[:, 0]]
    )
    normals = np.zeros_like(flat)
    for corner in range(3):
        np.add.at(normals, triangles[:, corner], faces)
    if closed:
        seam = normals[index[:, 0]] + normals[index[:, -1]]
        normals[index[:, 0]] = normals[index[:, -1]] = seam
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    normals = np.where(lengths > 1e-15, normals / np.maximum(lengths, 1e-15), (0.0, 1.0, 0.0))
    return Mesh(flat, normals, np.asarray(uvs, dtype=np.float64).reshape(-1, 2), triangles)


def lathe(profile: ArrayLike, segments: int = 36, crease_deg: float = 32.0) -> Mesh:
    """A profile (P, 2) of (radius, y), from the bottom up, turned about the y axis.

    Edges sharper than ``crease_deg`` stay sharp. u = 0.5 faces +z and grows towards +x, v falls
    with the length along the profile, so a texture stands upright and its middle faces the front.
    """
    outline = np.asarray(profile, dtype=np.float64)
    steps = np.diff(outline, axis=0)
    length = np.concatenate([[0.0], np.cumsum(np.hypot(steps[:, 0], steps[:, 1]))])
    v = 1.0 - length / max(length[-1], 1e-12)
    heading = np.arctan2(steps[:, 1], steps[:, 0])
    bend = np.abs((np.diff(heading) + np.pi) % (2 * np.pi) - np.pi)
    cuts = [0, *(np.flatnonzero(bend > np.radians(crease_deg)) + 1), len(outline) - 1]
    u = np.linspace(0, 1, segments + 1)
    angle = (u - 0.5) * 2 * np.pi
    sheets = []
    for first, last in pairwise(cuts):
        radius, height = outline[first : last + 1].T
        grid = np.stack(
            [
                radius[:, None] * np.sin(angle),
                np.repeat(height[:, None], len(u), axis=1),
                radius[:, None] * np.cos(angle),
            ],
            axis=-1,
        )
        uvs = np.stack(np.meshgrid(u, v[first : last + 1]), axis=-1)
        sheets.append(surface(grid, uvs, closed=True))
    return merge(sheets)


def tube(
    path: ArrayLike, radius: ArrayLike, sides: int = 8, closed: bool = False, flat: float = 1.0
) -> Mesh:
    """A round rod along the points (P, 3); ``radius`` is one number or (P,).

    ``flat`` squeezes the section along its second axis, which makes straps and blades.
    """
    points = np.asarray(path, dtype=np.float64)
    if closed:
        points = np.concatenate([points, points[:1]])
    radii = np.broadcast_to(np.asarray(radius, dtype=np.float64), (len(points),))
    tangent = np.gradient(points, axis=0)
    if closed:
        tangent[0] = tangent[-1] = points[1] - points[-2]
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    helper = np.eye(3)[np.argmin(np.abs(tangent[0]))]
    side = np.empty_like(points)
    for i, direction in enumerate(tangent):  # carry the frame along so that it does not twist
        helper = helper - direction * (helper @ direction)
        helper = helper / np.linalg.norm(helper)
        side[i] = helper
    other = np.cross(tangent, side) * flat
    angle = np.linspace(0, 2 * np.pi, sides + 1)
    ring = side[:, None] * np.cos(angle)[:, None] + other[:, None] * np.sin(angle)[:, None]
    sheet = surface(points[:, None] + ring * radii[:, None, None], closed=True)
    if closed:
        return sheet
    ends = [
        surface(np.stack([np.repeat(points[[i]], sides + 1, 0), points[i] + ring[i] * radii[i]]))
        for i in (0, -1)
    ]
    return merge([sheet, *ends])


def torus(radius: float, thickness: float, segments: int = 36, sides: int = 8) -> Mesh:
    """A ring in the xy plane about the z axis."""
    angle = np.linspace(0, 2 * np.pi, segments, endpoint=False)
    path = np.stack([radius * np.cos(angle), radius * np.sin(angle), 0 * angle], axis=1)
    return tube(path, thickness, sides, closed=True)


def ellipsoid(x: float, y: float, z: float, segments: int = 20) -> Mesh:
    """An ellipsoid about the origin with these half axes."""
    angle = np.linspace(-np.pi / 2, np.pi / 2, segments // 2 + 1)
    return lathe(np.stack([np.cos(angle), np.sin(angle)], axis=1), segments, 180).scaled(x, y, z)


def quad(corner: ArrayLike, right: ArrayLike, down: ArrayLike) -> Mesh:
    """A flat parallelogram from its top-left corner, as its texture is seen."""
    a, r, d = (np.asarray(v, dtype=np.float64) for v in (corner, right, down))
    return surface(np.array([[a, a + r], [a + d, a + r + d]]))


def box_faces(x: float, y: float, z: float) -> dict[str, Mesh]:
    """The six faces of a box about the origin, each with the whole texture upright on it."""
    a, b, c = x / 2, y / 2, z / 2
    return {
        "front": quad((-a, b, c), (x, 0, 0), (0, -y, 0)),
        "back": quad((a, b, -c), (-x, 0, 0), (0, -y, 0)),
        "right": quad((a, b, c), (0, 0, -z), (0, -y, 0)),
        "left": quad((-a, b, -c), (0, 0, z), (0, -y, 0)),
        "top": quad((-a, b, -c), (x, 0, 0), (0, 0, z)),
        "bottom": quad((-a, -b, c), (x, 0, 0), (0, 0, -z)),
    }


def box(x: float, y: float, z: float) -> Mesh:
    """A box about the origin with these edge lengths."""
    return merge(list(box_faces(x, y, z).values()))
