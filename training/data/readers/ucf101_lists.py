"""UCF101's lists: which clip is in which part of a fold, and the numbers of its classes.

``classInd.txt`` holds ``1 ApplyEyeMakeup``, counted from 1; ``trainlist0k.txt`` holds
``Class/v_Class_gGG_cCC.avi 1`` with the class's number, ``testlist0k.txt`` the same without it.
Line ends may be Windows'. Clips are known by their file name in lower case, since class folder and
clip do not always agree (``HandstandPushups/v_HandStandPushups_…``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Literal

from training.data.images import read_bytes
from training.errors import DataError

Fold = Literal[1, 2, 3]

CLASSES, CLIPS = 101, 13_320
FOLD_SIZES: Mapping[int, tuple[int, int]] = {
    1: (9_537, 3_783),
    2: (9_586, 3_734),
    3: (9_624, 3_696),
}
"""Fold → clips for training and for testing, of the full distribution."""

_FOLDERS = (
    "ucfTrainTestlist",
    "UCF101TrainTestSplits-RecognitionTask/ucfTrainTestlist",
    "annotations",
    "splits",
    ".",
)


@dataclass(frozen=True, slots=True)
class Lists:
    """What the lists of one fold say; empty where there are none.

    ``split_of`` maps a clip's key to ``train`` or ``test``; ``class_number`` a class to its number
    from 1, in the spelling of ``classInd.txt``.
    """

    split_of: Mapping[str, str]
    class_number: Mapping[str, int]

    def class_named(self, folder: str) -> str:
        """The class of a folder in the spelling of ``classInd.txt``, else the folder's own."""
        return next((name for name in self.class_number if name.lower() == folder.lower()), folder)


def clip_key(name: str) -> str:
    """What a clip is known by: its file name without folder and suffix, in lower case."""
    name = PureWindowsPath(name).name.lower()  # splits at both kinds of slash
    return name.removesuffix(".avi")


def find_lists(root: Path) -> Path | None:
    """The folder that holds ``trainlist01.txt`` and the like: in ``root`` or beside it."""
    for base in (root, root.resolve().parent):
        for name in _FOLDERS:
            folder = base / name
            if any((folder / f"trainlist0{fold}.txt").is_file() for fold in FOLD_SIZES):
                return folder
    return None


def read_lists(folder: Path | None, fold: int, note: Callable[[str], None]) -> Lists:
    """The lists of ``fold`` in ``folder``; ``note`` hears of all that is odd about them.

    Raises DataError where one of the two lists of the fold is missing or names no clips.
    """
    if folder is None:
        return Lists({}, {})
    class_number = read_class_numbers(folder, note)
    split_of: dict[str, str] = {}
    for split, official in zip(("train", "test"), FOLD_SIZES[fold], strict=True):
        path = folder / f"{split}list0{fold}.txt"
        if not path.is_file():
            raise DataError(
                f"Fold {fold} has no {path.name} in {folder}.",
                "Fetch UCF101TrainTestSplits-RecognitionTask.zip again, or name another fold.",
            )
        lines = [line.split() for line in _lines(path)]
        _check_labels(path, lines, class_number, note)
        if not lines:
            raise DataError(f"{path} names no clip.", "Fetch the list again.")
        if len(lines) != official:
            note(f"{path.name} names {len(lines)} clips; the official list names {official}.")
        for words in lines:
            key = clip_key(words[0])
            if split_of.setdefault(key, split) != split:
                note(f"{words[0]} is in both lists of fold {fold}; the training list counts.")
    return Lists(split_of, class_number)


def _lines(path: Path) -> list[str]:
    text = read_bytes(path).decode("utf-8-sig", "replace")
    return [line.strip() for line in text.splitlines() if line.strip()]


def read_class_numbers(folder: Path, note: Callable[[str], None]) -> dict[str, int]:
    """Class → number from 1, of ``classInd.txt``; empty, with a note, where there is none."""
    path = folder / "classInd.txt"
    if not path.is_file():
        note("There is no classInd.txt beside the lists: classes go by the names of their folders.")
        return {}
    numbers: dict[str, int] = {}
    for line in _lines(path):
        number, _, name = line.partition(" ")
        if not number.isdecimal() or not name.strip():
            raise DataError(
                f"{path} has the line {line[:80]!r}.", "A line is a number from 1 and a class name."
            )
        numbers[name.strip()] = int(number)
    if len(numbers) != CLASSES:
        note(f"classInd.txt names {len(numbers)} classes; the official one names {CLASSES}.")
    return numbers


def _check_labels(
    path: Path,
    lines: list[list[str]],
    class_number: Mapping[str, int],
    note: Callable[[str], None],
) -> None:
    """Notes labels that are not their folder's number; the folder is trusted."""
    numbers = {name.lower(): number for name, number in class_number.items()}
    wrong = 0
    for words in lines:
        folder = PureWindowsPath(words[0]).parent.name.lower()
        if len(words) > 1 and numbers and words[1] != str(numbers.get(folder)):
            wrong += 1
    if wrong:
        note(
            f"{wrong} labels of {path.name} are not the number of their folder in classInd.txt; "
            "the folder counts."
        )
