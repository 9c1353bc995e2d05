"""`posebank evaluate PROTOCOL --root DIR --encoder DIR [--json]`: one command for each protocol."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from index.evaluation.options import (
    PAPER_FPS,
    Backend,
    BackendName,
    Cache,
    EncoderName,
    Fps,
    Json,
    Kind,
    MaxQueries,
    ReportFolder,
    Root,
    Seed,
    Threads,
)
from index.evaluation.table2.cli import table2
from training.data.reader_options import Fold, Shape, ViewShape

if TYPE_CHECKING:
    from index.evaluation.run import Evaluation

app = typer.Typer(
    name="evaluate",
    help="Measure an encoder by a published protocol; docs/evaluation.md states each.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


class Shown(StrEnum):
    """What of ETH-80's photographs is embedded."""

    PHOTOGRAPH = "photograph"
    TRIMMED = "trimmed"
    TOY = "toy"


# Each command hands every option it takes to `_evaluate` under the option's own name.


@app.command()
def eth80(
    root: Root,
    encoder: EncoderName,
    as_json: Json = False,
    max_queries: MaxQueries = None,
    seed: Seed = 0,
    cache: Cache = None,
    backend: BackendName = Backend.AUTO,
    threads: Threads = None,
    report: ReportFolder = None,
    shown: Annotated[
        Shown, typer.Option(help="Photographs whole, less 20 px a side, or the toys cut out.")
    ] = Shown.PHOTOGRAPH,
) -> None:
    """Azimuth across instances of a category, and re-ID, on ETH-80."""
    _evaluate("eth80", kind="eth80", **locals())


@app.command()
def coil100(
    root: Root,
    encoder: EncoderName,
    as_json: Json = False,
    max_queries: MaxQueries = None,
    seed: Seed = 0,
    cache: Cache = None,
    backend: BackendName = Backend.AUTO,
    threads: Threads = None,
    report: ReportFolder = None,
) -> None:
    """Re-ID across views, and the angle within an object, on COIL-100."""
    _evaluate("coil100", kind="coil100", **locals())


@app.command()
def lmo(
    root: Root,
    encoder: EncoderName,
    as_json: Json = False,
    max_queries: MaxQueries = None,
    seed: Seed = 0,
    cache: Cache = None,
    backend: BackendName = Backend.AUTO,
    threads: Threads = None,
    report: ReportFolder = None,
) -> None:
    """Rotation of the neighbour, re-ID and PnP refits on LM-O."""
    _evaluate("lmo", kind="bop", **locals())


@app.command()
def reid(
    root: Root,
    encoder: EncoderName,
    as_json: Json = False,
    max_queries: MaxQueries = None,
    seed: Seed = 0,
    cache: Cache = None,
    backend: BackendName = Backend.AUTO,
    threads: Threads = None,
    report: ReportFolder = None,
    kind: Kind = None,
    fps: Fps = PAPER_FPS,
    split: Annotated[str | None, typer.Option(help="Only this split; default: all.")] = None,
    exclude_seconds: Annotated[
        float | None,
        typer.Option(min=0.0, help="Remove frames this near the query in its sequence."),
    ] = None,
) -> None:
    """Re-ID on any annotated data."""
    _evaluate("reid", **locals())


@app.command()
def objectron(
    root: Root,
    encoder: EncoderName,
    as_json: Json = False,
    max_queries: MaxQueries = None,
    seed: Seed = 0,
    cache: Cache = None,
    backend: BackendName = Backend.AUTO,
    threads: Threads = None,
    report: ReportFolder = None,
    kind: Kind = None,
    fps: Fps = PAPER_FPS,
    query_split: Annotated[str, typer.Option(help="Split of the queries.")] = "test",
    gallery_split: Annotated[str, typer.Option(help="Split of the gallery.")] = "train",
) -> None:
    """9-DoF boxes, re-ID and category on Objectron, as the paper measures them."""
    _evaluate("objectron", **locals())


@app.command()
def ucf101(
    root: Root,
    encoder: EncoderName,
    as_json: Json = False,
    max_queries: MaxQueries = None,
    seed: Seed = 0,
    cache: Cache = None,
    backend: BackendName = Backend.AUTO,
    threads: Threads = None,
    report: ReportFolder = None,
    fps: Fps = PAPER_FPS,
    fold: Fold = 1,
    view: ViewShape = Shape.FRAME,
) -> None:
    """Action by nearest neighbours, per frame and per video, on UCF101."""
    _evaluate("ucf101", kind="ucf101", **locals())


app.command()(table2)


def _evaluate(protocol: Any, as_json: bool, report: Path | None, **options: Any) -> None:
    from index.evaluation.run import Evaluation

    data_root = os.environ.get("POSEBANK_DATA")
    evaluation = Evaluation(
        protocol=protocol, data_root=Path(data_root) if data_root else None, **options
    )
    _report(as_json, report, evaluation)


def _report(as_json: bool, folder: Path | None, evaluation: Evaluation) -> None:
    import json

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    from index.evaluation.material import Material
    from index.evaluation.report.extra import require_extra
    from index.evaluation.report.folder import PAGE, require_free
    from index.evaluation.run import run
    from index.evaluation.tables import show

    material = None
    if folder is not None:
        require_extra()
        require_free(folder)
        material = Material()
    messages = Console(stderr=True)
    bar = Progress(
        "embedding views",
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=messages,
        transient=True,
    )
    with bar:
        task = bar.add_task("embedding", total=None)
        figures = run(
            evaluation,
            lambda done, total: bar.update(task, completed=done, total=total),
            material,
        )
    if folder is not None and material is not None:
        from index.evaluation.report.write import write_report

        with messages.status("drawing the report"):
            write_report(folder, figures, material)
        messages.print(f"report: {folder / PAGE}", markup=False, highlight=False, soft_wrap=True)
    if as_json:
        typer.echo(json.dumps(figures, allow_nan=False))
    else:
        show(Console(), evaluation.protocol, figures)
