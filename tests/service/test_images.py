"""The door for images: types, sizes and damage are seen before or while decoding, never a crash."""

from __future__ import annotations

import struct
import time
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.image_header import HeaderError, read_header
from service.images import check_image, decode
from service.problems import RefusedError
from tests.service.conftest import Live, Query, assert_problem

PICTURE = np.random.default_rng(3).integers(0, 255, (48, 64, 3), dtype=np.uint8)
ENCODED = {kind: cv2.imencode(kind, PICTURE)[1].tobytes() for kind in (".jpg", ".png", ".webp")}


def accept(data: bytes, max_bytes: int = 10**6, max_pixels: int = 10**6) -> np.ndarray:
    check_image(data, max_bytes, max_pixels)
    return decode(data)


def refused(data: bytes, **limits: int) -> str:
    with pytest.raises(RefusedError) as found:
        accept(data, **limits)
    return found.value.slug


@pytest.mark.parametrize("kind", ENCODED)
def test_headers_state_the_decoded_size(kind: str) -> None:
    for width, height in ((1, 1), (64, 48), (17, 300)):
        data = cv2.imencode(kind, np.zeros((height, width, 3), np.uint8))[1].tobytes()
        header = read_header(data)
        assert header is not None
        assert (header.width, header.height) == (width, height)
        assert accept(data).shape == (height, width, 3)


def test_webp_without_loss_and_extended() -> None:
    lossless = cv2.imencode(".webp", PICTURE, [cv2.IMWRITE_WEBP_QUALITY, 101])[1].tobytes()
    alpha = np.dstack([PICTURE, PICTURE[..., :1]])
    with_alpha = cv2.imencode(".webp", alpha, [cv2.IMWRITE_WEBP_QUALITY, 80])[1].tobytes()
    for data in (lossless, with_alpha):
        header = read_header(data)
        assert header is not None
        assert (header.width, header.height) == (64, 48)
        assert accept(data).shape == (48, 64, 3)


def test_progressive_jpeg() -> None:
    data = cv2.imencode(".jpg", PICTURE, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
    assert accept(data).shape == (48, 64, 3)


@pytest.mark.parametrize("kind", ENCODED)
def test_every_cut_is_refused(kind: str) -> None:
    """At no length does a cut file pass, not even one byte short."""
    data = ENCODED[kind]
    for length in sorted({*range(1, 60), *range(60, len(data), 97), len(data) - 1}):
        assert refused(data[:length]) in ("broken-image", "unsupported-image")


def test_bytes_after_the_end_are_allowed() -> None:
    """Phones append a second picture or a video after the first."""
    for data in ENCODED.values():
        assert accept(data + b"\0" * 100).shape == (48, 64, 3)


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_of(width: int, height: int, body: bytes = b"") -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(body)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)


def test_claims_of_size_are_refused_without_decoding() -> None:
    assert refused(png_of(100_000, 100_000)) == "image-too-large"
    assert refused(png_of(2**31 - 1, 2**31 - 1)) == "image-too-large"
    assert refused(png_of(0, 10)) == "broken-image"
    assert refused(png_of(10, 10)) == "broken-image"
    jpeg = bytearray(ENCODED[".jpg"])
    at = jpeg.index(b"\xff\xc0")
    jpeg[at + 5 : at + 9] = struct.pack(">HH", 65535, 65535)
    assert refused(bytes(jpeg)) == "image-too-large"
    assert refused(ENCODED[".png"], max_pixels=64 * 48 - 1) == "image-too-large"
    assert accept(ENCODED[".png"], max_pixels=64 * 48).shape == (48, 64, 3)
    assert refused(ENCODED[".png"], max_bytes=len(ENCODED[".png"]) - 1) == "image-too-large"


def test_many_scans_are_refused() -> None:
    data = cv2.imencode(".jpg", PICTURE, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
    last = data.rindex(b"\xff\xda")
    scan = data[last:-2]
    assert refused(data[:last] + scan * 300 + b"\xff\xd9") == "broken-image"


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xd8" + b"\xff" * 5_000_000,
        b"\xff\xd8\xff\x01" + b"\xff\x01" * 2_000_000,
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0))
        + png_chunk(b"tEXt", b"") * 500_000,
    ],
    ids=["padding", "markers", "chunks"],
)
def test_millions_of_empty_parts_cost_little(data: bytes) -> None:
    start = time.process_time()
    with pytest.raises(HeaderError, match="more than 100000"):
        read_header(data)
    assert time.process_time() - start < 1.0


def test_a_flipped_byte_in_a_png_is_seen() -> None:
    data = bytearray(ENCODED[".png"])
    data[len(data) // 2] ^= 0x55
    assert refused(bytes(data)) == "broken-image"


@pytest.mark.parametrize(
    "data",
    [
        b"GIF89a" + b"\x01\0\x01\0\x80\0\0" + b"\0" * 40,
        b"BM" + bytes(100),
        b"II*\0" + bytes(100),
        b"%PDF-1.7",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"RIFF\x10\0\0\0WAVEfmt ",
        b"\0\0\0\x1cftypheic" + bytes(50),
        b"hello",
        b"\xff\xd8",
    ],
)
def test_other_types(data: bytes) -> None:
    assert refused(data) == "unsupported-image"


def test_nothing_at_all() -> None:
    assert refused(b"") == "broken-image"


def test_grey_alpha_and_deep_pictures_become_rgb() -> None:
    grey = accept(cv2.imencode(".png", PICTURE[..., 0])[1].tobytes())
    np.testing.assert_array_equal(grey, np.repeat(PICTURE[..., :1], 3, axis=2))
    deep = accept(cv2.imencode(".png", PICTURE.astype(np.uint16) * 257)[1].tobytes())
    np.testing.assert_array_equal(deep, PICTURE[..., ::-1])
    alpha = np.dstack([PICTURE, np.full(PICTURE.shape[:2], 9, np.uint8)])
    np.testing.assert_array_equal(
        accept(cv2.imencode(".png", alpha)[1].tobytes()), PICTURE[..., ::-1]
    )


@given(st.binary(max_size=400), st.sampled_from([b"", *(d[:30] for d in ENCODED.values())]))
def test_random_bytes_are_refused_and_nothing_else(tail: bytes, head: bytes) -> None:
    assert refused(head + tail) in ("broken-image", "unsupported-image", "image-too-large")


@settings(max_examples=150)
@given(
    st.sampled_from(sorted(ENCODED)),
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=8),
)
def test_damaged_files_are_refused_or_decoded(kind: str, damage: list[tuple[int, int]]) -> None:
    data = bytearray(ENCODED[kind])
    for place, value in damage:
        data[place % len(data)] = value
    try:
        image = accept(bytes(data))
    except RefusedError:
        return
    assert image.dtype == np.uint8
    assert image.ndim == 3


@given(st.binary(max_size=200))
def test_the_header_reader_raises_only_its_own_error(data: bytes) -> None:
    for start in (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBP"):
        try:
            read_header(start + data)
        except HeaderError:
            continue


@pytest.mark.parametrize("route", ["/pose/estimate", "/reid/search"])
def test_over_http(live: Live, query: Query, route: str) -> None:
    assert_problem(live.ask(route, b""), 422, "broken-image")
    assert_problem(live.ask(route, query.jpeg[:-200]), 422, "broken-image")
    assert_problem(live.ask(route, b"no image"), 415, "unsupported-image")
    assert_problem(live.ask(route, png_of(100_000, 100_000)), 413, "image-too-large")
    for data in ENCODED.values():
        assert live.ask(route, data).status_code == 200
