"""The options of `posebank evaluate table2`; ``command`` does the work."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from index.evaluation.options import MaxQueries


def table2(
    root: Annotated[
        Path, typer.Option(help="Objectron or rendered data; split train trains, test asks.")
    ],
    family: Annotated[
        list[str], typer.Option(help="Recipes: small, squeeze, paper; several with commas.")
    ],
    out: Annotated[Path, typer.Option(help="Folder of the runs, kept and not repeated.")],
    rows: Annotated[
        list[str] | None,
        typer.Option(help="nearby,distant,… (docs/evaluation.md); default: all there are."),
    ] = None,
    seeds: Annotated[list[str], typer.Option(help="Seeds, with commas.")] = ["0,1,2"],  # noqa: B006
    also: Annotated[
        list[str] | None,
        typer.Option(help="Evaluate on more: eth80=DIR, eth80-toy=DIR, coil100=DIR, lmo=DIR."),
    ] = None,
    train_also: Annotated[
        bool, typer.Option("--train-also", help="Train on the pictures of --also too.")
    ] = False,
    override: Annotated[
        list[str] | None,
        typer.Option("--set", help="Override a value of every recipe: section.key=value."),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Runs side by side; they share the cores.")] = 1,
    max_queries: MaxQueries = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the runs and their commands, do nothing.")
    ] = False,
) -> None:
    """Train and evaluate the rows of the paper's Table 2, over seeds, beside its figures."""
    from index.evaluation.table2.command import check_data, make_table, print_plan
    from index.evaluation.table2.plan import Settings, known_recipes, plan
    from index.evaluation.table2.runner import share_of_cores

    settings = Settings(
        root=root,
        out=out,
        seeds=tuple(map(_seed, _words(seeds))),
        also=_also(also or []),
        train_also=train_also,
        overrides=tuple(override or ()),
        threads=share_of_cores(jobs),
        max_queries=max_queries,
    )
    runs = plan(_words(family), _words(rows), settings, known_recipes())
    if dry_run:
        print_plan(runs, jobs)
        return
    check_data(settings)
    raise typer.Exit(make_table(runs, jobs, ["posebank", *sys.argv[1:]]))


def _words(given: list[str] | None) -> list[str]:
    """Options given several times, or once with commas or spaces."""
    return list(
        dict.fromkeys(word for text in given or () for word in re.split(r"[,\s]+", text) if word)
    )


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise typer.BadParameter(f"{text!r} is no whole number from 0.", param_hint="--seeds")
    return int(text)


def _also(given: list[str]) -> tuple[tuple[str, Path], ...]:
    from index.evaluation.table2.plan import BESIDE

    folders: dict[str, Path] = {}
    for text in given:
        protocol, equals, folder = text.partition("=")
        if protocol not in BESIDE or not equals or not folder:
            raise typer.BadParameter(
                f"{text!r} is not one of {', '.join(f'{name}=DIR' for name in BESIDE)}.",
                param_hint="--also",
            )
        if protocol in folders:
            raise typer.BadParameter(f"{protocol} is given twice.", param_hint="--also")
        folders[protocol] = Path(folder)
    return tuple(folders.items())
