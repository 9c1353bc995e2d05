"""Schemas → records of a view: the way in, as service.shapes is the way out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from service.schemas.enrolment import BoxIn, KeypointIn
from service.schemas.query import CameraIn, PlaneIn
from training.data.records import Box9, Camera, Keypoints, Plane


def camera_of(camera: CameraIn | None, width: int, height: int) -> Camera | None:
    """The camera of an image of ``width`` × ``height`` pixels."""
    if camera is None:
        return None
    return Camera(camera.fx, camera.fy, camera.cx, camera.cy, width, height)


def plane_of(plane: PlaneIn | None) -> Plane | None:
    """The plane with its normal at length 1."""
    if plane is None:
        return None
    normal = np.array(plane.normal)
    return Plane(np.array(plane.center), normal / np.linalg.norm(normal))


def box_of(box: BoxIn | None) -> Box9 | None:
    """The annotated box."""
    if box is None:
        return None
    return Box9(np.array(box.rotation), np.array(box.translation_m), np.array(box.scale_m))


def keypoints_of(keypoints: Sequence[KeypointIn] | None) -> Keypoints | None:
    """The annotated landmarks; all of them are valid."""
    if keypoints is None:
        return None
    xyz = [keypoint.xyz_m for keypoint in keypoints if keypoint.xyz_m is not None]
    return Keypoints(
        names=tuple(keypoint.name for keypoint in keypoints),
        xy=np.array([keypoint.xy for keypoint in keypoints]),
        xyz=np.array(xyz) if xyz else None,
        visible=np.array([keypoint.visible for keypoint in keypoints]),
        valid=np.ones(len(keypoints), dtype=bool),
    )
