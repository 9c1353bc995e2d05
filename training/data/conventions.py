"""Cameras and axes of other datasets, brought to the records' own (OpenCV) and back.

Objectron. The phone is held upright: images are portrait, but the AR session's camera frame is
that of the landscape sensor. In the portrait image its x points down, y right, z towards the
viewer. With P the 4 × 4 projection matrix, ndc = P X / w gives the pixel as a share of the image,
u = (1 + ndc_y) / 2 across and v = (1 + ndc_x) / 2 down, (0, 0) being the outer corner of the
top-left pixel. So Objectron's own pixel coordinates are continuous with pixel centres at halves
(which is why its users resize K by a plain factor), and the records' are those minus one half.

The camera is read from P, because P made the annotated 2-D points; K, whose principal point is
counted along the portrait axes (cx = K[1, 2], cy = K[0, 2]), serves where P is missing.

BOP. OpenCV cameras with pixel centres at integers; object models are drawn z up, in millimetres.

OpenGL. x right, y up, z towards the viewer; ndc y up.
"""

from __future__ import annotations

import numpy as np

from training.data.records import UNIT_BOX, Array, Box9, Camera, Plane
from training.errors import DataError

R_OPENCV_OBJECTRON: Array = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])
"""Rows are the portrait image's right, down and forward in Objectron's camera frame."""

R_OPENCV_OPENGL: Array = np.diag([1.0, -1.0, -1.0])
"""OpenGL camera axes to OpenCV camera axes; its own inverse."""

R_ZUP_YUP: Array = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
"""Object axes with y up (x right, z front) to model axes with z up: x ← x, z ← y, y ← −z."""


def camera_from_objectron(
    projection: Array | None,
    intrinsics: Array | None,
    sensor: tuple[int, int],
    image: tuple[int, int],
) -> Camera:
    """The portrait camera of an image of (width, height) pixels.

    ``projection`` (4, 4) or None; ``intrinsics`` (3, 3) or None, of a landscape ``sensor``
    (width, height) pixels. Raises DataError when neither gives a positive focal length.
    """
    width, height = image
    if projection is not None and projection[0, 0] > 0 and projection[1, 1] > 0:
        return Camera(
            fx=float(projection[1, 1]) * width / 2,
            fy=float(projection[0, 0]) * height / 2,
            cx=(1 - float(projection[1, 2])) * width / 2 - 0.5,
            cy=(1 - float(projection[0, 2])) * height / 2 - 0.5,
            width=width,
            height=height,
        )
    if intrinsics is not None and intrinsics[0, 0] > 0 and intrinsics[1, 1] > 0 and min(sensor) > 0:
        along, across = sensor  # the sensor's width runs down the portrait image
        return Camera(
            fx=float(intrinsics[1, 1]) * width / across,
            fy=float(intrinsics[0, 0]) * height / along,
            cx=float(intrinsics[1, 2]) * width / across - 0.5,
            cy=float(intrinsics[0, 2]) * height / along - 0.5,
            width=width,
            height=height,
        )
    raise DataError(
        "The frame has neither a projection matrix nor intrinsics with positive focal lengths.",
        "Leave the sequence out or fetch its annotation again.",
    )


def camera_to_objectron(
    camera: Camera, near: float = 0.001, far: float = 1000.0
) -> tuple[Array, Array, tuple[int, int]]:
    """(K (3, 3), P (4, 4), landscape sensor (width, height)) of a portrait camera."""
    width, height = camera.width, camera.height
    cx, cy = camera.cx + 0.5, camera.cy + 0.5
    intrinsics = np.array([[camera.fy, 0.0, cy], [0.0, camera.fx, cx], [0.0, 0.0, 1.0]])
    projection = np.zeros((4, 4))
    projection[0, 0], projection[0, 2] = 2 * camera.fy / height, 1 - 2 * cy / height
    projection[1, 1], projection[1, 2] = 2 * camera.fx / width, 1 - 2 * cx / width
    projection[2, 2] = -(far + near) / (far - near)
    projection[2, 3] = -2 * far * near / (far - near)
    projection[3, 2] = -1.0
    return intrinsics, projection, (height, width)


def project(camera: Camera, points: Array) -> Array:
    """(..., 2) pixels of OpenCV camera-frame points (..., 3)."""
    focal = np.array([camera.fx, camera.fy])
    return points[..., :2] / points[..., 2:] * focal + (camera.cx, camera.cy)


def points_from_objectron(points: Array) -> Array:
    """(..., 3) points or directions of Objectron's camera frame in OpenCV axes."""
    return points @ R_OPENCV_OBJECTRON.T


def points_to_objectron(points: Array) -> Array:
    """(..., 3) OpenCV points or directions in Objectron's camera axes."""
    return points @ R_OPENCV_OBJECTRON


def points_from_opengl(points: Array) -> Array:
    """(..., 3) points or directions of an OpenGL camera frame in OpenCV axes, and back."""
    return points @ R_OPENCV_OPENGL


def pose_from_opengl(T_opengl_object: Array) -> Array:
    """(4, 4) pose in an OpenGL camera frame as the pose in the OpenCV camera frame, and back."""
    turned = np.array(T_opengl_object, dtype=np.float64)
    turned[:3] = R_OPENCV_OPENGL @ turned[:3]
    return turned


def pixels_from_objectron(point_2d: Array, width: int, height: int) -> Array:
    """(..., 2) pixels from normalised (x, y) with (0, 0) the outer top-left corner."""
    return point_2d * (width, height) - 0.5


def pixels_to_objectron(xy: Array, width: int, height: int) -> Array:
    """(..., 2) normalised Objectron coordinates from pixels; undoes ``pixels_from_objectron``."""
    return (xy + 0.5) / (width, height)


def box_from_objectron(T_world_object: Array, scale: Array, view_matrix: Array) -> Box9:
    """The box in OpenCV axes from its world pose (4, 4), edges (3,) m and world → camera (4, 4)."""
    pose = view_matrix @ T_world_object
    return Box9(
        rotation=R_OPENCV_OBJECTRON @ nearest_rotation(pose[:3, :3]),
        translation=R_OPENCV_OBJECTRON @ pose[:3, 3],
        scale=np.asarray(scale, dtype=np.float64),
    )


def box_from_vertices(vertices: Array) -> Box9:
    """The box of 9 ordered vertices (9, 3); exact for true boxes, least squares else (ours)."""
    edges = (UNIT_BOX[1:].T * 2) @ (vertices[1:] - vertices[1:].mean(axis=0)) / 4  # rows = edges
    scale = np.linalg.norm(edges, axis=1)
    if not np.isfinite(scale).all() or (scale <= 0).any():
        raise DataError(
            "The nine vertices span no box.", "Leave the object out or annotate it again."
        )
    return Box9(
        rotation=nearest_rotation((edges / scale[:, None]).T),
        translation=np.array(vertices[0], dtype=np.float64),
        scale=scale,
    )


def box_from_bop(
    rotation: Array, translation_mm: Array, minimum_mm: Array, size_mm: Array, up: str = "z"
) -> Box9:
    """The box of a BOP object: R_camera_model (3, 3), t (3,) mm and the model's extents (3,) mm.

    The box is centred on the extents, not on the model's origin. ``up="z"`` (nearly all BOP
    models) turns the object's axes so that y is up; ``up="y"`` keeps them.
    """
    centre = np.asarray(minimum_mm, dtype=np.float64) + np.asarray(size_mm, dtype=np.float64) / 2
    turn = R_ZUP_YUP if up == "z" else np.eye(3)
    return Box9(
        rotation=nearest_rotation(rotation) @ turn,
        translation=(rotation @ centre + translation_mm) / 1000.0,
        scale=np.abs(turn.T @ size_mm) / 1000.0,
    )


def plane_from_objectron(center: Array, normal: Array, above: Array | None) -> Plane | None:
    """The ground plane in OpenCV axes, or None where the annotation has none.

    ``above`` (3,) OpenCV metres is a point known to lie on the ground's upper side; the normal
    is turned towards it.
    """
    length = float(np.linalg.norm(normal)) if normal.shape == (3,) else 0.0
    if center.shape != (3,) or not np.isfinite(center).all() or not 1e-6 < length < np.inf:
        return None
    origin = points_from_objectron(center)
    up = points_from_objectron(normal / length)
    if above is not None and (above - origin) @ up < 0:
        up = -up
    return Plane(center=origin, normal=up)


def nearest_rotation(matrix: Array) -> Array:
    """The rotation (3, 3) closest to ``matrix``; DataError when that is far or a mirror."""
    if not np.isfinite(matrix).all():
        raise DataError("A rotation holds non-finite numbers.", "Leave the object out.")
    left, stretch, right = np.linalg.svd(matrix)
    rotation = left @ right
    if np.linalg.det(rotation) < 0 or np.abs(stretch - 1.0).max() > 0.05:
        raise DataError(
            f"A matrix with singular values {np.round(stretch, 3).tolist()} and determinant "
            f"{np.linalg.det(matrix):.3f} is no rotation (all must be 1).",
            "Annotate the pose again; rotations are row-major 3 x 3 with determinant +1.",
        )
    return np.asarray(rotation)
