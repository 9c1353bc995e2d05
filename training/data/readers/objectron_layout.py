"""Where Objectron's files lie: the official folders, the side-by-side folders, the index lists."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from training.data.names import files_under
from training.data.readers.base import NO_SPLIT
from training.errors import DataError

FULL_COUNTS = {
    "bike": 472,
    "book": 2024,
    "bottle": 1928,
    "camera": 815,
    "cereal_box": 1609,
    "chair": 1943,
    "cup": 2204,
    "laptop": 1473,
    "shoe": 2116,
}
"""Annotated sequences of the published distribution, 14,584 in all (its index files)."""

UNLISTED = "unlisted"
"""Split of a sequence that the index's train and test lists do not name."""

VIDEO_NAMES = ("video.MOV", "video.mov", "video.mp4", "video.MP4", "video.avi")
_ANNOTATION = "annotation.pbdata"
_FLAT = re.compile(r"(?:.*/)?([a-z_]+?)_(batch-\d+)_(\d+)")  # one folder a sequence, unnested


@dataclass(frozen=True, slots=True)
class Files:
    """One sequence on disk. ``category`` is None where no folder names it."""

    id: str
    category: str | None
    annotation: Path
    video: Path


def find_sequences(root: Path, note: Callable[[str], None]) -> Iterator[Files]:
    """Every annotation found, sorted by id as text within numbers in order.

    ``note`` hears of folders that may not be read.
    """
    yield from sorted(_find(root, note), key=lambda files: _natural(files.id))


def _find(root: Path, note: Callable[[str], None]) -> Iterator[Files]:
    official = root / "annotations"
    known: set[str] = set()
    annotations = [path for path in files_under(root, note) if path.suffix == ".pbdata"]
    for path in annotations:
        if not path.is_relative_to(official):
            continue
        identifier = path.relative_to(official).with_suffix("").as_posix()
        known.add(identifier)
        folder = root / "videos" / identifier
        category = identifier.split("/")[0] if "/" in identifier else None
        yield Files(identifier, category, path, _video(folder))
    for path in annotations:
        if path.name != _ANNOTATION or path.is_relative_to(official):
            continue
        parts = path.parent.relative_to(root).parts
        identifier = "/".join(parts[parts[:1] == ("videos",) :]) or root.resolve().name
        if match := _FLAT.fullmatch(identifier):
            identifier = f"{match[1]}/{match[2]}/{match[3]}"
        if identifier not in known:
            category = identifier.split("/")[0] if "/" in identifier else None
            yield Files(identifier, category, path, _video(path.parent))


def _video(folder: Path) -> Path:
    return next(
        (folder / name for name in VIDEO_NAMES if (folder / name).is_file()),
        folder / VIDEO_NAMES[0],
    )


def _natural(text: str) -> list[tuple[int, int | str]]:
    pieces: list[tuple[int, int | str]] = []
    for piece in text.replace("/", "-").split("-"):
        pieces.append((0, int(piece)) if piece.isdecimal() else (1, piece))
    return pieces


def read_index(root: Path) -> dict[str, str] | None:
    """Sequence id → split from ``index/<category>_annotations[_train|_test]``; None without."""
    lists = sorted((root / "index").glob("*_annotations*"))
    if not lists:
        return None
    splits: dict[str, str] = {}
    for path in lists:
        split = path.name.rpartition("_annotations")[2].lstrip("_") or UNLISTED
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.strip() and (split != UNLISTED or line.strip() not in splits):
                splits[line.strip()] = split
    return splits


def split_of(identifier: str, index: dict[str, str] | None) -> str:
    """The split of a sequence; ``all`` where there is no index."""
    return NO_SPLIT if index is None else index.get(identifier, UNLISTED)


def read_instances(root: Path) -> dict[str, dict[str, str]]:
    """``instances.json``: sequence id → object id → instance, for things filmed several times.

    Empty where there is no such file. Raises DataError when it is not of that form.
    """
    path = root / "instances.json"
    if not path.is_file():
        return {}
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        return {
            str(sequence): {str(key): str(name) for key, name in names.items()}
            for sequence, names in table.items()
        }
    except (ValueError, AttributeError) as error:
        raise DataError(
            f"{path} is not a table of sequence → object id → instance: {error}.",
            "Correct or remove it.",
        ) from error


def count_notes(found: list[Files], index: dict[str, str] | None) -> list[str]:
    """Remarks on what was found against the index and the full distribution."""
    notes = []
    per_category: dict[str, int] = {}
    for files in found:
        if files.category in FULL_COUNTS:
            per_category[files.category] = per_category.get(files.category, 0) + 1
    unlike = [
        f"{name} {count} of {FULL_COUNTS[name]}"
        for name, count in sorted(per_category.items())
        if count != FULL_COUNTS[name]
    ]
    if unlike:
        notes.append(f"Sequences found of the full distribution: {', '.join(unlike)}.")
    if index is not None:
        present = {files.id for files in found}
        missing = len(index.keys() - present)
        unlisted = len(present - index.keys())
        if missing:
            notes.append(f"{missing} of the {len(index)} sequences in the index are not here.")
        if unlisted:
            notes.append(f"{unlisted} sequences found are not in the index.")
    return notes


def unlike_folder(annotated: set[str], category: str) -> bool:
    """Whether an annotated category name differs from the folder's, which is trusted."""
    return any(_plain(name) != _plain(category) for name in annotated if name)


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())
