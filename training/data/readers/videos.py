"""A folder of videos without labels: one sequence a video, every frame one whole-image view."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from training.data.crop import whole_image
from training.data.images import VideoFrame
from training.data.names import files_under
from training.data.readers.base import NO_SPLIT, Listed, Reader, folder_name
from training.data.records import Sequence, View
from training.data.video import VIDEO_SUFFIXES, VideoFile
from training.errors import DataError


class Videos(Reader):
    """Videos anywhere under the root; the folder a video lies in is its category.

    Videos directly in the root have the category ``video``. The instance is the sequence: what a
    video shows is taken for one thing. ``verify`` decodes every video once to count its frames
    (slow), so that a cut-off file is found now and its missing frames are left out.
    """

    kind = "videos"

    def __init__(
        self,
        root: Path,
        *,
        fps: float | None = None,
        dataset: str | None = None,
        verify: bool = False,
    ) -> None:
        super().__init__(root, fps=fps, dataset=dataset or folder_name(root))
        self.verify = verify

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Whether there is a video in ``root`` or up to two folders down."""
        return root.is_dir() and any(
            path.suffix.lower() in VIDEO_SUFFIXES
            for pattern in ("*.*", "*/*.*", "*/*/*.*")
            for path in root.glob(pattern)
        )

    def _listed(self) -> Iterator[Listed]:
        for path in files_under(self.root, self.report.note):
            if path.suffix.lower() in VIDEO_SUFFIXES:
                name = path.relative_to(self.root).as_posix()
                yield Listed(name, NO_SPLIT, partial(self._sequence, name, path))

    def _sequence(self, name: str, path: Path) -> Sequence:
        flags: tuple[str, ...] = ()
        with VideoFile(path) as video:
            frames = video.frames
            if self.verify and (counted := video.count_frames()) != frames:
                frames, flags = counted, ("frame_count_mismatch",)
            if frames == 0:
                raise DataError(f"{path} holds no frames.", "Fetch or re-encode the video.")
            bbox = whole_image(video.width, video.height)
            fps = video.fps
        category = path.parent.name if path.parent != self.root else "video"
        views = tuple(
            View(
                image=VideoFrame(path, frame, f"{name}#{frame}"),
                bbox_xyxy=bbox,
                instance=name,
                category=category,
                frame=frame,
                time_s=frame / fps if fps else 0.0,
            )
            for frame in range(frames)
        )
        return Sequence(name, self.dataset, NO_SPLIT, fps, views, flags)
