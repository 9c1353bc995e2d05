"""Options of `posebank train`, `index build` and `posebank evaluate` for single readers."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer


class Shape(StrEnum):
    """What of a frame a view of UCF101 is."""

    FRAME = "frame"
    SQUARE = "square"


Fold = Annotated[
    int | None, typer.Option(min=1, max=3, help="UCF101: the official fold; default: 1.")
]
ViewShape = Annotated[
    Shape | None,
    typer.Option(
        "--view", help="UCF101: whole frames (paper, default), or their centre squares (its code)."
    ),
]


def given(**options: Any) -> dict[str, Any]:
    """The options that were given, to be handed to ``open_reader``."""
    return {name: value for name, value in options.items() if value is not None}
