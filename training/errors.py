"""The error tree: every error a user can meet descends from PosebankError.

PosebankError
├── DataError        a dataset, sequence, image or video cannot be used
├── RecipeError      a training recipe is wrong
├── EncoderError     an encoder artifact is missing, broken or does not fit
├── GalleryError     an index cannot be built, found, opened or trusted
│   ├── BusyError    another process is building or changing the index
│   └── StorageFullError
├── EnrolmentError   a view cannot be enrolled as it was given
│   └── ViewExistsError
└── QueryError       a question cannot be answered as asked
"""

from __future__ import annotations


class PosebankError(Exception):
    """Base of every error raised on purpose.

    ``message`` names the value and the limit it broke; ``remedy`` says in one line what to do.
    """

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(f"{message} {remedy}")
        self.message = message
        self.remedy = remedy

    def __reduce__(self) -> tuple[type[PosebankError], tuple[str, str]]:
        return type(self), (self.message, self.remedy)  # worker processes raise it too


class DataError(PosebankError):
    """A dataset, sequence, image or video cannot be used."""


class RecipeError(PosebankError):
    """A training recipe is unknown or has a wrong value."""


class EncoderError(PosebankError):
    """An encoder artifact is missing, broken or does not fit its use."""


class GalleryError(PosebankError):
    """An index or its metadata cannot be built, found, opened or trusted."""


class BusyError(GalleryError):
    """Another process is building or changing this index."""


class StorageFullError(GalleryError):
    """The disk of the indexes or of their database has no space left."""


class EnrolmentError(PosebankError):
    """A view cannot be enrolled as it was given.

    ``position`` is its place among those given together, where that is known.
    """

    def __init__(self, message: str, remedy: str, position: int | None = None) -> None:
        super().__init__(message, remedy)
        self.position = position


class ViewExistsError(EnrolmentError):
    """Another view of the same dataset, sequence, frame and instance is there already."""


class QueryError(PosebankError):
    """A question to an index cannot be answered as it was asked."""
