"""TensorFlow's SequenceExample messages, declared field by field, and TFRecord framing.

Field numbers are those of the published ``example.proto`` and ``feature.proto``; maps are
declared as the repeated key-value entries they are on the wire.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.data.crc32c import masked_crc32c
from training.data.protobuf_messages import Messages, declare
from training.errors import DataError

_PACKAGE = "posebank.tfexample"
_MESSAGES: Messages = {
    "BytesList": [("bytes*", "value", 1)],
    "FloatList": [("float*", "value", 1)],
    "Int64List": [("int64*", "value", 1)],
    "Feature": [
        ("BytesList", "bytes_list", 1),
        ("FloatList", "float_list", 2),
        ("Int64List", "int64_list", 3),
    ],
    "FeatureEntry": [("string", "key", 1), ("Feature", "value", 2)],
    "Features": [("FeatureEntry*", "feature", 1)],
    "FeatureList": [("Feature*", "feature", 1)],
    "FeatureListEntry": [("string", "key", 1), ("FeatureList", "value", 2)],
    "FeatureLists": [("FeatureListEntry*", "feature_list", 1)],
    "SequenceExample": [("Features", "context", 1), ("FeatureLists", "feature_lists", 2)],
}


SequenceExample: Any = declare(_PACKAGE, _MESSAGES)["SequenceExample"]
"""``context`` holds features of the sequence, ``feature_lists`` one list a key over frames."""


@dataclass(frozen=True, slots=True)
class RecordAt:
    """Where a record's payload lies in its file, and the checksum it should have."""

    offset: int
    length: int
    masked_crc: int


def find_records(path: Path) -> Iterator[RecordAt]:
    """Every record of a TFRecord file in order, without reading the payloads.

    Raises DataError where a length's checksum is wrong or the file ends inside a record: nothing
    after that point can be found.
    """
    size = path.stat().st_size
    at = 0
    with path.open("rb") as file:
        while at < size:
            file.seek(at)
            header = file.read(12)
            if len(header) < 12:
                raise _broken(path, at, "the file ends inside a record's header")
            length, crc = struct.unpack("<QI", header)
            if masked_crc32c(header[:8]) != crc:
                raise _broken(path, at, "the checksum of a record's length is wrong")
            if at + 16 + length > size:
                raise _broken(path, at, f"{length} bytes are promised but the file ends earlier")
            file.seek(at + 12 + length)
            (crc,) = struct.unpack("<I", file.read(4))
            yield RecordAt(at + 12, length, crc)
            at += 16 + length


def read_record(path: Path, record: RecordAt) -> bytes:
    """The payload of a record, its checksum verified. Raises DataError when it is wrong."""
    with path.open("rb") as file:
        file.seek(record.offset)
        data = file.read(record.length)
    if len(data) != record.length or masked_crc32c(data) != record.masked_crc:
        raise _broken(path, record.offset, "the checksum of a record is wrong")
    return data


def _broken(path: Path, at: int, problem: str) -> DataError:
    return DataError(f"{path.name} at byte {at}: {problem}.", "Fetch the shard again.")
