"""`posebank evaluate PROTOCOL --root DIR --encoder DIR [--json]`."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from index.evaluation.run import Evaluation

app = typer.Typer(
    name="evaluate",
    help="Measure an encoder by a published protocol; docs/evaluation.md states each.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

PAPER_FPS = 5.0


class Backend(StrEnum):
    """What runs the encoder."""

    AUTO = "auto"
    ONNX = "onnx"
    TORCH = "torch"


Root = Annotated[Path, typer.Option(help="Folder of the dataset.")]
EncoderName = Annotated[
    str,
    typer.Option(
        "--encoder",
        help="Folder of an encoder, or baseline:pixels16, baseline:squeezenet-pooled, "
        "baseline:squeezenet-grid3.",
    ),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on the last line instead of tables.")
]
MaxQueries = Annotated[
    int | None, typer.Option(min=1, help="Ask at most so many queries, drawn by --seed.")
]
Seed = Annotated[int, typer.Option(min=0, help="Seed of every draw.")]
Cache = Annotated[
    Path | None, typer.Option(help="Folder that keeps embeddings between runs; default: none.")
]
RunBy = Annotated[Backend, typer.Option("--backend", help="What runs the encoder.")]
Threads = Annotated[int | None, typer.Option(min=1, help="CPU threads of the encoder.")]
Kind = Annotated[str | None, typer.Option(help="Reader of the dataset; default: by its layout.")]
Fps = Annotated[float, typer.Option(min=0.1, help="Thin films to about so many frames a second.")]


@app.command()
def eth80(
    root: Root,
    encoder: EncoderName,
    as_json: AsJson = False,
    max_queries: MaxQueries = None,
    seed: Seed = 0,
    cache: Cache = None,
    backend: RunBy = Backend.AUTO,
    threads: Threads = None,
) -> None:
    """ETH-80: azimuth of the nearest view of another instance, and re-ID."""
    _measure(
        as_json,
        protocol="eth80",
        root=root,
        encoder=encoder,
        kind="eth80",
        max_queries=max_queries,
        seed=seed,
        cache=cache,
        backend=backend.value,
        threads=threads,
    )


@app.command()
def coil100(
    root: Root,
    encoder: EncoderName,
    as_json: AsJson = False,
    max_queries: MaxQueries = None,
    seed: Seed = 0,
    cache: Cache = None,
    backend: RunBy = Backend.AUTO,
    threads: Threads = None,
) -> None:
    """COIL-100: re-ID across views of turntables, and the angle within an object."""
    _measure(
        as_json,
        protocol="coil100",
        root=root,
        encoder=encoder,
        kind="coil100",
        max_queries=max_queries,
        seed=seed,
        cache=cache,
        backend=backend.value,
        threads=threads,
    )


@app.command()
def reid(
    root: Root,
    encoder: EncoderName,
    as_json: AsJson = False,
    kind: Kind = None,
    split: Annotated[str | None, typer.Option(help="Only this split; default: all.")] = None,
    fps: Fps = PAPER_FPS,
    exclude_seconds: Annotated[
        float | None,
        typer.Option(min=0.0, help="Remove frames of the query's sequence within this time."),
    ] = None,
    max_queries: MaxQueries = None,
    seed: Seed = 0,
    cache: Cache = None,
    backend: RunBy = Backend.AUTO,
    threads: Threads = None,
) -> None:
    """Re-identification and category accuracy on any dataset a reader knows."""
    _measure(
        as_json,
        protocol="reid",
        root=root,
        encoder=encoder,
        kind=kind,
        split=split,
        fps=fps,
        exclude_seconds=exclude_seconds,
        max_queries=max_queries,
        seed=seed,
        cache=cache,
        backend=backend.value,
        threads=threads,
    )


@app.command()
def objectron(
    root: Root,
    encoder: EncoderName,
    as_json: AsJson = False,
    kind: Kind = None,
    query_split: Annotated[str, typer.Option(help="Split of the queries.")] = "test",
    gallery_split: Annotated[str, typer.Option(help="Split of the gallery.")] = "train",
    fps: Fps = PAPER_FPS,
    max_queries: MaxQueries = None,
    seed: Seed = 0,
    cache: Cache = None,
    backend: RunBy = Backend.AUTO,
    threads: Threads = None,
) -> None:
    """Objectron: the paper's zero-shot 9-DoF boxes, re-ID and category accuracy."""
    _measure(
        as_json,
        protocol="objectron",
        root=root,
        encoder=encoder,
        kind=kind,
        query_split=query_split,
        gallery_split=gallery_split,
        fps=fps,
        max_queries=max_queries,
        seed=seed,
        cache=cache,
        backend=backend.value,
        threads=threads,
    )


def _measure(as_json: bool, **options: Any) -> None:
    from index.evaluation.run import Evaluation

    data_root = os.environ.get("POSEBANK_DATA")
    evaluation = Evaluation(**options, data_root=Path(data_root) if data_root else None)
    _report(as_json, evaluation)


def _report(as_json: bool, evaluation: Evaluation) -> None:
    import json

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    from index.evaluation.run import run
    from index.evaluation.tables import show

    bar = Progress(
        "embedding views",
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    with bar:
        task = bar.add_task("embedding", total=None)
        figures = run(evaluation, lambda done, total: bar.update(task, completed=done, total=total))
    if as_json:
        typer.echo(json.dumps(figures, allow_nan=False))
    else:
        show(Console(), evaluation.protocol, figures)
