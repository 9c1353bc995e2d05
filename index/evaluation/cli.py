"""`posebank evaluate PROTOCOL --root DIR --encoder DIR [--json]`: one command for each protocol."""

from __future__ import annotations

import os
import re
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
        help="Folder of an encoder, or baseline:pixels16 and the like (docs/evaluation.md).",
    ),
]
Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on the last line instead of tables.")
]
MaxQueries = Annotated[
    int | None, typer.Option(min=1, help="Ask at most so many queries, drawn by --seed.")
]
Seed = Annotated[int, typer.Option(min=0, help="Seed of every draw.")]
Cache = Annotated[
    Path | None, typer.Option(help="Folder that keeps embeddings between runs; default: none.")
]
BackendName = Annotated[Backend, typer.Option("--backend", help="What runs the encoder.")]
Threads = Annotated[int | None, typer.Option(min=1, help="CPU threads of the encoder.")]
ReportFolder = Annotated[
    Path | None,
    typer.Option(help="Write a page of pictures and charts into this folder (extra `report`)."),
]
Kind = Annotated[str | None, typer.Option(help="Reader; default: by the data's layout.")]
Fps = Annotated[float, typer.Option(min=0.1, help="Frames a second kept of films.")]


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
        typer.Option(help="Evaluate on more: eth80=DIR, coil100=DIR, lmo=DIR."),
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
    import sys

    from index.evaluation.table2.command import check_data, make_table, print_plan
    from index.evaluation.table2.plan import Settings, known_recipes, plan
    from index.evaluation.table2.runner import share_of_cores

    settings = Settings(
        root=root,
        out=out,
        seeds=tuple(map(_seed, _words(seeds))),
        also=tuple(map(_also, also or ())),
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


def _also(text: str) -> tuple[str, Path]:
    from index.evaluation.table2.plan import BESIDE

    protocol, equals, folder = text.partition("=")
    if protocol not in BESIDE or not equals or not folder:
        raise typer.BadParameter(
            f"{text!r} is not one of {', '.join(f'{name}=DIR' for name in BESIDE)}.",
            param_hint="--also",
        )
    return protocol, Path(folder)


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
    fold: Annotated[int, typer.Option(min=1, max=3, help="Official fold.")] = 1,
) -> None:
    """Action by nearest neighbours, per frame and per video, on UCF101."""
    _evaluate("ucf101", kind="ucf101", **locals())


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
