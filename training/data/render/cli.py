"""``posebank render``: writes rendered sequences in Objectron's own files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Render synthetic sequences in Objectron's files.")


@app.command()
def render(
    out: Annotated[Path, typer.Argument(help="Folder to write; an interrupted run is resumed.")],
    categories: Annotated[
        str, typer.Option(help="Comma-separated categories, or `all` nine of Objectron.")
    ] = "all",
    instances: Annotated[int, typer.Option(help="Different objects per category.")] = 8,
    sequences_per_instance: Annotated[int, typer.Option(help="Videos of each object.")] = 1,
    seconds: Annotated[float, typer.Option(help="Length of a video.")] = 6.0,
    fps: Annotated[float, typer.Option(help="Frames a second.")] = 30.0,
    size: Annotated[str, typer.Option(help="Upright image, WIDTHxHEIGHT in pixels.")] = "480x640",
    seed: Annotated[int, typer.Option(help="The same seed gives the same data.")] = 0,
    test_share: Annotated[
        float, typer.Option(help="Share of a category's objects kept for the test split.")
    ] = 0.25,
    grain: Annotated[float, typer.Option(help="Sensor noise; 0 makes the smallest files.")] = 1.0,
    antialias: Annotated[
        bool, typer.Option(help="Smooth edges; without it drawing takes half the time.")
    ] = True,
    processes: Annotated[
        int | None, typer.Option(help="Worker processes; one per core when left out.")
    ] = None,
) -> None:
    """Render videos of parametric objects with exact 9-DoF boxes, cameras and ground planes."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    from training.data.render.generate import render_objectron
    from training.data.render.shapes import CATEGORIES

    width, _, height = size.partition("x")
    if not (width.isdigit() and height.isdigit()):
        raise typer.BadParameter(
            f"{size!r} is not WIDTHxHEIGHT, such as 480x640", param_hint="--size"
        )
    names = list(CATEGORIES) if categories == "all" else [c.strip() for c in categories.split(",")]
    columns = (
        "[progress.description]{task.description}",
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns) as bar:
        task = bar.add_task("rendering", total=None)

        def tell(done: int, total: int, kept: int) -> None:
            bar.update(task, completed=done, total=total)

        report = render_objectron(
            out,
            names,
            instances,
            sequences_per_instance,
            seconds,
            fps,
            (int(width), int(height)),
            seed,
            test_share,
            grain,
            antialias,
            processes,
            tell,
        )
    typer.echo(f"{report.written} sequences written, {report.kept} kept, under {report.root}")
