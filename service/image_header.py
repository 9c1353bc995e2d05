"""Reads type and size of an image from its header, and whether its end is there.

Nothing is decoded: a file that claims a hundred thousand pixels a side is refused for the price
of reading its first bytes. Formats: JPEG, PNG, WebP (their specifications; ours).
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from service.png import MAX_SEGMENTS, PNG_SIGNATURE, HeaderError, png_chunks

MAX_JPEG_SCANS = 32
"""A progressive JPEG has about ten scans. Each costs a pass over all pixels, however few bytes it
has: a small file with hundreds is an attack on time."""

# Inside coded data a byte FF is followed by 00, or by the restart markers D0 to D7.
_NEXT_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_SOF_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_STANDALONE_MARKERS = frozenset({0x01, *range(0xD0, 0xD9)})


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """Type of an image file and its stored size in pixels, before any EXIF rotation."""

    kind: str
    width: int
    height: int


def read_header(data: bytes) -> ImageHeader | None:
    """The header of a JPEG, PNG or WebP file; None where the bytes are of no such type.

    Raises HeaderError where the type is known but the file is broken or cut short.
    """
    try:
        if data.startswith(b"\xff\xd8\xff"):
            return _read_jpeg(data)
        if data.startswith(PNG_SIGNATURE):
            return _read_png(data)
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return _read_webp(data)
    except (struct.error, IndexError) as error:
        raise HeaderError("it ends inside its header") from error
    return None


def _read_jpeg(data: bytes) -> ImageHeader:
    at, scans = 2, 0
    header: ImageHeader | None = None
    for _ in range(MAX_SEGMENTS):
        if data[at] != 0xFF:
            raise HeaderError(f"there is no JPEG marker at byte {at}")
        marker = data[at + 1]
        if marker == 0xFF:  # padding before a marker
            at += 1
            continue
        if marker in _STANDALONE_MARKERS:
            at += 2
            continue
        if marker == 0xD9:
            if header is None or not scans:
                raise HeaderError("it has no image data")
            return header
        (length,) = struct.unpack_from(">H", data, at + 2)
        if marker in _SOF_MARKERS:
            if header is not None:
                raise HeaderError("it states its size twice")
            height, width = struct.unpack_from(">HH", data, at + 5)
            header = ImageHeader("JPEG", width, height)
        at += 2 + length
        if marker == 0xDA:
            if header is None:
                raise HeaderError("it states no size")
            scans += 1
            if scans > MAX_JPEG_SCANS:
                raise HeaderError(f"it has more than {MAX_JPEG_SCANS} scans")
            found = _NEXT_MARKER.search(data, at)
            if found is None:
                raise HeaderError("its end is missing")
            at = found.start()
    raise HeaderError(f"it has more than {MAX_SEGMENTS} segments")


def _read_png(data: bytes) -> ImageHeader:
    header: ImageHeader | None = None
    for kind, start, end in png_chunks(data):
        if header is None:
            if kind != b"IHDR" or end - start != 25:
                raise HeaderError("it does not begin with its size")
            width, height = struct.unpack_from(">II", data, start + 8)
            header = ImageHeader("PNG", width, height)
    assert header is not None  # there is a last chunk
    return header


def _read_webp(data: bytes) -> ImageHeader:
    (size,) = struct.unpack_from("<I", data, 4)
    if size + 8 > len(data):
        raise HeaderError("its end is missing")
    kind = data[12:16]
    if kind == b"VP8X":
        width = 1 + int.from_bytes(data[24:27], "little")
        height = 1 + int.from_bytes(data[27:30], "little")
    elif kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    elif kind == b"VP8 ":
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", data, 26))
    else:
        raise HeaderError("it states no size")
    return ImageHeader("WebP", width, height)
