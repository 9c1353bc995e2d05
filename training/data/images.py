"""Images that are decoded only when asked for, and the loop that decodes many views fast."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from training.data.records import ImageRGB, ImageSource, View
from training.data.video import VideoFile, rotate_image
from training.errors import DataError

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})
_OPEN_VIDEOS = 4  # interleaved videos stay open side by side up to this many
_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8"
_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd8\xff]", re.DOTALL)  # not stuffing, not a restart


def decode_image(data: bytes, name: str = "The image") -> ImageRGB:
    """(H, W, 3) uint8 RGB from the bytes of a JPEG, PNG, WebP, BMP or TIFF file.

    A camera's own orientation mark is obeyed, alpha is dropped, 16 bits become 8. Raises
    DataError for other bytes and for JPEG and PNG files that were cut off, which decoders
    would fill with grey.
    """
    cut_off = (data.startswith(_JPEG) and not _jpeg_is_whole(data)) or (
        data.startswith(_PNG) and b"IEND" not in data
    )
    if cut_off:
        raise DataError(
            f"{name} ({len(data)} bytes) is cut off: its end mark is missing.",
            "Fetch or export the file again.",
        )
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    except cv2.error:
        image = None
    if image is None:
        raise DataError(
            f"{name} ({len(data)} bytes) cannot be decoded as an image.",
            "Give a JPEG, PNG, WebP, BMP or TIFF file.",
        )
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def _jpeg_is_whole(data: bytes) -> bool:
    """Whether the markers lead to the end mark; phones append previews or films after it."""
    at = 2
    while (marker := _MARKER.search(data, at)) is not None:
        if marker[0] == b"\xff\xd9":
            return True
        at = marker.end() + int.from_bytes(data[marker.end() : marker.end() + 2], "big")
    return False


def read_bytes(path: Path) -> bytes:
    """The bytes of ``path``; DataError instead of OSError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{path} cannot be read: {error.strerror or error}.",
            "Check that the file exists and may be read.",
        ) from error


def image_size(path: Path) -> tuple[int, int]:
    """(width, height) of the decoded image; PNG and plain JPEG files give it without decoding."""
    try:
        with path.open("rb") as file:
            head = file.read(65536)
    except OSError:
        head = b""
    size = _png_size(head) or _jpeg_size(head)
    if size is None:
        image = decode_image(read_bytes(path), str(path))
        size = (image.shape[1], image.shape[0])
    return size


def _png_size(head: bytes) -> tuple[int, int] | None:
    if not head.startswith(_PNG) or head[12:16] != b"IHDR" or len(head) < 24 or b"eXIf" in head:
        return None
    return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")


def _jpeg_size(head: bytes) -> tuple[int, int] | None:
    if not head.startswith(_JPEG):
        return None
    at = 2
    while at + 9 <= len(head) and head[at] == 0xFF:
        marker = head[at + 1]
        if marker == 0xE1:  # Exif may ask for a rotation
            return None
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return (
                int.from_bytes(head[at + 7 : at + 9], "big"),
                int.from_bytes(head[at + 5 : at + 7], "big"),
            )
        at += 2 + int.from_bytes(head[at + 2 : at + 4], "big")
    return None


def file_states(views: Iterable[View]) -> list[list[object]]:
    """[path, bytes, time of change in ns] of every file behind the views, sorted by path.

    Tells whether files changed since something was made of them; bytes and time are missing
    where a file is.
    """
    paths = {view.image.path for view in views if hasattr(view.image, "path")}
    states: list[list[object]] = []
    for path in sorted(paths):
        try:
            status = path.stat()
        except OSError:
            states.append([str(path)])
            continue
        states.append([str(path), status.st_size, status.st_mtime_ns])
    return states


@dataclass(frozen=True, slots=True)
class FileImage:
    """An image file of its own."""

    path: Path
    reference: str

    def load(self) -> ImageRGB:
        """(H, W, 3) uint8 RGB. Raises DataError if it cannot be read or decoded."""
        return decode_image(read_bytes(self.path), str(self.path))


@dataclass(frozen=True, slots=True)
class EmbeddedImage:
    """An image file that lies as ``length`` bytes at ``offset`` inside another file."""

    path: Path
    offset: int
    length: int
    reference: str

    def load(self) -> ImageRGB:
        """(H, W, 3) uint8 RGB. Raises DataError if it cannot be read or decoded."""
        try:
            with self.path.open("rb") as file:
                file.seek(self.offset)
                data = file.read(self.length)
        except OSError as error:
            raise DataError(
                f"{self.path} cannot be read: {error.strerror or error}.",
                "Check that the file exists and may be read.",
            ) from error
        return decode_image(data, self.reference)


@dataclass(frozen=True, slots=True)
class VideoFrame:
    """Frame ``frame`` (from 0) of a video, turned clockwise by ``rotate`` degrees.

    ``load`` decodes from the start of the video every time; use ``load_views`` for many.
    """

    path: Path
    frame: int
    reference: str
    rotate: int = 0

    def load(self) -> ImageRGB:
        """(H, W, 3) uint8 RGB. Raises DataError if the video ends or breaks before the frame."""
        with VideoFile(self.path) as video:
            return rotate_image(video.frame(self.frame), self.rotate)


def load_views(
    views: Iterable[View], on_error: Callable[[View, DataError], None] | None = None
) -> Iterator[tuple[View, ImageRGB]]:
    """Every view with its decoded image (H, W, 3) uint8 RGB, in the order given.

    Views in ascending frame order open each video once and grab() over the frames between;
    neighbours in the order that share an image share its array, so do not write into it.
    An image that cannot be decoded raises DataError, or is handed to ``on_error`` and left out.
    """
    decoder = _Decoder()
    try:
        for view in views:
            try:
                image = decoder.load(view.image)
            except DataError as error:
                if on_error is None:
                    raise
                on_error(view, error)
                continue
            yield view, image
    finally:
        decoder.close()


class _Decoder:
    """Keeps a few videos open and the last decoded image at hand."""

    def __init__(self) -> None:
        self._videos: OrderedDict[Path, VideoFile] = OrderedDict()
        self._source: ImageSource | None = None
        self._image: ImageRGB | None = None

    def load(self, source: ImageSource) -> ImageRGB:
        if self._image is not None and source == self._source:
            return self._image
        self._source, self._image = None, None
        if isinstance(source, VideoFrame):
            image = rotate_image(self._video(source).frame(source.frame), source.rotate)
        else:
            image = source.load()
        self._source, self._image = source, image
        return image

    def _video(self, source: VideoFrame) -> VideoFile:
        video = self._videos.pop(source.path, None)
        if video is not None and video.position > source.frame:
            video.close()
            video = None
        if video is None:
            video = VideoFile(source.path)
        self._videos[source.path] = video
        if len(self._videos) > _OPEN_VIDEOS:
            self._videos.popitem(last=False)[1].close()
        return video

    def close(self) -> None:
        while self._videos:
            self._videos.popitem()[1].close()
