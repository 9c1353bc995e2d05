"""PNG files chunk by chunk (its specification; ours): whole, and no more than a picture."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

MAX_SEGMENTS = 100_000
"""Segments or chunks of an image looked at; millions of empty ones are an attack on time."""

_PICTURE = frozenset({b"IHDR", b"PLTE", b"tRNS", b"eXIf", b"IDAT", b"IEND"})
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_STEP_BYTES = 1 << 20


class HeaderError(ValueError):
    """The bytes begin as an image of a known type and then are not one."""


def png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of every chunk up to IEND.

    Raises HeaderError where that is missing, or a chunk fails its checksum.
    """
    at = len(PNG_SIGNATURE)
    for _ in range(MAX_SEGMENTS):
        if at >= len(data):
            raise HeaderError("its end is missing")
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            raise HeaderError("its end is missing")
        (stated,) = struct.unpack_from(">I", data, end - 4)
        if zlib.crc32(memoryview(data)[at + 4 : end - 4]) != stated:
            raise HeaderError(f"its {kind.decode('latin-1')!r} chunk fails its checksum")
        yield kind, at, end
        if kind == b"IEND":
            return
        at = end
    raise HeaderError(f"it has more than {MAX_SEGMENTS} chunks")


def picture_alone(data: bytes) -> bytes:
    """A PNG without what a decoder would only waste time on: animations, and the texts and colour
    profiles of which a few bytes unpack to megabytes.

    Raises HeaderError where the picture itself unpacks to far more than its size needs.
    """
    wanted = [(kind, start, end) for kind, start, end in png_chunks(data) if kind in _PICTURE]
    _, start, _ = wanted[0]
    width, height, depth, colour = struct.unpack_from(">IIBB", data, start + 8)
    row_bytes = 1 + (width * depth * _CHANNELS.get(colour, 1) + 7) // 8
    # Interlaced, a picture has less than twice the rows, each with a byte of its own.
    packed = b"".join(data[start + 8 : end - 4] for kind, start, end in wanted if kind == b"IDAT")
    _check_unpacked(packed, 2 * height * row_bytes + _STEP_BYTES)
    return PNG_SIGNATURE + b"".join(data[start:end] for _, start, end in wanted)


def _check_unpacked(packed: bytes, limit: int) -> None:
    unpack, seen = zlib.decompressobj(), 0
    try:
        while packed and not unpack.eof:
            seen += len(unpack.decompress(packed, _STEP_BYTES))
            packed = unpack.unconsumed_tail
            if seen > limit:
                raise HeaderError(f"its picture unpacks to more than {limit} bytes")
    except zlib.error as error:
        raise HeaderError("its picture cannot be unpacked") from error
