"""Objectron's annotation messages, declared field by field, so that no compiler is needed.

Field names and numbers are the published schema's (``annotation_data.proto``, ``object.proto``,
``a_r_capture_metadata.proto``); unknown fields are kept by protobuf as they are.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_PACKAGE = "xeno.pursuit.proto"
_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "int32": _Field.TYPE_INT32,
    "float": _Field.TYPE_FLOAT,
    "double": _Field.TYPE_DOUBLE,
    "string": _Field.TYPE_STRING,
    "bool": _Field.TYPE_BOOL,
}

# message → [(type, name, number)]; a trailing * in the type means repeated.
_MESSAGES: dict[str, list[tuple[str, str, int]]] = {
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


def _declare() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(
        name="posebank/objectron.proto", package=_PACKAGE, syntax="proto3"
    )
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for kind, field_name, number in fields:
            base = kind.rstrip("*")
            field = message.field.add(name=field_name, number=number)
            field.label = _Field.LABEL_REPEATED if kind.endswith("*") else _Field.LABEL_OPTIONAL
            if base in _SCALARS:
                field.type = _SCALARS[base]
            else:
                field.type = _Field.TYPE_MESSAGE
                field.type_name = f".{_PACKAGE}.{base}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))
        for name in _MESSAGES
    }


_CLASSES = _declare()

AnnotationSequence: Any = _CLASSES["Sequence"]
"""The message an ``annotation.pbdata`` holds: objects in the world, annotations per frame."""

AnnotatedObject: Any = _CLASSES["Object"]
FrameAnnotation: Any = _CLASSES["FrameAnnotation"]
