"""A summary as Markdown and in the terminal: ours beside the paper's, then what differs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from index.evaluation.table2.summary import (
    MORE_COLUMNS,
    PAPER_COLUMNS,
    POSE_HEAD_REID,
    Column,
)

Summary = Mapping[str, Any]
Grid = tuple[str, list[str], list[list[str]]]
"""Title, headings, rows of cells."""

PAPER = "paper"


def grids(summary: Summary) -> list[Grid]:
    """The paper's columns with its rows below ours, then figures it has not, then trainings."""
    found = [_paper_grid(summary), _references(summary)]
    found += [_more(title, columns, summary) for title, columns in MORE_COLUMNS.items()]
    found.append(_trainings(summary))
    return [grid for grid in found if grid[2] and len(grid[1]) > 2]


def markdown(summary: Summary) -> str:
    """The whole of ``table2.md``."""
    parts = ["# Table 2", ""]
    for title, headings, rows in grids(summary):
        parts += [f"## {title}", "", _line(headings), "|---" * len(headings) + "|"]
        parts += [*map(_line, rows), ""]
    for title, lines in _told(summary).items():
        parts += [f"## {title}", "", *(f"- {line}" for line in lines), ""]
    return "\n".join(parts)


def show(console: Console, summary: Summary) -> None:
    """The same in the terminal, the range below the mean; 80 characters are enough."""
    for title, headings, rows in grids(summary):
        table = Table(title=title)
        table.add_column(headings[0])
        for heading in headings[1:]:
            table.add_column(heading, justify="right")
        for first, *cells in rows:
            stacked = [cell.replace(" (", "\n").rstrip(")") for cell in cells]
            table.add_row(first, *stacked, style="dim" if first == PAPER else None)
        console.print(table)
    for title, lines in _told(summary).items():
        console.print(f"{title}:", style="bold")
        for line in lines:
            console.print(f"- {line}", markup=False, highlight=False, soft_wrap=True)


def _paper_grid(summary: Summary) -> Grid:
    lines = []
    for row in summary["rows"]:
        figures = row["figures"]
        ours = [_spread(figures[column.key], column.digits) for column in PAPER_COLUMNS]
        lines.append([row["recipe"], _seeds(row), *ours])
        if any(len(story["heads"]) > 1 for story in row["trainings"]):
            apart = _spread(figures[POSE_HEAD_REID.key], POSE_HEAD_REID.digits)
            lines.append(["… by its pose head", "", "", "", apart])
        if row["paper"] is not None:
            lines.append([PAPER, "", *map(_number, row["paper"])])
    headings = ["recipe", "seeds", *(column.heading for column in PAPER_COLUMNS)]
    return "Table 2, ours above the paper's", headings, lines


def _references(summary: Summary) -> Grid:
    lines = [
        [name, _number(reference["hit_rate"]), _number(reference["paper"])]
        for name, reference in summary["references"].items()
    ]
    return "Hits without an embedding", ["pick", "hit rate", PAPER], lines


def _more(title: str, columns: Sequence[Column], summary: Summary) -> Grid:
    """Figures that no row has are left out."""
    rows = summary["rows"]
    shown = [column for column in columns if any(row["figures"][column.key] for row in rows)]
    lines = [
        [
            row["recipe"],
            _seeds(row),
            *(_spread(row["figures"][column.key], column.digits) for column in shown),
        ]
        for row in rows
    ]
    return title, ["recipe", "seeds", *(column.heading for column in shown)], lines


def _trainings(summary: Summary) -> Grid:
    headings = ["recipe", "heads", "crop", "epochs", "pairs an epoch", "minutes"]
    lines = []
    for row in summary["rows"]:
        stories = row["trainings"]
        if not stories:
            continue
        first = stories[0]
        minutes = sum(story["seconds"] for story in stories) / len(stories) / 60
        trained = bool(first["epochs"])
        heads = ", ".join(f"{name} {dim}" for name, dim in first["heads"].items())
        collapsed = [str(story["seed"]) for story in stories if story["collapsed"]]
        lines.append(
            [
                row["recipe"] + (f" (collapsed: {', '.join(collapsed)})" if collapsed else ""),
                heads,
                f"{first['size']} px",
                str(first["epochs"]),
                str(first["pairs"]) if trained else "–",
                f"{minutes:.1f}" if trained else "–",
            ]
        )
    return "Trainings", headings, lines


def _told(summary: Summary) -> dict[str, list[str]]:
    """Title → lines of what stands below the tables."""
    hardware = summary["hardware"]
    machine = [hardware["machine"], hardware["processor"], f"{hardware['cores']} cores"]
    many = any(len(row["seeds"]) > 1 for row in summary["rows"])
    stories = [story for row in summary["rows"] for story in row["trainings"]]
    devices = sorted({story["device"] for story in stories if story["device"]})
    told = {
        "How to read it": [
            "hit rate: share of queries whose box fitted from the nearest neighbour has 3-D IoU "
            "> 0.5, mean over categories; the paper calls it 3D mAP.",
            *(["Mean over seeds; in brackets the lowest and the highest."] if many else []),
        ],
        "What differs from the paper": summary["differences"],
        "How it was made": [
            f"command: `{summary['command']}`",
            f"seeds: {', '.join(map(str, summary['seeds']))}",
            f"recipe overrides: {', '.join(summary['overrides']) or 'none'}",
            f"data: {summary['root']}, split train to train on and to search, split test to ask",
            f"trained on: {', '.join(devices) or 'nothing was trained'}",
            "hardware: " + ", ".join([*filter(None, machine), *hardware["gpus"]]),
            "versions: " + ", ".join(f"{name} {at}" for name, at in summary["versions"].items()),
        ],
    }
    if summary["failed"]:
        told["Runs that failed"] = [f"{name}: {why}" for name, why in summary["failed"].items()]
    return told


def _seeds(row: Mapping[str, Any]) -> str:
    done, asked = len(row["seeds"]), len(row["seeds_asked"])
    return str(done) if done == asked else f"{done} of {asked}"


def _spread(spread: Mapping[str, Any] | None, digits: int) -> str:
    if spread is None:
        return "–"
    mean = _number(spread["mean"], digits)
    if len(spread["values"]) == 1:
        return mean
    return f"{mean} ({_number(spread['min'], digits)}–{_number(spread['max'], digits)})"


def _number(value: float | None, digits: int = 3) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"
