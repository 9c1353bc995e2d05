"""Objectron from its own files: ``annotation.pbdata`` + ``video.MOV``, without TensorFlow.

Folders as published (``annotations/<category>/batch-i/j.pbdata`` beside
``videos/<category>/batch-i/j/video.MOV``), or one folder a sequence that holds both files.
Splits are those of ``index/``. One sequence shows one or several objects; each is a view of its
own, with the instance ``<sequence>#<object id>`` unless ``instances.json`` names it.

Flags a sequence can earn: plane_missing, tracking_jump, blurred, frame_count_mismatch,
category_unlike_folder, point_3d_mismatch, point_2d_mismatch, intrinsics_mismatch,
aspect_mismatch, repeated_frames, object_unknown, views_outside_image, rotated.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from training.data.crop import crop_view
from training.data.images import VideoFrame, load_views, read_bytes
from training.data.readers.base import Listed, Reader
from training.data.readers.objectron_frames import Annotation, parse_annotation
from training.data.readers.objectron_layout import (
    Files,
    count_notes,
    find_sequences,
    read_index,
    read_instances,
    split_of,
    unlike_folder,
)
from training.data.readers.objectron_views import FrameImages, frame_views, jumps
from training.data.records import Sequence, View
from training.data.video import VideoFile
from training.errors import DataError

_SHARP_SHARE = 0.05  # a sharp 128 px crop has more pixels than this with a strong edge
_BLUR_FRAMES = 8


class Objectron(Reader):
    """Annotated Objectron sequences.

    ``verify`` decodes every video once (slow): it counts the frames that are really there and
    flags ``blurred`` sequences; without it the video's header is believed.
    """

    kind = "objectron"

    def __init__(
        self,
        root: Path,
        *,
        fps: float | None = None,
        dataset: str | None = None,
        verify: bool = False,
    ) -> None:
        super().__init__(root, fps=fps, dataset=dataset)
        self.verify = verify

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Whether there is an annotation in the published or the side-by-side layout."""
        beside = ("*/" * depth + "annotation.pbdata" for depth in range(5))
        return root.is_dir() and any(
            True for pattern in ("annotations/*/*/*.pbdata", *beside) for _ in root.glob(pattern)
        )

    def _listed(self) -> Iterator[Listed]:
        index = read_index(self.root)
        instances = read_instances(self.root)
        found = list(find_sequences(self.root, self.report.note))
        for note in count_notes(found, index):
            self.report.note(note)
        for files in found:
            split = split_of(files.id, index)
            names = instances.get(files.id, {})
            yield Listed(files.id, split, partial(self._sequence, files, split, names))

    def _sequence(self, files: Files, split: str, names: dict[str, str]) -> Sequence:
        annotation = parse_annotation(read_bytes(files.annotation), files.annotation.name)
        annotated = {known.category for known in annotation.objects.values()}
        category = files.category or min(annotated) or "object"
        with VideoFile(files.video) as video:
            turned = video.width > video.height  # decoded as the landscape sensor saw it
            width, height = sorted((video.width, video.height))
            fps, promised = video.fps, video.frames
            frames = video.count_frames() if self.verify else promised
        images = FrameImages(
            width,
            height,
            frames,
            partial(_image, files, 90 if turned else 0),
        )
        flags = _sequence_flags(annotation, frames, promised)
        if turned:
            flags.add("rotated")
        if unlike_folder(annotated, category):
            flags.add("category_unlike_folder")
        views: list[View] = []
        start = annotation.frames[0].timestamp
        for frame in annotation.frames:
            if 0 <= frame.frame < frames:
                found, earned = frame_views(
                    frame,
                    annotation.objects,
                    images,
                    category,
                    partial(_instance, files.id, names),
                    fps,
                    start,
                )
                views += found
                flags |= earned
        if not views:
            raise DataError(
                f"{files.id} has {len(annotation.frames)} annotated frames, {frames} video frames "
                f"and no object in any of them ({', '.join(sorted(flags)) or 'no flags'}).",
                "Fetch annotation and video again.",
            )
        if jumps(views):
            flags.add("tracking_jump")
        if self.verify and blurred(views):
            flags.add("blurred")
        return Sequence(files.id, self.dataset, split, fps, tuple(views), tuple(sorted(flags)))


def _image(files: Files, rotate: int, frame: int) -> VideoFrame:
    return VideoFrame(files.video, frame, f"{files.id}#{frame}", rotate)


def _instance(sequence: str, names: dict[str, str], object_id: int) -> str:
    return names.get(str(object_id), f"{sequence}#{object_id}")


def _sequence_flags(annotation: Annotation, frames: int, promised: int) -> set[str]:
    flags = set()
    if len(annotation.frames) != frames or frames != promised:
        flags.add("frame_count_mismatch")
    if annotation.repeated_frames:
        flags.add("repeated_frames")
    return flags


def blurred(views: list[View]) -> bool:
    """Whether most of a few crops spread over the sequence have hardly a strong edge (ours)."""
    chosen = [views[i] for i in np.linspace(0, len(views) - 1, _BLUR_FRAMES).astype(int)]
    soft = 0
    for view, image in load_views(chosen):
        grey = cv2.cvtColor(crop_view(image, view.bbox_xyxy, 128), cv2.COLOR_RGB2GRAY)
        edges = np.abs(cv2.Laplacian(grey, cv2.CV_32F))
        soft += float((edges > 20).mean()) < _SHARP_SHARE
    return soft > len(chosen) / 2
