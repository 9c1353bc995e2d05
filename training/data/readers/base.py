"""What all readers share: lazy iteration that survives broken sequences, and thinning in time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from training.data.names import is_text
from training.data.readers.report import ReadReport
from training.data.records import Sequence
from training.errors import DataError

CLOSED_RING = "closed_ring"
"""Flag of a sequence whose last view neighbours its first, as on a turntable."""

NO_SPLIT = "all"
"""The split of sequences of a dataset that has none."""

_PART_NAMES = {"dev", "train", "test", "val", "valid", "validation", "holdout", "data", "images"}


@dataclass(frozen=True, slots=True)
class Listed:
    """A sequence that was found but not read yet; ``read`` may raise DataError."""

    id: str
    split: str
    read: Callable[[], Sequence]


class Reader(ABC):
    """One dataset on disk, given out as records.

    ``fps`` thins sequences that have a clock to about that many frames a second (ours; the
    paper uses about 5). ``dataset`` names the dataset in every record. Raises DataError when
    the root does not exist; broken sequences are recorded in ``report`` and passed over.
    """

    kind: ClassVar[str]

    def __init__(self, root: Path, *, fps: float | None = None, dataset: str | None = None) -> None:
        if not root.exists():
            raise DataError(f"There is nothing at {root}.", "Check the path of the dataset.")
        if fps is not None and not fps > 0:
            raise DataError(f"fps is {fps}; it must be above 0.", "Leave it out to keep all.")
        self.root = root
        self.dataset = dataset or self.kind
        self.fps = fps
        self.report = ReadReport()

    @classmethod
    @abstractmethod
    def recognises(cls, root: Path) -> bool:
        """Whether the layout under ``root`` is this reader's; must be cheap."""

    @abstractmethod
    def _listed(self) -> Iterator[Listed]:
        """Every sequence found, sorted; notes about the whole go to ``report``."""

    def sequences(self, split: str | None = None) -> Iterator[Sequence]:
        """The readable sequences of ``split`` (None: all), sorted, with a fresh ``report``.

        Raises DataError when there is no sequence at all or none in ``split``.
        """
        self.report = ReadReport()
        splits: set[str] = set()
        for listed in self._listed():
            splits.add(listed.split)
            if split is not None and listed.split != split:
                continue
            try:
                if not is_text(listed.id):
                    raise DataError("Its name is not UTF-8.", "Rename the file or its folder.")
                sequence = listed.read()
                if not sequence.views:
                    raise DataError("It holds no views.", "Check that its files are complete.")
            except (DataError, OSError) as error:  # OSError: the file went, or may not be read
                self.report.skip(listed.id, error)
                continue
            if self.fps is not None:
                sequence = subsample(sequence, self.fps)
            self.report.read += 1
            self.report.views += len(sequence.views)
            yield sequence
        if not splits and not self.report.skipped:
            raise DataError(
                f"No {self.kind} sequence was found under {self.root}.",
                "Check the path and the layout in docs/bring-your-own-data.md.",
            )
        if split is not None and split not in splits and splits:
            raise DataError(
                f"{self.root} has no split '{split}'; it has {', '.join(sorted(splits))}.",
                "Name one of those.",
            )


def subsample(sequence: Sequence, fps: float) -> Sequence:
    """``sequence`` with every n-th native frame kept so that about ``fps`` remain a second (ours).

    n = round(native fps / fps), at least 1; frames keep their native numbers and times, and the
    sequence its native ``fps``. Sequences without a clock come back as they are.
    """
    if sequence.fps <= 0:
        return sequence
    stride = max(round(sequence.fps / fps), 1)
    if stride == 1 or not sequence.views:
        return sequence
    first = min(view.frame for view in sequence.views)
    kept = tuple(view for view in sequence.views if (view.frame - first) % stride == 0)
    return replace(sequence, views=kept)


def folder_name(root: Path) -> str:
    """A name for the dataset in ``root``: its folder, or the one above where it is a mere part."""
    root = root.resolve()
    return root.parent.name if root.name.lower() in _PART_NAMES and root.parent.name else root.name
