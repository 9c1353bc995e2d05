"""Frames of a video file as the images that /actions/search takes."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from training.data.video import VideoFile
from training.errors import DataError


def clip_images(video: Path, count: int = 8) -> list[bytes]:
    """At most ``count`` frames spread evenly over a video, in order of time, as JPEG files.

    Raises DataError where the file is no video or ends early.
    """
    with VideoFile(video) as opened:
        frames = opened.frames
        if not frames or count < 1:
            raise DataError(
                f"{count} of the {frames} frames of {video} were asked for.",
                "Ask for at least one frame of a video that has frames.",
            )
        # The middles of equal parts: first and last frames are often black.
        middles = (np.arange(count) + 0.5) * frames / count
        return [
            cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes()
            for _, image in opened.read(np.unique(middles.astype(int)).tolist())
        ]
