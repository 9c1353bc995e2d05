"""What commands about a home share: two options, and how they print."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
HomeFolder = Annotated[
    Path | None, typer.Option("--home", help="Folder of the indexes (POSEBANK_HOME).")
]


def print_json(value: dict[str, Any]) -> None:
    """One JSON object on one line."""
    typer.echo(json.dumps(value, ensure_ascii=False))


def print_table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """A table; as wide as it needs where the output is no terminal."""
    table = Table(*header)
    for row in rows:
        table.add_row(*row)
    # Piped output has no width of its own; wrapping a hash there would break it.
    console = Console() if sys.stdout.isatty() else Console(width=200)
    console.print(table)


def flat(value: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Nested keys joined by dots."""
    found: list[tuple[str, Any]] = []
    for key, item in value.items():
        if isinstance(item, dict):
            found += flat(item, f"{prefix}{key}.")
        else:
            found.append((f"{prefix}{key}", item))
    return found


def echo_report(report: dict[str, Any]) -> None:
    """What a build left out, one line each."""
    for note in report["notes"]:
        typer.echo(f"note: {note}")
    for item in report["skipped"]:
        what = "skipped" if item["views"] is None else f"skipped {item['views']} views of"
        typer.echo(f"{what} {item['dataset']} {item['sequence']}: {item['reason']}")
