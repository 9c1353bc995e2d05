"""Objectron from its SequenceExample tfrecords, without TensorFlow.

Shards ``<category>_<split>-00000-of-00100`` anywhere under the root; one record is one sequence.
Images stay encoded in their shard and are decoded where they lie. Boxes are those of
``point_3d``, which these records give in the camera's frame.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from training.data.conventions import box_from_vertices
from training.data.images import EmbeddedImage, decode_image
from training.data.names import files_under
from training.data.readers.base import Listed, Reader
from training.data.readers.objectron_frames import AnnotatedBox, AnnotatedFrame, FrameObject
from training.data.readers.objectron_views import FrameImages, frame_views, jumps
from training.data.records import Array, ImageSource, Sequence, View
from training.data.tfexample_schema import RecordAt, SequenceExample, find_records, read_record
from training.errors import DataError

_SHARD = re.compile(r"(?P<category>.+?)_(?P<split>train|test|val)(-\d+-of-\d+|\.tfrecords?).*")
_BATCH = re.compile(r"(?:.*/)?(batch-\d+)[/_](\d+)")
_NEEDED = ("image/encoded", "point_2d", "point_3d", "camera/projection")


class ObjectronRecords(Reader):
    """Annotated Objectron sequences from shards; a record with a wrong checksum is skipped.

    A sequence is named ``<category>/batch-i/j`` where the record says so, else after its place,
    ``<category>/<shard>#<number>``. Frames lacking a needed field are left out and flagged
    ``fields_missing``; the other flags are those of the ``objectron`` reader.
    """

    kind = "objectron-records"

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Whether a file under ``root`` is named like a shard."""
        return root.is_dir() and any(
            _SHARD.fullmatch(path.name) for path in root.rglob("*_t*") if path.is_file()
        )

    def _listed(self) -> Iterator[Listed]:
        taken: set[str] = set()
        for path in files_under(self.root, self.report.note):
            match = _SHARD.fullmatch(path.name)
            if not match:
                continue
            category, split = match["category"], match["split"]
            number = 0
            try:
                for number, record in enumerate(find_records(path)):
                    place = f"{category}/{path.name}#{number}"
                    shard = _Shard(path, category, split, self.dataset)
                    yield Listed(place, split, partial(_sequence, shard, record, place, taken))
            except DataError as error:
                self.report.skip(f"{category}/{path.name} after #{number}", error)


@dataclass(frozen=True, slots=True)
class _Shard:
    path: Path
    category: str
    split: str
    dataset: str


def _sequence(shard: _Shard, record: RecordAt, place: str, taken: set[str]) -> Sequence:
    data = read_record(shard.path, record)
    example = SequenceExample()
    try:
        example.ParseFromString(data)
    except DecodeError as error:
        raise DataError(f"{place} is no SequenceExample: {error}.", "Fetch it again.") from error
    columns = {entry.key: list(entry.value.feature) for entry in example.feature_lists.feature_list}
    missing = [key for key in _NEEDED if not columns.get(key)]
    if missing:
        raise DataError(f"{place} lacks the fields {', '.join(missing)}.", "Fetch the shard again.")
    identifier = _identifier(example, shard.category, place, taken)
    offsets = _image_offsets(data, columns["image/encoded"], record.offset)
    sources: dict[int, ImageSource] = {
        number: EmbeddedImage(shard.path, offset, length, f"{identifier}#{number}")
        for number, (offset, length) in enumerate(offsets)
        if length
    }
    width, height = _size(columns, sources)
    images = FrameImages(width, height, len(offsets), sources.__getitem__)
    times = [_number(columns, "image/timestamp", number) for number in range(len(offsets))]
    seconds = np.array([np.nan if time is None else time for time in times]) / 1e6
    steps = np.diff(seconds)
    step = float(np.median(steps)) if steps.size and np.isfinite(steps).all() else 0.0
    fps = round(1 / step, 3) if step > 0 else 0.0
    views: list[View] = []
    flags: set[str] = set()
    for number in range(len(offsets)):
        frame = _frame(columns, number, shard.category) if number in sources else None
        if frame is None:
            flags.add("fields_missing")
            continue
        annotated, boxes = frame
        found, earned = frame_views(
            annotated, boxes, images, shard.category, f"{identifier}#{{}}".format, fps, 0.0
        )
        views += found
        flags |= earned
    if not views:
        raise DataError(
            f"{place} has {len(offsets)} frames and no usable object in any of them.",
            "Fetch the shard again.",
        )
    if jumps(views):
        flags.add("tracking_jump")
    return Sequence(identifier, shard.dataset, shard.split, fps, tuple(views), tuple(sorted(flags)))


def _identifier(example: Any, category: str, place: str, taken: set[str]) -> str:
    for entry in example.context.feature:
        if entry.key.rpartition("/")[2] == "sequence_id" and entry.value.bytes_list.value:
            match = _BATCH.fullmatch(entry.value.bytes_list.value[0].decode(errors="replace"))
            name = f"{category}/{match[1]}/{match[2]}" if match else place
            if name not in taken:
                taken.add(name)
                return name
    return place


def _image_offsets(data: bytes, features: list[Any], start: int) -> list[tuple[int, int]]:
    """Place in the file and length of each frame's encoded image; (0, 0) where there is none."""
    places = []
    at = 0
    for feature in features:
        encoded = feature.bytes_list.value[0] if feature.bytes_list.value else b""
        found = data.find(encoded, at) if encoded else -1
        if found < 0:
            places.append((0, 0))
        else:
            places.append((start + found, len(encoded)))
            at = found + len(encoded)
    return places


def _size(columns: dict[str, list[Any]], sources: dict[int, ImageSource]) -> tuple[int, int]:
    if not sources:
        raise DataError("No frame has an image.", "Fetch the shard again.")
    first = min(sources)
    encoded = columns["image/encoded"][first].bytes_list.value[0]
    image = decode_image(encoded, sources[first].reference)
    return image.shape[1], image.shape[0]


def _number(columns: dict[str, list[Any]], key: str, number: int) -> int | None:
    features = columns.get(key, [])
    values = features[number].int64_list.value if number < len(features) else ()
    return int(values[0]) if values else None


def _floats(columns: dict[str, list[Any]], key: str, number: int) -> Array:
    """The numbers of one frame; empty where missing or not finite."""
    features = columns.get(key, [])
    values = features[number].float_list.value if number < len(features) else ()
    array = np.array(values, dtype=np.float64)
    return array if np.isfinite(array).all() else np.zeros(0)


def _frame(
    columns: dict[str, list[Any]], number: int, category: str
) -> tuple[AnnotatedFrame, dict[int, AnnotatedBox]] | None:
    """One frame with its boxes in the camera's frame; None where a needed field is missing."""
    point_3d = _floats(columns, "point_3d", number)
    point_2d = _floats(columns, "point_2d", number)
    projection = _floats(columns, "camera/projection", number)
    count = point_3d.size // 27
    if count == 0 or point_3d.size % 27 or point_2d.size != 27 * count or projection.size != 16:
        return None
    visibility = _floats(columns, "object/visibility", number)
    boxes: dict[int, AnnotatedBox] = {}
    objects = []
    for index in range(count):
        points = point_3d.reshape(count, 9, 3)[index]
        box = box_from_vertices(points)
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = box.rotation, box.translation
        boxes[index] = AnnotatedBox(pose, box.scale, category)
        objects.append(
            FrameObject(
                object_id=index,
                point_3d=points,
                point_2d=point_2d.reshape(count, 9, 3)[index, :, :2],
                visibility=float(np.clip(visibility[index], 0, 1))
                if visibility.size == count
                else 1.0,
            )
        )
    frame = AnnotatedFrame(
        frame=number,
        timestamp=0.0,
        view_matrix=np.eye(4),
        projection=projection.reshape(4, 4),
        intrinsics=None,
        sensor=(0, 0),
        plane_center=_floats(columns, "plane/center", number),
        plane_normal=_floats(columns, "plane/normal", number),
        objects=tuple(objects),
    )
    return frame, boxes
