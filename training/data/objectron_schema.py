"""Objectron's annotation messages, declared field by field, so that no compiler is needed.

Field names and numbers are the published schema's (``annotation_data.proto``, ``object.proto``,
``a_r_capture_metadata.proto``); unknown fields are kept by protobuf as they are.
"""

from __future__ import annotations

from typing import Any

from training.data.protobuf_messages import Messages, declare

_PACKAGE = "xeno.pursuit.proto"
_MESSAGES: Messages = {
    "KeyPoint": [
        ("float", "x", 1),
        ("float", "y", 2),
        ("float", "z", 3),
        ("float", "confidence_radius", 4),
        ("string", "name", 5),
        ("bool", "hidden", 6),
    ],
    "Object": [
        ("int32", "id", 1),
        ("string", "category", 2),
        ("int32", "type", 3),
        ("float*", "rotation", 4),
        ("float*", "translation", 5),
        ("float*", "scale", 6),
        ("KeyPoint*", "keypoints", 7),
        ("int32", "method", 8),
    ],
    "Point3D": [("float", "x", 1), ("float", "y", 2), ("float", "z", 3)],
    "NormalizedPoint2D": [("float", "x", 1), ("float", "y", 2), ("float", "depth", 3)],
    "AnnotatedKeyPoint": [
        ("int32", "id", 1),
        ("Point3D", "point_3d", 2),
        ("NormalizedPoint2D", "point_2d", 3),
    ],
    "ObjectAnnotation": [
        ("int32", "object_id", 1),
        ("AnnotatedKeyPoint*", "keypoints", 2),
        ("float", "visibility", 3),
    ],
    "ARCamera": [
        ("int32", "tracking_state", 1),
        ("int32", "tracking_state_reason", 2),
        ("float*", "transform", 3),
        ("float*", "euler_angles", 4),
        ("int32", "image_resolution_width", 5),
        ("int32", "image_resolution_height", 6),
        ("float*", "intrinsics", 7),
        ("float*", "projection_matrix", 8),
        ("float*", "view_matrix", 9),
    ],
    "FrameAnnotation": [
        ("int32", "frame_id", 1),
        ("ObjectAnnotation*", "annotations", 2),
        ("ARCamera", "camera", 3),
        ("double", "timestamp", 4),
        ("float*", "plane_center", 5),
        ("float*", "plane_normal", 6),
    ],
    "Sequence": [("Object*", "objects", 1), ("FrameAnnotation*", "frame_annotations", 2)],
}


_CLASSES = declare(_PACKAGE, _MESSAGES)

AnnotationSequence: Any = _CLASSES["Sequence"]
"""The message an ``annotation.pbdata`` holds: objects in the world, annotations per frame."""

AnnotatedObject: Any = _CLASSES["Object"]
FrameAnnotation: Any = _CLASSES["FrameAnnotation"]
