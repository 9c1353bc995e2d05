"""The options that several commands of `posebank evaluate` take, each described once."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

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
