"""UCF101 (Soomro, Zamir & Shah 2012): 13,320 clips of 101 actions, and its three official folds.

Clips ``<Class>/v_<Class>_gGG_cCC.avi`` in the root or in ``UCF-101/`` and the like, the lists in
``ucfTrainTestlist/`` (see ``ucf101_lists``). Also the frames that the authors' released code
extracts: ``split-k/{train,test}/class-c/group-g/seq-s/frame_000000.jpg``.

The category is the class. The instance is the group, ``<Class>/gGG``: its clips are cut from one
video, so they show the same person in the same place, and no split of ours may part them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from training.data.crop import whole_image
from training.data.images import FileImage, VideoFrame, image_size
from training.data.names import files_under
from training.data.readers.base import NO_SPLIT, Listed, Reader
from training.data.readers.ucf101_lists import (
    CLASSES,
    CLIPS,
    FOLD_SIZES,
    Fold,
    Lists,
    clip_key,
    find_lists,
    read_class_numbers,
    read_lists,
)
from training.data.records import Array, ImageSource, Sequence, View
from training.data.video import VIDEO_SUFFIXES, VideoFile
from training.errors import DataError

UNLISTED = "unlisted"
"""The split of clips that neither list of the fold names."""

NOMINAL_FPS = 25.0
"""Frames a second taken for extracted frames, which carry no clock (ours: UCF101's usual rate)."""

_CLIP = re.compile(r"v_(?P<name>[^_]+)_g(?P<group>\d+)_c(?P<clip>\d+)", re.IGNORECASE)
_FRAMES = re.compile(
    r"split-(?P<fold>\d)/(?P<split>train|test)/(?:class-)?(?P<name>[^/]+)/(?:group-|g)(?P<group>\d+)"
    r"/(?:seq-|c)(?P<clip>\d+)"
)


@dataclass(frozen=True, slots=True)
class _Clip:
    """A clip found: a video, or a folder of frames; ``group`` and ``number`` from its name."""

    path: Path
    name: str
    category: str
    group: int
    number: int
    frames: tuple[Path, ...] = ()
    flags: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return f"{self.category}/{self.name}"


class Ucf101(Reader):
    """One sequence a clip; every frame is one view.

    ``fold`` chooses among the official folds; splits are ``train``, ``test`` and, for clips in
    neither list, ``unlisted`` (``all`` where there are no lists). ``view`` says what a view is:
    ``"frame"``, the whole frame (paper), or ``"square"``, its centre square, which the released
    code cuts. ``verify`` decodes every clip once to count its frames (slow).

    Attributes: ``group`` and ``clip`` from the name, ``class_number`` from 1 as in classInd.txt.
    Flags: ``class_unlike_folder`` where the name tells of another class than the folder, which is
    trusted; ``frame_count_mismatch`` (``verify``).
    """

    kind = "ucf101"

    def __init__(
        self,
        root: Path,
        *,
        fps: float | None = None,
        dataset: str | None = None,
        fold: Fold = 1,
        view: Literal["frame", "square"] = "frame",
        verify: bool = False,
    ) -> None:
        super().__init__(root, fps=fps, dataset=dataset)
        if fold not in FOLD_SIZES:
            raise DataError(f"fold is {fold!r}; UCF101 has 1, 2 and 3.", "Leave it out for 1.")
        if view not in ("frame", "square"):
            raise DataError(
                f"view is {view!r}; it must be 'frame' or 'square'.", "Leave it out for 'frame'."
            )
        self.fold: int = fold
        self.view = view
        self.verify = verify

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Whether a clip lies one or two folders down, or a folder ``split-k/train`` is there."""
        if not root.is_dir():
            return False
        if any((root / f"split-{fold}" / "train").is_dir() for fold in FOLD_SIZES):
            return True
        return any(
            _CLIP.fullmatch(path.stem) and path.suffix.lower() in VIDEO_SUFFIXES
            for pattern in ("*/v_*_g*_c*.*", "*/*/v_*_g*_c*.*")
            for path in root.glob(pattern)
        )

    def _listed(self) -> Iterator[Listed]:
        if self.fold != 1:
            self.report.note(f"Fold {self.fold} of UCF101.")
        if self.view == "square":
            self.report.note("A view is the centre square of a frame.")
        if (self.root / f"split-{self.fold}").is_dir():
            yield from self._extracted()
            return
        folder = find_lists(self.root)
        lists = read_lists(folder, self.fold, self.report.note)
        clips: dict[str, _Clip] = {}
        for clip in self._videos(lists):
            if clips.setdefault(clip.id, clip) is not clip:
                place = clip.path.relative_to(self.root).as_posix()
                self.report.skip(place, f"{clip.id} is there twice; remove one of the two files.")
        split_of = {
            identity: lists.split_of.get(clip_key(clip.name), UNLISTED) if folder else NO_SPLIT
            for identity, clip in clips.items()
        }
        self._compare(clips, split_of, lists)
        for identity in sorted(clips):
            split = split_of[identity]
            read = partial(self._sequence, clips[identity], split, lists)
            yield Listed(identity, split, read)

    def _videos(self, lists: Lists) -> Iterator[_Clip]:
        for path in files_under(self.root, self.report.note):
            if path.suffix.lower() not in VIDEO_SUFFIXES:
                continue
            match = _CLIP.fullmatch(path.stem)
            if match is None:
                place = path.relative_to(self.root).as_posix()
                self.report.skip(place, "Its name is not v_<Class>_gGG_cCC; rename or remove it.")
                continue
            category = lists.class_named(path.parent.name)
            agrees = match["name"].lower() == category.lower()
            flags = () if agrees else ("class_unlike_folder",)
            group, number = int(match["group"]), int(match["clip"])
            yield _Clip(path, path.stem, category, group, number, flags=flags)

    def _extracted(self) -> Iterator[Listed]:
        """Clips of ``split-k``, whose folders tell the split; other folds are passed over."""
        folder = find_lists(self.root)
        lists = Lists({}, read_class_numbers(folder, self.report.note) if folder else {})
        name_of = {number: name for name, number in lists.class_number.items()}
        frames: dict[Path, list[Path]] = defaultdict(list)
        for path in files_under(self.root / f"split-{self.fold}", self.report.note):
            if path.suffix.lower() in (".jpg", ".jpeg", ".png"):
                frames[path.parent].append(path)
        found: list[tuple[str, _Clip]] = []
        for place, paths in frames.items():
            match = _FRAMES.fullmatch(place.relative_to(self.root).as_posix())
            if match is None:
                where = place.relative_to(self.root).as_posix()
                self.report.skip(where, "It is not split-k/train/class-c/group-g/seq-s.")
                continue
            category = match["name"]
            if category.isdecimal():
                category = name_of.get(int(category), f"class-{category}")
            group, number = int(match["group"]), int(match["clip"])
            name = f"v_{category}_g{group:02}_c{number:02}"
            clip = _Clip(place, name, category, group, number, tuple(paths))
            found.append((match["split"], clip))
        clips = {clip.id: clip for _, clip in found}
        split_of = {clip.id: split for split, clip in found}
        self._compare(clips, split_of, lists)
        for split, clip in sorted(found, key=lambda pair: pair[1].id):
            yield Listed(clip.id, split, partial(self._sequence, clip, split, lists))

    def _sequence(self, clip: _Clip, split: str, lists: Lists) -> Sequence:
        flags = list(clip.flags)
        if clip.frames:
            count, fps = len(clip.frames), NOMINAL_FPS
            width, height = image_size(clip.frames[0])
        else:
            with VideoFile(clip.path) as video:
                count, fps = video.frames, video.fps
                if self.verify and (counted := video.count_frames()) != count:
                    count = counted
                    flags.append("frame_count_mismatch")
                width, height = video.width, video.height
        if count == 0:
            raise DataError(f"{clip.path} holds no frames.", "Fetch the clip again.")
        bbox = centre_square(width, height) if self.view == "square" else whole_image(width, height)
        attributes: dict[str, float | str] = {
            "group": float(clip.group),
            "clip": float(clip.number),
        }
        if clip.category in lists.class_number:
            attributes["class_number"] = float(lists.class_number[clip.category])
        views = tuple(
            View(
                image=_image(clip, frame),
                bbox_xyxy=bbox,
                instance=f"{clip.category}/g{clip.group:02}",
                category=clip.category,
                frame=frame,
                time_s=frame / fps if fps else 0.0,
                attributes=attributes,
            )
            for frame in range(count)
        )
        return Sequence(clip.id, self.dataset, split, fps, views, tuple(flags))

    def _compare(self, clips: dict[str, _Clip], split_of: dict[str, str], lists: Lists) -> None:
        """Notes what is unlike the full distribution and unlike the lists."""
        if not clips:
            return
        note = self.report.note
        classes = {clip.category for clip in clips.values()}
        if len(classes) != CLASSES or len(clips) != CLIPS:
            note(
                f"{len(clips)} clips of {len(classes)} classes found; the full distribution has "
                f"{CLIPS} of {CLASSES}."
            )
        if not lists.split_of and NO_SPLIT in split_of.values():
            note(
                "No split lists were found in ucfTrainTestlist/ here or beside it: every clip is "
                f"in the split '{NO_SPLIT}'."
            )
        for split, official in zip(("train", "test"), FOLD_SIZES[self.fold], strict=True):
            have = sum(found == split for found in split_of.values())
            listed = sum(wanted == split for wanted in lists.split_of.values())
            if have != (listed or official) and NO_SPLIT not in split_of.values():
                note(
                    f"Fold {self.fold}: {have} of the {listed or official} {split} clips are here."
                )
        unlisted = sum(split == UNLISTED for split in split_of.values())
        if unlisted:
            note(
                f"{unlisted} clips are in neither list of fold {self.fold}; their split is "
                f"'{UNLISTED}'."
            )
        splits: dict[tuple[str, int], set[str]] = defaultdict(set)
        for identity, clip in clips.items():
            splits[clip.category, clip.group].add(split_of[identity])
        parted = [f"{name}/g{group:02}" for (name, group), s in splits.items() if len(s) > 1]
        if parted:
            note(
                f"{len(parted)} groups are parted between splits, which the official lists never "
                f"do: {', '.join(sorted(parted)[:5])}."
            )


def centre_square(width: int, height: int) -> Array:
    """(4,) the box that the released preprocessing cuts: the centre square of the shorter side."""
    side = min(width, height)
    left, top = width // 2 - side // 2, height // 2 - side // 2
    return whole_image(side, side) + np.array([left, top, left, top], dtype=np.float64)


def _image(clip: _Clip, frame: int) -> ImageSource:
    reference = f"{clip.id}#{frame}"
    if clip.frames:
        return FileImage(clip.frames[frame], reference)
    return VideoFrame(clip.path, frame, reference)
