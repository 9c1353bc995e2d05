"""Primitives: closed, unit normals, the sizes they were asked for."""

from __future__ import annotations

import numpy as np
import pytest

from training.data.render.mesh import Mesh, box, box_faces, ellipsoid, lathe, surface, torus, tube
from training.data.render.outlines import rounded_rectangle, slab, smooth


def volume(mesh: Mesh) -> float:
    """Signed tetrahedra against the origin, orientation made outward for star-shaped solids."""
    a, b, c = (mesh.positions[mesh.triangles[:, i]] for i in range(3))
    return float(np.abs(np.einsum("ij,ij->i", a, np.cross(b, c))).sum() / 6)


def test_volumes_of_round_solids_come_near_the_formulas() -> None:
    assert volume(ellipsoid(0.3, 0.2, 0.1, 48)) == pytest.approx(4 / 3 * np.pi * 0.006, rel=0.01)
    cylinder = lathe([(0, -0.5), (0.2, -0.5), (0.2, 0.5), (0, 0.5)], 64)
    assert volume(cylinder) == pytest.approx(np.pi * 0.04, rel=0.01)
    assert volume(box(0.2, 0.3, 0.4)) == pytest.approx(0.024)


@pytest.mark.parametrize(
    "mesh",
    [
        box(1, 2, 3),
        torus(1.0, 0.2),
        tube([(0, 0, 0), (0, 1, 0), (1, 1, 0)], 0.1),
        slab(rounded_rectangle(0.4, 0.2, 0.05), 0.03, 0.01),
    ],
    ids=["box", "torus", "tube", "slab"],
)
def test_normals_are_unit_and_indices_valid(mesh: Mesh) -> None:
    assert np.allclose(np.linalg.norm(mesh.normals, axis=1), 1)
    assert mesh.triangles.min() >= 0
    assert mesh.triangles.max() < len(mesh.positions)
    assert np.isfinite(mesh.positions).all()


def test_a_lathe_keeps_its_texture_upright_with_the_middle_in_front() -> None:
    mesh = lathe([(1.0, 0.0), (1.0, 2.0)], 36)
    front = mesh.positions[np.abs(mesh.uvs[:, 0] - 0.5) < 1e-9]
    assert (front[:, 2] > 0.999).all()
    top = mesh.positions[mesh.uvs[:, 1] < 1e-9]
    assert np.allclose(top[:, 1], 2.0)
    right = mesh.positions[np.abs(mesh.uvs[:, 0] - 0.75) < 1e-9]
    assert (right[:, 0] > 0.999).all()  # reads left to right when seen from the front


def test_box_faces_lie_where_their_names_say() -> None:
    axis = {"front": 2, "back": 2, "right": 0, "left": 0, "top": 1, "bottom": 1}
    for name, mesh in box_faces(2, 4, 6).items():
        sign = -1 if name in ("back", "left", "bottom") else 1
        assert np.allclose(mesh.positions[:, axis[name]], sign * (1, 2, 3)[axis[name]])


def test_a_smooth_curve_goes_through_its_points() -> None:
    points = np.array([(0.0, 0.0), (1.0, 2.0), (3.0, 1.0), (4.0, 4.0)])
    assert np.allclose(smooth(points, 31)[::10], points)


def test_turning_and_moving_keep_shape() -> None:
    mesh = surface(np.random.default_rng(0).random((4, 5, 3)))
    moved = mesh.turned("y", 37).turned("x", -20).moved(1, 2, 3)
    before = np.linalg.norm(mesh.positions[1:] - mesh.positions[:-1], axis=1)
    assert np.allclose(before, np.linalg.norm(moved.positions[1:] - moved.positions[:-1], axis=1))
