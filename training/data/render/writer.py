"""Writes one sequence as Objectron's own two files: ``video.MOV`` and ``<j>.pbdata``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import cv2
import numpy as np

from training.data.conventions import (
    camera_to_objectron,
    pixels_to_objectron,
    points_to_objectron,
)
from training.data.objectron_schema import AnnotationSequence
from training.data.records import UNIT_BOX, Box9, ImageRGB
from training.data.render.camera_path import CameraPose
from training.data.render.mesh import Array
from training.data.render.scene import Placed
from training.errors import DataError

_BOX_NAMES = ("center", *(f"corner_{i}" for i in range(1, 9)))
_TYPE_BOX, _METHOD_ANNOTATION, _TRACKING_NORMAL = 1, 1, 2


@dataclass(frozen=True, slots=True)
class SequencePaths:
    """Where the files of ``category/batch-i/j`` lie under a root."""

    root: Path
    id: str

    @property
    def video(self) -> Path:
        """The frames."""
        return self.root / "videos" / self.id / "video.MOV"

    @property
    def annotation(self) -> Path:
        """The boxes and cameras."""
        return self.root / "annotations" / f"{self.id}.pbdata"

    @property
    def complete(self) -> bool:
        """Whether both are there; they are renamed into place, the annotation last."""
        return self.video.is_file() and self.annotation.is_file()


def box_in_camera(placed: Placed, pose: CameraPose) -> Box9:
    """The tight box of a placed model in the OpenCV camera frame, metres."""
    R, t = pose.T_camera_world[:3, :3], pose.T_camera_world[:3, 3]
    return Box9(R @ placed.R_world_object, R @ placed.t_world_object + t, placed.model.extent)


def project(pose: CameraPose, points: Array) -> Array:
    """(N, 2) pixels of camera-frame points (N, 3)."""
    camera = pose.camera
    return points[:, :2] / points[:, 2:] * (camera.fx, camera.fy) + (camera.cx, camera.cy)


def annotate(
    category: str,
    placed: Placed,
    poses: Sequence[CameraPose],
    visibility: Sequence[float],
    fps: float,
) -> bytes:
    """The serialized annotation of one object over all frames; the ground is the world's y = 0."""
    message: Any = AnnotationSequence()
    known = message.objects.add(id=0, category=category, type=_TYPE_BOX, method=_METHOD_ANNOTATION)
    known.rotation.extend(placed.R_world_object.ravel().tolist())
    known.translation.extend(placed.t_world_object.tolist())
    known.scale.extend(placed.model.extent.tolist())
    for name, point in zip(_BOX_NAMES, UNIT_BOX, strict=True):
        known.keypoints.add(x=point[0], y=point[1], z=point[2], name=name)
    foot = placed.t_world_object * (1, 0, 1)
    for number, (pose, seen) in enumerate(zip(poses, visibility, strict=True)):
        frame = message.frame_annotations.add(frame_id=number, timestamp=number / fps)
        _write_camera(frame.camera, pose)
        R, t = pose.T_camera_world[:3, :3], pose.T_camera_world[:3, 3]
        frame.plane_center.extend(points_to_objectron(R @ foot + t).tolist())
        frame.plane_normal.extend(points_to_objectron(R[:, 1]).tolist())
        entry = frame.annotations.add(object_id=0, visibility=seen)
        vertices = box_in_camera(placed, pose).vertices
        flat = pixels_to_objectron(project(pose, vertices), pose.camera.width, pose.camera.height)
        for i, (point, pixel) in enumerate(zip(points_to_objectron(vertices), flat, strict=True)):
            corner = entry.keypoints.add(id=i)
            corner.point_3d.x, corner.point_3d.y, corner.point_3d.z = point
            corner.point_2d.x, corner.point_2d.y = pixel
            corner.point_2d.depth = -point[2]
    return bytes(message.SerializeToString(deterministic=True))


def _write_camera(message: Any, pose: CameraPose) -> None:
    intrinsics, projection, (along, across) = camera_to_objectron(pose.camera)
    view = np.eye(4)
    view[:3] = points_to_objectron(pose.T_camera_world[:3].T).T
    message.tracking_state = _TRACKING_NORMAL
    message.image_resolution_width, message.image_resolution_height = along, across
    message.transform.extend(np.linalg.inv(view).ravel().tolist())
    message.intrinsics.extend(intrinsics.ravel().tolist())
    message.projection_matrix.extend(projection.ravel().tolist())
    message.view_matrix.extend(view.ravel().tolist())


class MovieWriter:
    """Writes RGB frames to a MOV that appears only when it is complete. A context manager.

    Raises DataError when the encoder is missing or the disk refuses.
    """

    def __init__(self, path: Path, fps: float, size: tuple[int, int]) -> None:
        self._path, self._partial = path, path.with_name("partial.MOV")
        self._frames = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        self._writer = cv2.VideoWriter(
            str(self._partial), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"mp4v"), fps, size
        )
        if not self._writer.isOpened():
            raise DataError(
                f"Cannot write {self._partial}.",
                "Free or permit the folder; OpenCV must have FFmpeg (the headless wheel has).",
            )

    def __enter__(self) -> Self:
        return self

    def write(self, image: ImageRGB) -> None:
        """Appends one frame (H, W, 3) uint8 RGB."""
        self._writer.write(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        self._frames += 1

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        self._writer.release()
        if kind is not None:
            self._partial.unlink(missing_ok=True)
            return
        check = cv2.VideoCapture(str(self._partial))
        found = int(check.get(cv2.CAP_PROP_FRAME_COUNT)) if check.isOpened() else 0
        check.release()
        if found != self._frames:
            self._partial.unlink(missing_ok=True)
            raise DataError(
                f"{self._path} got {found} of {self._frames} frames.",
                "Is the disk full? Free some space and run the same command again.",
            )
        os.replace(self._partial, self._path)


def write_file(path: Path, content: bytes) -> None:
    """Writes a file that appears only when it is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(content)
    os.replace(partial, path)
