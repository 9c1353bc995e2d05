"""One video file, decoded front to back: exact frames, because nothing ever seeks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np

from training.data.names import is_text, readable
from training.data.records import ImageRGB
from training.errors import DataError

VIDEO_SUFFIXES = frozenset({".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg"})

_TURNS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}


def rotate_image(image: ImageRGB, degrees: int) -> ImageRGB:
    """``image`` (H, W, 3) uint8 turned clockwise by 0, 90, 180 or 270 degrees."""
    if degrees == 0:
        return image
    return np.asarray(cv2.rotate(image, _TURNS[degrees]), dtype=np.uint8)


class VideoFile:
    """A video opened once; frames count from 0 and are RGB uint8 (H, W, 3).

    ``frames`` and ``fps`` are what the header promises (``count_frames`` decodes to find out);
    ``width`` and ``height`` are those of the decoded frames, after the rotation the file itself
    asks for. Raises DataError when the file is missing or no video.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise DataError(
                f"There is no video {path}.", "Check the path; fetch the file if it was left out."
            )
        if not is_text(str(path)):
            raise DataError(  # OpenCV would end the process
                f"The name of {readable(str(path))} is not UTF-8.", "Rename the file or its folder."
            )
        self.path = path
        self._capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
        if not self._capture.isOpened():
            raise DataError(
                f"{path} ({path.stat().st_size} bytes) does not open as a video.",
                "It may be cut off or not a video: fetch it again or re-encode it with ffmpeg.",
            )
        self.width = int(self._capture.get(cv2.CAP_PROP_FRAME_WIDTH))
        self.height = int(self._capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
        self.frames = max(int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)), 0)
        fps = float(self._capture.get(cv2.CAP_PROP_FPS))
        self.fps = fps if np.isfinite(fps) and 0.0 < fps < 1e4 else 0.0
        self._next = 0
        self._image: ImageRGB | None = None

    @property
    def position(self) -> int:
        """Index of the frame decoded last; -1 before the first. ``frame`` goes forward from it."""
        return self._next - 1

    def frame(self, index: int) -> ImageRGB:
        """Frame ``index``, not before ``position``; the frames between are grabbed, not converted.

        The array of the last frame is kept and handed out again when asked for once more: do not
        write into it. Raises DataError when the video ends or breaks earlier.
        """
        if index == self.position and self._image is not None:
            return self._image
        if index < self.position:
            raise ValueError(f"frame {index} lies behind position {self.position}")
        self._image = None
        while self._next <= index:
            if not self._capture.grab():
                raise DataError(
                    f"{self.path} ends after {self._next} frames; frame {index} was asked for "
                    f"and its header promises {self.frames}.",
                    "The file is cut off or damaged: fetch it again, or leave out the late frames.",
                )
            self._next += 1
        image = self._retrieve()
        if image is None:
            raise DataError(
                f"Frame {index} of {self.path} cannot be decoded.",
                "The file is damaged: fetch it again or re-encode it with ffmpeg.",
            )
        self._image = image
        return image

    def _retrieve(self) -> ImageRGB | None:
        decoded, image = self._capture.retrieve()
        if not decoded or image is None:
            return None
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8)

    def read(self, indices: Iterable[int]) -> Iterator[tuple[int, ImageRGB]]:
        """(index, frame) for every one of the ascending ``indices``."""
        for index in indices:
            yield index, self.frame(index)

    def count_frames(self) -> int:
        """Frames that really decode from here to the end plus those before; uses the video up."""
        while self._capture.grab():
            self._next += 1
        self._image = None
        return self._next

    def close(self) -> None:
        """Gives the decoder back."""
        self._capture.release()

    def __enter__(self) -> VideoFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
