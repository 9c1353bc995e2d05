"""From annotated Objectron frames to views, and the checks of an annotation against itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from training.data.conventions import (
    box_from_objectron,
    camera_from_objectron,
    pixels_from_objectron,
    plane_from_objectron,
    points_from_objectron,
    project,
)
from training.data.readers.objectron_frames import AnnotatedBox, AnnotatedFrame, FrameObject
from training.data.records import Array, Box9, Camera, ImageSource, Plane, View
from training.errors import DataError

POINT_3D_TOLERANCE = 0.01
"""Share of the object's distance that box vertices may differ from ``point_3d`` (ours)."""

POINT_2D_TOLERANCE = 0.005
"""Share of the image that projected vertices may differ from ``point_2d`` (ours)."""

JUMP_SHARE = 0.25
"""Movement of the nearest-to-still box vertex between neighbouring frames, as a share of its
distance, that no hand-held camera makes at 30 frames a second (ours)."""


@dataclass(frozen=True, slots=True)
class FrameImages:
    """How the images of a sequence are found: size after turning, frames there are, source."""

    width: int
    height: int
    frames: int
    source: Callable[[int], ImageSource]


def frame_views(
    frame: AnnotatedFrame,
    boxes: dict[int, AnnotatedBox],
    images: FrameImages,
    category: str,
    names: Callable[[int], str],
    fps: float,
    start: float,
) -> tuple[list[View], set[str]]:
    """The views of one frame, by object id, and the flags it earns.

    Raises DataError when the frame's matrices cannot be used.
    """
    flags: set[str] = set()
    if frame.view_matrix is None:
        raise DataError(
            f"Frame {frame.frame} has no 4 x 4 view matrix.",
            "Leave the sequence out or fetch its annotation again.",
        )
    camera = camera_from_objectron(
        frame.projection, frame.intrinsics, frame.sensor, (images.width, images.height)
    )
    sensor = frame.sensor
    if min(sensor) > 0 and abs(sensor[0] * images.width / (sensor[1] * images.height) - 1) > 0.02:
        flags.add("aspect_mismatch")
    if _intrinsics_differ(camera, frame):
        flags.add("intrinsics_mismatch")
    plane: Plane | None = None
    views: list[View] = []
    for item in sorted(frame.objects, key=lambda entry: entry.object_id):
        if item.object_id not in boxes:
            flags.add("object_unknown")
            continue
        known = boxes[item.object_id]
        box = box_from_objectron(known.T_world_object, known.scale, frame.view_matrix)
        if plane is None:
            plane = plane_from_objectron(frame.plane_center, frame.plane_normal, box.translation)
        flags |= _disagreements(camera, box, item)
        bbox = _bbox(camera, box, item)
        if bbox is None or not _touches(bbox, images):
            flags.add("views_outside_image")
            continue
        views.append(
            View(
                image=images.source(frame.frame),
                bbox_xyxy=bbox,
                instance=names(item.object_id),
                category=category,
                frame=frame.frame,
                time_s=frame.frame / fps if fps else frame.timestamp - start,
                camera=camera,
                plane=plane,
                box9=box,
                visibility=item.visibility,
                attributes={"object_id": float(item.object_id)},
            )
        )
    if plane is None and frame.objects:
        flags.add("plane_missing")
    return views, flags


def _intrinsics_differ(camera: Camera, frame: AnnotatedFrame) -> bool:
    """Whether K, where given beside P, tells of a camera more than 1 % of the image off (ours)."""
    if frame.projection is None or frame.intrinsics is None or min(frame.sensor) <= 0:
        return False
    try:
        other = camera_from_objectron(
            None, frame.intrinsics, frame.sensor, (camera.width, camera.height)
        )
    except DataError:
        return True
    gap = np.abs(camera.matrix - other.matrix)[:2].max(axis=1)
    return bool((gap > 0.01 * np.array([camera.width, camera.height])).any())


def _disagreements(camera: Camera, box: Box9, item: FrameObject) -> set[str]:
    """Flags where box, camera and annotated points do not tell the same."""
    flags = set()
    vertices = box.vertices
    if item.point_3d is not None:
        gap = np.linalg.norm(points_from_objectron(item.point_3d) - vertices, axis=1).max()
        if gap > POINT_3D_TOLERANCE * np.linalg.norm(box.translation):
            flags.add("point_3d_mismatch")
    if item.point_2d is not None and (vertices[:, 2] > 0).all():
        pixels = pixels_from_objectron(item.point_2d, camera.width, camera.height)
        gap = np.abs(project(camera, vertices) - pixels) / (camera.width, camera.height)
        if gap.max() > POINT_2D_TOLERANCE:
            flags.add("point_2d_mismatch")
    return flags


def _bbox(camera: Camera, box: Box9, item: FrameObject) -> Array | None:
    """(4,) min and max over the 9 projected points; None where the object is not in front."""
    vertices = box.vertices
    if box.translation[2] <= 0:
        return None
    if item.point_2d is not None:
        pixels = pixels_from_objectron(item.point_2d, camera.width, camera.height)
    elif (vertices[:, 2] > 0).all():
        pixels = project(camera, vertices)
    else:
        return None
    return np.concatenate([pixels.min(axis=0), pixels.max(axis=0)])


def _touches(bbox: Array, images: FrameImages) -> bool:
    low, high = (
        np.maximum(bbox[:2], -0.5),
        np.minimum(bbox[2:], (images.width - 0.5, images.height - 0.5)),
    )
    return bool((low < high).all())


def jumps(views: list[View]) -> bool:
    """Whether the tracking jumped: a box moved between neighbouring frames as no hand moves it.

    A jump moves every vertex by more than ``JUMP_SHARE`` of its distance a frame and six times
    the sequence's median movement, in the camera's frame (ours).
    """
    tracks: dict[str, list[View]] = {}
    for view in views:
        if view.box9 is not None:
            tracks.setdefault(view.instance, []).append(view)
    for track in tracks.values():
        if len(track) < 3:
            continue
        vertices = np.stack([view.box9.vertices for view in track if view.box9 is not None])
        gaps = np.diff([view.frame for view in track])
        moved = np.linalg.norm(np.diff(vertices, axis=0), axis=2).min(axis=1)
        share = moved / np.linalg.norm(vertices[:-1, 0], axis=1) / gaps
        if (share > np.maximum(JUMP_SHARE, 6 * np.median(share))).any():
            return True
    return False
