"""Which rows of a gallery a search may return."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from index.store.columns import Columns


@dataclass(frozen=True, slots=True)
class Filters:
    """Conditions that must all hold; within one, any of its values does. Empty means no condition.

    A single text is taken as a tuple of one. ``has_box9`` True keeps annotated views only.
    """

    dataset: str | tuple[str, ...] = ()
    split: str | tuple[str, ...] = ()
    category: str | tuple[str, ...] = ()
    sequence: str | tuple[str, ...] = ()
    instance: str | tuple[str, ...] = ()
    exclude_sequence: str | tuple[str, ...] = ()
    exclude_instance: str | tuple[str, ...] = ()
    has_box9: bool | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name != "has_box9":
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
            unwanted = getattr(self, f"exclude_{name}")
            if unwanted:
                allowed &= ~columns.text[name].mask(unwanted)
        if self.has_box9 is not None:
            allowed &= columns.has_box9 == self.has_box9
        return allowed


NO_FILTERS = Filters()
