"""Conversions at the door, against hand-worked geometry and numbers printed by others."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from training.data.conventions import (
    R_OPENCV_OBJECTRON,
    R_OPENCV_OPENGL,
    R_ZUP_YUP,
    box_from_bop,
    box_from_objectron,
    box_from_vertices,
    camera_from_objectron,
    camera_to_objectron,
    nearest_rotation,
    pixels_from_objectron,
    pixels_to_objectron,
    plane_from_objectron,
    points_from_objectron,
    points_from_opengl,
    points_to_objectron,
    pose_from_opengl,
)
from training.data.records import UNIT_BOX, Box9, Camera
from training.errors import DataError

rotations = st.tuples(*[st.floats(-3.0, 3.0)] * 3).map(
    lambda v: Rotation.from_rotvec(v).as_matrix()
)
metres = st.tuples(*[st.floats(-3.0, 3.0)] * 3).map(np.array)
edges = st.tuples(*[st.floats(0.05, 2.0)] * 3).map(np.array)


def test_axes_are_rotations_and_point_where_they_say():
    for matrix in (R_OPENCV_OBJECTRON, R_OPENCV_OPENGL, R_ZUP_YUP):
        assert np.linalg.det(matrix) == pytest.approx(1.0)
    # Objectron: x is down in the portrait image, y right, z towards the viewer.
    assert points_from_objectron(np.eye(3)).tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, -1]]
    # OpenGL: x right, y up, z towards the viewer.
    assert points_from_opengl(np.eye(3)).tolist() == [[1, 0, 0], [0, -1, 0], [0, 0, -1]]
    # An object's up (y) is the model's z, its front (z) the model's -y.
    assert (R_ZUP_YUP @ [0, 1, 0]).tolist() == [0, 0, 1]
    assert (R_ZUP_YUP @ [0, 0, 1]).tolist() == [0, -1, 0]


@given(metres)
def test_conversions_undo_each_other(point):
    assert points_to_objectron(points_from_objectron(point)) == pytest.approx(point)
    assert points_from_opengl(points_from_opengl(point)) == pytest.approx(point)
    assert pixels_from_objectron(pixels_to_objectron(point[:2], 480, 640), 480, 640) == (
        pytest.approx(point[:2])
    )


@given(
    st.floats(300, 3000),
    st.floats(300, 3000),
    st.floats(200, 1200),
    st.floats(300, 1600),
    st.sampled_from([(1440, 1920), (480, 640), (360, 480)]),
)
def test_a_camera_survives_objectrons_matrices(fx, fy, cx, cy, size):
    camera = Camera(fx, fy, cx, cy, *size)
    intrinsics, projection, sensor = camera_to_objectron(camera)
    assert sensor == (size[1], size[0])
    for p, k in ((projection, None), (None, intrinsics)):
        back = camera_from_objectron(p, k, sensor, size)
        assert back.matrix == pytest.approx(camera.matrix)
    half = camera_from_objectron(projection, None, sensor, (size[0] // 2, size[1] // 2))
    assert half.matrix == pytest.approx(camera.resized(size[0] // 2, size[1] // 2).matrix)


@given(metres)
def test_ndc_and_pinhole_give_the_same_pixel(point):
    camera = Camera(1500.0, 1510.0, 725.3, 951.8, 1440, 1920)
    point = np.array([point[0], point[1], -abs(point[2]) - 0.5])  # in front: z < 0
    _, projection, _ = camera_to_objectron(camera)
    clip = projection @ np.append(point, 1.0)
    ndc = clip[:2] / clip[3]
    share = np.array([(1 + ndc[1]) / 2, (1 + ndc[0]) / 2])
    ours = points_from_objectron(point)
    pixel = camera.matrix @ ours
    assert pixel[:2] / pixel[2] == pytest.approx(pixels_from_objectron(share, 1440, 1920))


def test_no_camera_at_all_is_an_error():
    with pytest.raises(DataError, match="neither a projection"):
        camera_from_objectron(None, np.zeros((3, 3)), (1920, 1440), (480, 640))


@given(rotations, metres, edges, rotations, metres)
def test_a_world_box_is_the_same_box_in_the_camera(R, t, scale, R_view, t_view):
    pose, view = np.eye(4), np.eye(4)
    pose[:3, :3], pose[:3, 3] = R, t
    view[:3, :3], view[:3, 3] = R_view, t_view
    box = box_from_objectron(pose, scale, view)
    world = (UNIT_BOX * scale) @ R.T + t
    camera = world @ R_view.T + t_view
    assert box.vertices == pytest.approx(points_from_objectron(camera), abs=1e-9)
    assert np.linalg.det(box.rotation) == pytest.approx(1.0)


@given(rotations, metres, edges)
def test_a_box_comes_back_from_its_vertices(R, t, scale):
    box = Box9(R, t, scale)
    found = box_from_vertices(box.vertices)
    assert found.rotation == pytest.approx(R, abs=1e-9)
    assert found.translation == pytest.approx(t)
    assert found.scale == pytest.approx(scale)


def test_degenerate_vertices_are_no_box():
    with pytest.raises(DataError, match="no box"):
        box_from_vertices(np.zeros((9, 3)))


def test_a_real_chair_stands_on_its_plane(shared_data):
    """Printed by others: a real annotation's points, and the plane of its bottom face."""
    golden = json.loads((shared_data("objectron") / "golden_fit.json").read_text())
    points = points_from_objectron(np.array(golden["query_points_3d_gt"]))
    box = box_from_vertices(points)
    assert np.abs(box.vertices - points).max() < 1e-5
    plane = plane_from_objectron(
        np.array(golden["query_plane_center"]),
        np.array(golden["query_plane_normal"]),
        box.translation,
    )
    # The object's up is the plane's normal, up in the image, and the bottom lies in the plane.
    assert box.rotation[:, 1] == pytest.approx(plane.normal, abs=1e-5)
    assert plane.normal[1] < -0.7
    assert np.abs((points[[1, 2, 5, 6]] - plane.center) @ plane.normal).max() < 1e-5
    assert points[:, 2].min() > 0  # in front of the camera


def test_a_plane_faces_the_object_and_is_of_unit_length():
    down = np.array([3.0, 0.0, 0.0])  # Objectron's x points down
    plane = plane_from_objectron(np.array([0.2, 0.0, -1.0]), down, np.array([0.0, 0.0, 1.0]))
    assert plane.normal == pytest.approx([0, -1, 0])
    for broken in (np.zeros(3), np.zeros(0), np.array([np.nan, 0, 0])):
        assert plane_from_objectron(np.zeros(3), broken, None) is None


@given(rotations, metres)
def test_bop_boxes_keep_the_models_corners(R, t):
    minimum, size = np.array([-40.0, -20.0, -10.0]), np.array([70.0, 60.0, 30.0])
    corners = minimum + (UNIT_BOX[1:] + 0.5) * size
    truth = (corners @ R.T + t * 1000) / 1000
    for up in ("z", "y"):
        box = box_from_bop(R, t * 1000, minimum, size, up)
        gaps = np.linalg.norm(box.vertices[1:, None] - truth[None], axis=2)
        assert gaps.min(axis=1).max() < 1e-9  # the same eight corners, in another order
        assert np.linalg.det(box.rotation) == pytest.approx(1.0)
    assert box_from_bop(R, t, minimum, size, "z").scale == pytest.approx([0.07, 0.03, 0.06])
    assert box_from_bop(R, t, minimum, size, "y").scale == pytest.approx([0.07, 0.06, 0.03])


def test_an_opengl_pose_is_the_same_place():
    pose = np.eye(4)
    pose[:3, 3] = (1, 2, -3)
    assert pose_from_opengl(pose)[:3, 3].tolist() == [1, -2, 3]
    assert pose_from_opengl(pose_from_opengl(pose)) == pytest.approx(pose)


def test_what_is_no_rotation_is_refused():
    for matrix in (np.diag([1.0, 1.0, -1.0]), np.eye(3) * 2, np.full((3, 3), np.nan)):
        with pytest.raises(DataError):
            nearest_rotation(matrix)
