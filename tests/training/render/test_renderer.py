"""What is drawn agrees with what is annotated, in every category."""

from __future__ import annotations

import numpy as np
import pytest

from training.data.render.renderer import TARGET_ID, Renderer
from training.data.render.sequence import Shot, stage
from training.data.render.shapes import CATEGORIES
from training.data.render.writer import box_in_camera, project

SIZE = (240, 320)


@pytest.mark.parametrize("category", CATEGORIES)
def test_the_mask_is_the_projection_of_the_mesh_and_lies_in_the_box(
    gl: None, category: str
) -> None:
    scene, poses = stage(Shot(category, 1, 0, 0.2, 10, SIZE, 4))
    pose = poses[0]
    with Renderer(scene, SIZE) as renderer:
        seen = renderer.identify(pose)
        image = renderer.draw(pose)
    R, t = pose.T_camera_world[:3, :3], pose.T_camera_world[:3, 3]
    points = np.concatenate(
        [mesh.positions[np.unique(mesh.triangles)] for mesh, _ in scene.target.parts()]
    )
    uv = project(pose, points @ R.T + t)
    rows, columns = np.nonzero(seen.covered)
    inside = ((uv > (2, 2)) & (uv < (SIZE[0] - 3, SIZE[1] - 3))).all()
    if inside:  # the drawn silhouette ends where the mesh's own vertices project
        drawn = np.array([columns.min(), rows.min(), columns.max(), rows.max()])
        meant = np.concatenate([uv.min(axis=0), uv.max(axis=0)])
        assert np.abs(drawn - meant).max() < 1.6
    corners = project(pose, box_in_camera(scene.target, pose).vertices[1:])
    assert columns.min() > corners[:, 0].min() - 1.1
    assert columns.max() < corners[:, 0].max() + 1.1
    assert rows.min() > corners[:, 1].min() - 1.1
    assert rows.max() < corners[:, 1].max() + 1.1
    assert seen.visibility > 0.3
    assert ((seen.ids == TARGET_ID) <= seen.covered).all()
    on_object = image[seen.ids == TARGET_ID].astype(float)
    assert on_object.std() > 3  # lit and not flat
    assert 8 < on_object.mean() < 247


@pytest.mark.parametrize("category", CATEGORIES)
def test_the_box_touches_the_mesh_on_all_six_sides(category: str) -> None:
    scene, _ = stage(Shot(category, 0, 0, 0.1, 10, SIZE, 1))
    placed = scene.target
    points = np.concatenate(
        [mesh.positions[np.unique(mesh.triangles)] for mesh, _ in placed.parts()]
    )
    own = (points - placed.t_world_object) @ placed.R_world_object / placed.model.extent
    assert np.allclose(own.min(axis=0), -0.5)
    assert np.allclose(own.max(axis=0), 0.5)
    assert points[:, 1].min() == pytest.approx(0, abs=1e-12)  # it stands on the ground


def test_the_scene_keeps_other_categories_as_clutter_and_clear_of_the_camera() -> None:
    for instance in range(5):
        scene, poses = stage(Shot("cup", instance, 0, 1.0, 10, SIZE, 2))
        eyes = np.stack([-p.T_camera_world[:3, :3].T @ p.T_camera_world[:3, 3] for p in poses])
        for placed in scene.clutter:
            if placed.t_world_object[1] > 0:
                gap = np.linalg.norm(eyes - placed.t_world_object, axis=1).min()
                assert gap > np.linalg.norm(placed.model.extent) / 2
