"""Objectron's annotation messages as arrays: the objects of a sequence and what each frame sees.

All arrays are still in Objectron's own frames; ``objectron_views`` turns them into records.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from training.data.objectron_schema import AnnotationSequence
from training.data.records import Array
from training.errors import DataError


@dataclass(frozen=True, slots=True, eq=False)
class AnnotatedBox:
    """One object: pose in the world (4, 4), edge lengths (3,) m, its annotated category."""

    T_world_object: Array
    scale: Array
    category: str


@dataclass(frozen=True, slots=True, eq=False)
class FrameObject:
    """One object in one frame: 9 camera-frame points (9, 3) m and (9, 2) normalised, or None."""

    object_id: int
    point_3d: Array | None
    point_2d: Array | None
    visibility: float


@dataclass(frozen=True, slots=True, eq=False)
class AnnotatedFrame:
    """One frame: cameras as given (None where missing), ground plane, the objects in it."""

    frame: int
    timestamp: float
    view_matrix: Array | None
    projection: Array | None
    intrinsics: Array | None
    sensor: tuple[int, int]
    plane_center: Array
    plane_normal: Array
    objects: tuple[FrameObject, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Annotation:
    """A whole annotation: objects by id, frames by ascending number; frames given twice."""

    objects: dict[int, AnnotatedBox]
    frames: tuple[AnnotatedFrame, ...]
    repeated_frames: int


def parse_annotation(data: bytes, name: str) -> Annotation:
    """Reads the bytes of one ``annotation.pbdata``.

    Raises DataError when they are no such message, or hold no object or no frame.
    """
    message = AnnotationSequence()
    try:
        message.ParseFromString(data)
    except DecodeError as error:
        raise DataError(
            f"{name} ({len(data)} bytes) is no Objectron annotation: {error}.",
            "It may be cut off: fetch it again.",
        ) from error
    if not message.objects or not message.frame_annotations:
        raise DataError(
            f"{name} holds {len(message.objects)} objects and "
            f"{len(message.frame_annotations)} frames; both must be at least 1.",
            "Fetch it again or annotate the sequence.",
        )
    objects = {int(item.id): _object(item, name) for item in message.objects}
    frames: dict[int, AnnotatedFrame] = {}
    for item in message.frame_annotations:
        frames.setdefault(int(item.frame_id), _frame(item))
    return Annotation(
        objects,
        tuple(frames[number] for number in sorted(frames)),
        len(message.frame_annotations) - len(frames),
    )


def _object(item: Any, name: str) -> AnnotatedBox:
    rotation, translation = _array(item.rotation, (3, 3)), _array(item.translation, (3,))
    scale = _array(item.scale, (3,))
    if rotation is None or translation is None or scale is None or not (scale > 0).all():
        raise DataError(
            f"Object {item.id} of {name} has {len(item.rotation)} rotation, "
            f"{len(item.translation)} translation and {len(item.scale)} scale numbers; "
            "9, 3 and 3 finite ones are needed, the scale above 0.",
            "Fetch the annotation again or leave the sequence out.",
        )
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = rotation, translation
    return AnnotatedBox(pose, scale, str(item.category))


def _frame(item: Any) -> AnnotatedFrame:
    camera = item.camera
    return AnnotatedFrame(
        frame=int(item.frame_id),
        timestamp=float(item.timestamp),
        view_matrix=_array(camera.view_matrix, (4, 4)),
        projection=_array(camera.projection_matrix, (4, 4)),
        intrinsics=_array(camera.intrinsics, (3, 3)),
        sensor=(int(camera.image_resolution_width), int(camera.image_resolution_height)),
        plane_center=np.array(item.plane_center, dtype=np.float64),
        plane_normal=np.array(item.plane_normal, dtype=np.float64),
        objects=tuple(_frame_object(entry) for entry in item.annotations),
    )


def _frame_object(entry: Any) -> FrameObject:
    points = sorted(entry.keypoints, key=lambda point: int(point.id))
    whole = [int(point.id) for point in points] == list(range(9))
    return FrameObject(
        object_id=int(entry.object_id),
        point_3d=_array([v for p in points for v in _xyz(p.point_3d)], (9, 3)) if whole else None,
        point_2d=(
            _array([v for p in points for v in (p.point_2d.x, p.point_2d.y)], (9, 2))
            if whole
            else None
        ),
        visibility=float(np.clip(np.nan_to_num(entry.visibility), 0.0, 1.0)),
    )


def _xyz(point: Any) -> tuple[float, float, float]:
    return point.x, point.y, point.z


def _array(values: Iterable[float], shape: tuple[int, ...]) -> Array | None:
    """The repeated field as an array, None when its length or a number is impossible."""
    array = np.array(list(values), dtype=np.float64)
    if array.size != np.prod(shape) or not np.isfinite(array).all():
        return None
    return array.reshape(shape)
