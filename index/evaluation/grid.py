"""One description of a table of figures, drawn in the terminal and in a report alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from rich.table import Table
from rich.text import Text

Style = Literal["plain", "own", "paper"]
"""``own``: what this run measured, among rows of others; ``paper``: what was published."""

RICH_STYLES: dict[Style, str] = {"plain": "", "own": "bold", "paper": "dim"}


@dataclass(frozen=True)
class Column:
    """A heading; the first column of a grid names its rows, the others hold numbers."""

    heading: str
    style: Style = "plain"


@dataclass(frozen=True)
class Row:
    """One cell a column; ``ends_section`` asks for a line under the row."""

    cells: tuple[str, ...]
    style: Style = "plain"
    ends_section: bool = False


@dataclass
class Grid:
    """A title, columns and rows of texts, without a word on how they are drawn."""

    title: str
    columns: list[Column]
    rows: list[Row] = field(default_factory=list)

    @classmethod
    def of(cls, title: str, *headings: str) -> Grid:
        """An empty grid with plain columns."""
        return cls(title, [Column(heading) for heading in headings])

    def add(self, *cells: str, style: Style = "plain", ends_section: bool = False) -> None:
        """A row below the others."""
        self.rows.append(Row(cells, style, ends_section))


def number(value: float | None, digits: int = 3) -> str:
    """A figure as text; a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}f}"


def rich_table(grid: Grid) -> Table:
    """The grid for the terminal. Cells are texts: a name in brackets is no markup."""
    table = Table(title=Text(grid.title, style="table.title"))
    for position, column in enumerate(grid.columns):
        table.add_column(
            Text(column.heading),
            justify="right" if position else "left",
            style=RICH_STYLES[column.style],
        )
    for row in grid.rows:
        table.add_row(
            *_texts(row.cells), style=RICH_STYLES[row.style], end_section=row.ends_section
        )
    return table


def _texts(cells: Sequence[str]) -> list[Text]:
    return [Text(cell) for cell in cells]
