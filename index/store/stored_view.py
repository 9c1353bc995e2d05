"""A view as the store keeps it: identities, and the conversion between records and rows."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from training.data.records import Array, Box9, Camera, Keypoints, Plane, Sequence, View


def view_id(dataset: str, sequence: str, frame: int, instance: str) -> int:
    """The 63-bit identity of a view: the head of SHA-256 over its four names (ours)."""
    return _number("\x1f".join((dataset, sequence, str(frame), instance)))


def sequence_id(dataset: str, sequence: str) -> int:
    """The 63-bit identity of a sequence, made like a view's."""
    return _number("\x1f".join((dataset, sequence)))


def view_key(identity: int) -> str:
    """A view id as users see it: 16 hexadecimal digits."""
    return f"{identity:016x}"


def parse_view_key(key: str) -> int | None:
    """The view id behind ``view_key``'s text, or None if the text is no such key."""
    if len(key) != 16 or any(letter not in "0123456789abcdef" for letter in key):
        return None
    number = int(key, 16)
    return number if number < 1 << 63 else None


def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


@dataclass(frozen=True, slots=True, eq=False)
class StoredView:
    """One view of a gallery with everything known about it but its pixels.

    ``bbox_xyxy`` (4,) pixels of an image of ``image_width`` × ``image_height``; camera, plane,
    box and keypoints as in ``training.data.records``.
    """

    id: int
    dataset: str
    sequence: str
    split: str
    frame: int
    time_s: float
    instance: str
    category: str
    bbox_xyxy: Array
    image_reference: str
    image_width: int
    image_height: int
    visibility: float
    camera: Camera | None
    plane: Plane | None
    box9: Box9 | None
    keypoints: Keypoints | None
    attributes: Mapping[str, float | str]

    @property
    def key(self) -> str:
        """The id as 16 hexadecimal digits."""
        return view_key(self.id)


def sequence_row(sequence: Sequence) -> dict[str, Any]:
    """The ``sequences`` row of a record."""
    return {
        "id": sequence_id(sequence.dataset, sequence.id),
        "dataset": sequence.dataset,
        "name": sequence.id,
        "split": sequence.split,
        "fps": float(sequence.fps),
        "flags": list(sequence.flags),
    }


def view_row(sequence: Sequence, view: View, width: int, height: int) -> dict[str, Any]:
    """The ``views`` row of a record whose image is ``width`` × ``height`` pixels."""
    x0, y0, x1, y1 = (float(value) for value in view.bbox_xyxy)
    row = {
        "id": view_id(sequence.dataset, sequence.id, view.frame, view.instance),
        "sequence_id": sequence_id(sequence.dataset, sequence.id),
        "frame": int(view.frame),
        "time_s": float(view.time_s),
        "instance": view.instance,
        "category": view.category,
        "bbox_x0": x0,
        "bbox_y0": y0,
        "bbox_x1": x1,
        "bbox_y1": y1,
        "image_reference": view.image.reference,
        "image_width": width,
        "image_height": height,
        "visibility": float(view.visibility),
        "has_box9": view.box9 is not None,
        "camera": _camera_json(view.camera),
        "plane": _fields(view.plane, ("center", "normal")),
        "box9": _fields(view.box9, ("rotation", "translation", "scale")),
        "keypoints": _keypoints_json(view.keypoints),
        "attributes": {name: _plain(view.attributes[name]) for name in sorted(view.attributes)},
    }
    # The split is the sequence's, yet a changed split must change the fingerprint too.
    row["fingerprint"] = fingerprint([row, sequence.dataset, sequence.id, sequence.split])
    return row


def fingerprint(value: object) -> str:
    """32 hexadecimal digits of SHA-256 over the canonical JSON of ``value``."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def stored_view(row: Any) -> StoredView:
    """The record of one row of ``views`` joined with its sequence's dataset, name and split."""
    return StoredView(
        id=row.id,
        dataset=row.dataset,
        sequence=row.name,
        split=row.split,
        frame=row.frame,
        time_s=row.time_s,
        instance=row.instance,
        category=row.category,
        bbox_xyxy=np.array([row.bbox_x0, row.bbox_y0, row.bbox_x1, row.bbox_y1]),
        image_reference=row.image_reference,
        image_width=row.image_width,
        image_height=row.image_height,
        visibility=row.visibility,
        camera=None if row.camera is None else Camera(**row.camera),
        plane=None if row.plane is None else Plane(**_arrays(row.plane)),
        box9=None if row.box9 is None else Box9(**_arrays(row.box9)),
        keypoints=_keypoints(row.keypoints),
        attributes=row.attributes,
    )


def _fields(record: object | None, names: Iterable[str]) -> dict[str, Any] | None:
    return None if record is None else {name: _numbers(getattr(record, name)) for name in names}


def _arrays(fields: dict[str, Any]) -> dict[str, Array]:
    return {name: np.array(value, dtype=np.float64) for name, value in fields.items()}


def _camera_json(camera: Camera | None) -> dict[str, float] | None:
    if camera is None:
        return None
    return {
        "fx": float(camera.fx),
        "fy": float(camera.fy),
        "cx": float(camera.cx),
        "cy": float(camera.cy),
        "width": int(camera.width),
        "height": int(camera.height),
    }


def _numbers(array: Array) -> Any:
    """Nested lists with null for what is not a number, which JSON cannot hold."""
    values = np.asarray(array, dtype=np.float64)
    if np.isfinite(values).all():
        return values.tolist()
    plain = values.astype(object)
    plain[~np.isfinite(values)] = None
    return plain.tolist()


def _plain(value: float | str) -> float | str | None:
    if isinstance(value, str):
        return value
    number = float(value)
    return number if math.isfinite(number) else None


def _keypoints_json(keypoints: Keypoints | None) -> dict[str, Any] | None:
    if keypoints is None:
        return None
    return {
        "names": list(keypoints.names),
        "xy": _numbers(keypoints.xy),
        "xyz": None if keypoints.xyz is None else _numbers(keypoints.xyz),
        "visible": [bool(flag) for flag in keypoints.visible],
        "valid": [bool(flag) for flag in keypoints.valid],
    }


def _keypoints(fields: dict[str, Any] | None) -> Keypoints | None:
    if fields is None:
        return None
    xyz = fields["xyz"]
    return Keypoints(
        names=tuple(fields["names"]),
        xy=np.array(fields["xy"], dtype=np.float64).reshape(-1, 2),
        xyz=None if xyz is None else np.array(xyz, dtype=np.float64).reshape(-1, 3),
        visible=np.array(fields["visible"], dtype=bool),
        valid=np.array(fields["valid"], dtype=bool),
    )
