"""`posebank evaluate PROTOCOL --root DIR --encoder DIR [--json]`."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from index.evaluation.run import Evaluation

app = typer.Typer(name="evaluate", pretty_exceptions_enable=False, add_completion=False)

PAPER_FPS = 5.0


class Protocol(StrEnum):
    """What is measured."""

    ETH80 = "eth80"
    COIL100 = "coil100"
    REID = "reid"
    OBJECTRON = "objectron"


class Backend(StrEnum):
    """What runs the encoder."""

    AUTO = "auto"
    ONNX = "onnx"
    TORCH = "torch"


OPTIONS_OF = {
    "kind": (Protocol.REID, Protocol.OBJECTRON),
    "fps": (Protocol.REID, Protocol.OBJECTRON),
    "split": (Protocol.REID,),
    "exclude_seconds": (Protocol.REID,),
    "query_split": (Protocol.OBJECTRON,),
    "gallery_split": (Protocol.OBJECTRON,),
}
"""Options that not every protocol takes → those that do."""


@app.command(no_args_is_help=True)
def evaluate(
    protocol: Annotated[
        Protocol,
        typer.Argument(
            show_choices=False,
            help="eth80 (azimuth and re-ID), coil100 (re-ID and angle), reid (any annotated "
            "data) or objectron (9-DoF boxes, re-ID, category).",
        ),
    ],
    root: Annotated[Path, typer.Option(help="Folder of the dataset.")],
    encoder: Annotated[
        str,
        typer.Option(
            help="Folder of an encoder, or baseline:pixels16 and the like (docs/evaluation.md).",
        ),
    ],
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print one JSON object on the last line instead of tables."),
    ] = False,
    max_queries: Annotated[
        int | None, typer.Option(min=1, help="Ask at most so many queries, drawn by --seed.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of every draw.")] = 0,
    cache: Annotated[
        Path | None, typer.Option(help="Folder that keeps embeddings between runs; default: none.")
    ] = None,
    backend: Annotated[Backend, typer.Option(help="What runs the encoder.")] = Backend.AUTO,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads of the encoder.")] = None,
    kind: Annotated[
        str | None, typer.Option(help="reid, objectron: reader; default: by the data's layout.")
    ] = None,
    fps: Annotated[
        float | None,
        typer.Option(min=0.1, help="reid, objectron: frames a second kept of films; default: 5."),
    ] = None,
    split: Annotated[str | None, typer.Option(help="reid: only this split; default: all.")] = None,
    exclude_seconds: Annotated[
        float | None,
        typer.Option(min=0.0, help="reid: remove frames this near the query in its sequence."),
    ] = None,
    query_split: Annotated[
        str | None, typer.Option(help="objectron: split of the queries; default: test.")
    ] = None,
    gallery_split: Annotated[
        str | None, typer.Option(help="objectron: split of the gallery; default: train.")
    ] = None,
) -> None:
    """Measure an encoder by a published protocol; docs/evaluation.md states each."""
    from index.evaluation.run import Evaluation

    own = {
        "kind": kind,
        "fps": fps,
        "split": split,
        "exclude_seconds": exclude_seconds,
        "query_split": query_split,
        "gallery_split": gallery_split,
    }
    data_root = os.environ.get("POSEBANK_DATA")
    evaluation = Evaluation(
        protocol=protocol.value,
        root=root,
        encoder=encoder,
        max_queries=max_queries,
        seed=seed,
        cache=cache,
        backend=backend.value,
        threads=threads,
        data_root=Path(data_root) if data_root else None,
        **_settled(protocol, {name: value for name, value in own.items() if value is not None}),
    )
    _report(as_json, evaluation)


def _settled(protocol: Protocol, given: dict[str, Any]) -> dict[str, Any]:
    """The protocol's own options with its defaults. Raises BadParameter for another protocol's."""
    for name in given:
        if protocol not in OPTIONS_OF[name]:
            raise typer.BadParameter(
                f"{protocol.value} does not take it, only {' and '.join(OPTIONS_OF[name])}.",
                param_hint=f"--{name.replace('_', '-')}",
            )
    if protocol in (Protocol.ETH80, Protocol.COIL100):
        return {"kind": protocol.value}
    return {"fps": PAPER_FPS, **given}


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
