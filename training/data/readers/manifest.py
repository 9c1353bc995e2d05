"""``manifest.jsonl``: anyone's own frames with boxes, keypoints, identities and cameras.

docs/bring-your-own-data.md documents every field. A line that breaks a rule costs its sequence,
with file, line, field, limit and remedy in the report, and never the run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
from pydantic import ValidationError

from training.data.crop import whole_image
from training.data.images import FileImage, VideoFrame, image_size
from training.data.readers.base import Listed, Reader, folder_name
from training.data.readers.manifest_schema import ManifestLine
from training.data.records import Array, ImageSource, Sequence, View
from training.data.video import VideoFile
from training.errors import DataError

MANIFEST = "manifest.jsonl"
_SEQUENCE = re.compile(r'"sequence"\s*:\s*"((?:[^"\\]|\\.)*)"')
_FIX = "Correct that line; docs/bring-your-own-data.md lists every field."


class Manifest(Reader):
    """Sequences of a ``manifest.jsonl`` in ``root`` (or ``root`` is the file itself).

    Paths in it are relative to its folder and may not leave it. Views of a sequence may be
    anywhere in the file; they come ordered by frame, then instance.
    """

    kind = "manifest"

    def __init__(self, root: Path, *, fps: float | None = None, dataset: str | None = None) -> None:
        folder = root.parent if root.is_file() else root
        super().__init__(root, fps=fps, dataset=dataset or folder_name(folder))
        self.folder = folder
        self.path = root if root.is_file() else root / MANIFEST
        if not self.path.is_file():
            raise DataError(f"There is no {self.path}.", "Write one line of JSON a view into it.")

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Whether ``root`` is a ``.jsonl`` file or holds ``manifest.jsonl``."""
        return (root.is_file() and root.suffix == ".jsonl") or (root / MANIFEST).is_file()

    def _listed(self) -> Iterator[Listed]:
        groups: dict[str, list[tuple[int, str]]] = {}
        with self.path.open(encoding="utf-8", errors="replace") as file:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                name = _sequence_of(line)
                if name is None:
                    self.report.skip(
                        f"line {number}",
                        f"{self.path.name} line {number} names no sequence and is left out. {_FIX}",
                    )
                else:
                    groups.setdefault(name, []).append((number, line))
        for name in sorted(groups):
            yield Listed(name, _split_of(groups[name]), partial(self._read, name, groups[name]))

    def _read(self, name: str, lines: list[tuple[int, str]]) -> Sequence:
        rows = [(number, self._parse(number, text)) for number, text in lines]
        first_number, first = rows[0]
        for key in ("split", "fps"):
            for number, row in rows:
                if getattr(row, key) != getattr(first, key):
                    raise self._error(
                        number,
                        key,
                        f"is {getattr(row, key)!r}, but line {first_number} of the same sequence "
                        f"says {getattr(first, key)!r}",
                    )
        videos = {row.video for _, row in rows if row.video is not None}
        opened = {video: self._video(rows, video) for video in sorted(videos)}
        fps = first.fps
        if fps is None:
            fps = next(iter(opened.values()))[2] if opened else 0.0
        views = []
        seen: dict[tuple[int, str], int] = {}
        frames = _frame_numbers(rows)
        for (number, row), frame in zip(rows, frames, strict=True):
            view = self._view(number, row, frame, fps, opened)
            key_of_view = (view.frame, view.instance)
            if key_of_view in seen:
                raise self._error(
                    number,
                    "instance",
                    f"{view.instance!r} is in frame {view.frame} already (line "
                    f"{seen[key_of_view]}); an instance is once in a frame",
                )
            seen[key_of_view] = number
            views.append(view)
        views.sort(key=lambda view: (view.frame, view.instance))
        return Sequence(name, self.dataset, first.split, fps, tuple(views))

    def _parse(self, number: int, text: str) -> ManifestLine:
        try:
            return ManifestLine.model_validate_json(text)
        except ValidationError as error:
            problem = error.errors(include_url=False, include_context=False)[0]
            field = ".".join(str(part) for part in problem["loc"]) or "the line"
            message = problem["msg"].removeprefix("Value error, ")
            given = problem["input"]
            shown = "" if isinstance(given, dict) else f", given {json.dumps(given)[:80]}"
            raise self._error(number, field, f"{message}{shown}") from error

    def _error(self, number: int, field: str, problem: str) -> DataError:
        return DataError(f"{self.path.name} line {number}, {field}: {problem}.", _FIX)

    def _inside(self, number: int, field: str, text: str) -> Path:
        """The path ``text`` names, refused when it leads out of the manifest's folder."""
        parts = PurePosixPath(text.replace("\\", "/"))
        path = self.folder / text
        try:
            outside = parts.is_absolute() or ".." in parts.parts or ":" in text.split("/")[0]
            if outside or not path.resolve().is_relative_to(self.folder.resolve()):
                raise self._error(
                    number, field, f"{text!r} leads out of {self.folder}; paths must stay inside"
                )
            found = path.is_file()
        except (OSError, ValueError):  # names no file system can hold
            found = False
        if not found:
            raise self._error(number, field, f"there is no file {text!r} in {self.folder}")
        return path

    def _video(
        self, rows: list[tuple[int, ManifestLine]], video: str
    ) -> tuple[Path, int, float, Array]:
        number = next(number for number, row in rows if row.video == video)
        path = self._inside(number, "video", video)
        with VideoFile(path) as opened:
            return path, opened.frames, opened.fps, whole_image(opened.width, opened.height)

    def _view(
        self,
        number: int,
        row: ManifestLine,
        frame: int,
        fps: float,
        videos: dict[str, tuple[Path, int, float, Array]],
    ) -> View:
        image: ImageSource
        if row.video is not None:
            path, frames, _, whole = videos[row.video]
            if frame >= frames:
                raise self._error(
                    number, "frame", f"{frame} is past the end of {row.video} ({frames} frames)"
                )
            image = VideoFrame(path, frame, f"{row.video}#{frame}")
        else:
            assert row.image is not None  # the schema demands one of the two
            path = self._inside(number, "image", row.image)
            whole = whole_image(*image_size(path))
            image = FileImage(path, row.image)
        bbox = whole if row.bbox_xyxy is None else np.array(row.bbox_xyxy)
        if (np.minimum(bbox[2:], whole[2:]) <= np.maximum(bbox[:2], whole[:2])).any():
            raise self._error(
                number,
                "bbox_xyxy",
                f"{bbox.tolist()} does not touch the image of {whole[2] + 0.5:.0f} x "
                f"{whole[3] + 0.5:.0f} px",
            )
        camera = row.camera.record() if row.camera else None
        if camera and (camera.width, camera.height) != (whole[2] + 0.5, whole[3] + 0.5):
            raise self._error(
                number,
                "camera",
                f"is for {camera.width} x {camera.height} px, but the image has "
                f"{whole[2] + 0.5:.0f} x {whole[3] + 0.5:.0f}",
            )
        return View(
            image=image,
            bbox_xyxy=bbox,
            instance=row.instance or row.sequence,
            category=row.category,
            frame=frame,
            time_s=row.time_s if row.time_s is not None else (frame / fps if fps else 0.0),
            camera=camera,
            plane=row.plane.record() if row.plane else None,
            box9=row.box9.record() if row.box9 else None,
            keypoints=row.keypoints.record() if row.keypoints else None,
            visibility=row.visibility,
            attributes=row.attributes,
        )


def _sequence_of(line: str) -> str | None:
    """The sequence a line belongs to, read even from a line that is broken elsewhere."""
    try:
        value = json.loads(line)
        name = value.get("sequence") if isinstance(value, dict) else None
    except (ValueError, RecursionError):
        match = _SEQUENCE.search(line)
        name = match[1] if match else None
    return name if isinstance(name, str) and name else None


def _split_of(lines: list[tuple[int, str]]) -> str:
    try:
        split = json.loads(lines[0][1]).get("split", "all")
    except (ValueError, RecursionError):
        split = "all"
    return split if isinstance(split, str) else "all"


def _frame_numbers(rows: list[tuple[int, ManifestLine]]) -> list[int]:
    """Given frame numbers; images without one are counted in order of appearance."""
    counted: dict[str | None, int] = {}
    numbers = []
    for _, row in rows:
        if row.frame is not None:
            numbers.append(row.frame)
        else:
            numbers.append(counted.setdefault(row.image, len(counted)))
    return numbers
