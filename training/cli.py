"""The commands of training, mounted under ``posebank``: ``train`` and ``render``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from training.data.reader_options import Fold, ViewShape, given
from training.data.render.cli import render
from training.errors import RecipeError

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def training() -> None:
    """Train encoders on video."""


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(help="A recipe's name or a .toml file.")] = "",
    data: Annotated[
        list[Path] | None, typer.Option(help="Root of a dataset; may be given several times.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the run.")] = None,
    reader: Annotated[
        str | None, typer.Option(help="Kind of the datasets; by their layout if left out.")
    ] = None,
    split: Annotated[
        list[str] | None,
        typer.Option(help="Train on this split alone; one for all --data or one for each."),
    ] = None,
    fold: Fold = None,
    view: ViewShape = None,
    override: Annotated[
        list[str] | None, typer.Option("--set", help="Override a value: section.key=value.")
    ] = None,
    resume: Annotated[bool, typer.Option(help="Go on from the last checkpoint in --out.")] = False,
    show: Annotated[bool, typer.Option("--list", help="Print the recipes and stop.")] = False,
) -> None:
    """Train RECIPE on the datasets at --data; the encoder ends in --out/encoder."""
    from training.recipes import load_recipe, recipe_names

    if show:
        for name in recipe_names():
            typer.echo(f"{name:20} {load_recipe(name).about}")
        return
    if not recipe or not data or out is None:
        raise RecipeError(
            "RECIPE, --data and --out are all needed.",
            "`posebank train --list` names the recipes.",
        )
    chosen = load_recipe(recipe, override or ())
    # Imported here: torch takes seconds, and --list or a wrong recipe needs none of it.
    from training.dataset import Source
    from training.session import run_training

    splits = [name or None for name in split or [""]]
    if len(splits) == 1:
        splits *= len(data)
    if len(splits) != len(data):
        raise RecipeError(
            f"{len(splits)} splits were given for {len(data)} folders of data.",
            "Give --split once, or once for each --data; '' takes all of it.",
        )
    options = given(fold=fold, view=view)
    sources = [Source(root, reader, name, options) for root, name in zip(data, splits, strict=True)]
    code = run_training(chosen, sources, out, resume)
    raise typer.Exit(code)


app.command()(render)
