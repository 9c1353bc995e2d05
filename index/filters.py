"""Which rows of a gallery a search may return."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from index.store.columns import Columns


@dataclass(frozen=True, slots=True)
class Filters:
    """Conditions that must all hold; within one, any of its values does. Empty means no condition.

    A single text is taken as a tuple of one. ``has_box9`` True keeps annotated views only. What is
    excluded may be qualified by its dataset, as ``dataset/sequence`` and ``dataset/instance``.
    ``allowed_datasets`` is what the asker may see at all: None is everything, empty is nothing.
    """

    dataset: str | tuple[str, ...] = ()
    split: str | tuple[str, ...] = ()
    category: str | tuple[str, ...] = ()
    sequence: str | tuple[str, ...] = ()
    instance: str | tuple[str, ...] = ()
    exclude_sequence: str | tuple[str, ...] = ()
    exclude_instance: str | tuple[str, ...] = ()
    has_box9: bool | None = None
    allowed_datasets: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name not in ("has_box9", "allowed_datasets"):
                texts = (value,) if isinstance(value, str) else tuple(value or ())
                object.__setattr__(self, field.name, texts)

    def mask(self, columns: Columns) -> NDArray[np.bool_]:
        """(N,) bool: the rows that fulfil all conditions and whose metadata is known."""
        allowed = columns.known.copy()
        for name in ("dataset", "split", "category", "sequence", "instance"):
            wanted = getattr(self, name)
            if wanted:
                allowed &= columns.text[name].mask(wanted)
        for name in ("sequence", "instance"):
            for unwanted in getattr(self, f"exclude_{name}"):
                allowed &= ~_named(columns, name, unwanted)
        if self.allowed_datasets is not None:
            allowed &= columns.text["dataset"].mask(self.allowed_datasets)
        if self.has_box9 is not None:
            allowed &= columns.has_box9 == self.has_box9
        return allowed


def _named(columns: Columns, name: str, value: str) -> NDArray[np.bool_]:
    """(N,) bool: the rows whose column ``name`` is ``value``, alone or after its dataset."""
    rows = columns.text[name].mask((value,))
    dataset, slash, rest = value.partition("/")
    if slash:
        rows = rows | columns.text["dataset"].mask((dataset,)) & columns.text[name].mask((rest,))
    return rows


NO_FILTERS = Filters()
