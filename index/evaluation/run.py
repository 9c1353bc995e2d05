"""A protocol from a folder of data and the name of an encoder to one object of figures."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from index.evaluation.coil100 import evaluate_coil100
from index.evaluation.embeddings import EmbeddedViews, Progress, embed_views
from index.evaluation.encoders import BASELINE_PREFIX, ViewEncoder, open_encoder
from index.evaluation.eth80 import evaluate_eth80
from index.evaluation.eth80_shown import SHOWN
from index.evaluation.lmo import evaluate_lmo, visible_crops
from index.evaluation.material import Material
from index.evaluation.objectron import evaluate_objectron
from index.evaluation.reid import evaluate_reid
from index.evaluation.ucf101 import evaluate_ucf101
from index.evaluation.views import ViewTable, view_table
from training.data.reader_options import given
from training.data.readers import open_reader
from training.errors import DataError


@dataclass(frozen=True)
class Evaluation:
    """What to measure. ``kind`` None finds the reader by layout; ``fps`` thins films (paper: 5).

    ``split`` limits protocol ``reid``; ``query_split`` and ``gallery_split`` are Objectron's,
    ``fold`` and ``view`` are UCF101's; ``shown`` is what of ETH-80's photographs is embedded.
    """

    protocol: Literal["eth80", "coil100", "reid", "objectron", "ucf101", "lmo"]
    root: Path
    encoder: str
    kind: str | None = None
    split: str | None = None
    query_split: str = "test"
    gallery_split: str = "train"
    fold: int | None = None
    view: Literal["frame", "square"] | None = None
    shown: Literal["photograph", "trimmed", "toy"] = "photograph"
    fps: float | None = None
    max_queries: int | None = None
    exclude_seconds: float | None = None
    seed: int = 0
    cache: Path | None = None
    backend: Literal["auto", "onnx", "torch"] = "auto"
    threads: int | None = None
    data_root: Path | None = None


def run(
    evaluation: Evaluation, progress: Progress | None = None, material: Material | None = None
) -> dict[str, Any]:
    """The protocol's figures with ``protocol``, ``encoder``, ``dataset``, ``seed``, ``seconds``.

    ``material``, where given, is filled with what a report shows beside the figures. Plain JSON
    values without NaN. Raises EncoderError and DataError with their remedies.
    """
    started = time.perf_counter()
    if evaluation.query_split == evaluation.gallery_split:
        raise DataError(
            f"Queries and gallery are both the split '{evaluation.query_split}'.",
            "Name two splits, so that no query finds itself.",
        )
    encoder = open_encoder(
        evaluation.encoder, evaluation.data_root, evaluation.backend, evaluation.threads
    )
    heads: dict[str, str] = {}
    notes: list[str] = []
    for use in _USES.get(evaluation.protocol, ("pose", "identity")):
        heads[use], note = encoder.resolve_head(use)
        notes += [note] if note else []
    dataset = _Dataset(evaluation, encoder, progress, material)
    result = _MEASURES[evaluation.protocol](evaluation, dataset, heads)
    name = evaluation.encoder
    return {
        "protocol": evaluation.protocol,
        **asdict(result),
        "encoder": {
            "identity": encoder.identity,
            "folder": name if name.startswith(BASELINE_PREFIX) else str(Path(name).resolve()),
            "heads_used": heads,
            "notes": notes,
        },
        "dataset": dataset.as_dict(),
        "max_queries": evaluation.max_queries,
        "seed": evaluation.seed,
        "seconds": round(time.perf_counter() - started, 3),
    }


class _Dataset:
    """Embeds splits of the dataset and remembers what was left out on the way."""

    def __init__(
        self,
        evaluation: Evaluation,
        encoder: ViewEncoder,
        progress: Progress | None,
        material: Material | None,
    ) -> None:
        self.material = material
        self._evaluation = evaluation
        self._encoder = encoder
        self._progress = progress
        self._options = given(fold=evaluation.fold, view=evaluation.view)
        self._reader = open_reader(
            evaluation.root, evaluation.kind, fps=evaluation.fps, **self._options
        )
        self._views: dict[str, int] = {}
        self._skipped_sequences: list[dict[str, str]] = []
        self._skipped_views: list[dict[str, str]] = []
        self._notes: list[str] = []

    def embedded(
        self, split: str | None, choose: Callable[[ViewTable], ViewTable] | None = None
    ) -> EmbeddedViews:
        """All views of ``split`` (None: every split), or what ``choose`` takes, embedded."""
        table = view_table(self._reader.sequences(split))
        if choose is not None:
            table = choose(table)
        embedded = embed_views(self._encoder, table, self._evaluation.cache, self._progress)
        self._views[split or "all"] = len(embedded)
        if self.material is not None:
            self.material.embedded[split or "all"] = embedded
        report = self._reader.report
        self._skipped_sequences += [asdict(skipped) for skipped in report.skipped]
        self._notes += [note for note in report.notes if note not in self._notes]
        self._skipped_views += [asdict(skipped) for skipped in embedded.skipped]
        return embedded

    def as_dict(self) -> dict[str, Any]:
        """Where the views came from, how many there were, what was left out and why."""
        return {
            "root": str(self._evaluation.root.resolve()),
            "kind": self._reader.kind,
            "fps": self._evaluation.fps,
            **self._options,
            **({"shown": self._evaluation.shown} if self._evaluation.protocol == "eth80" else {}),
            "views": self._views,
            "skipped_sequences": self._skipped_sequences,
            "skipped_views": self._skipped_views,
            "notes": self._notes,
        }


def _eth80(evaluation: Evaluation, dataset: _Dataset, heads: dict[str, str]) -> Any:
    return evaluate_eth80(
        dataset.embedded(None, SHOWN[evaluation.shown]),
        heads["pose"],
        heads["identity"],
        evaluation.max_queries,
        evaluation.seed,
        dataset.material,
    )


def _coil100(evaluation: Evaluation, dataset: _Dataset, heads: dict[str, str]) -> Any:
    return evaluate_coil100(
        dataset.embedded(None),
        heads["pose"],
        heads["identity"],
        evaluation.max_queries,
        evaluation.seed,
        dataset.material,
    )


def _lmo(evaluation: Evaluation, dataset: _Dataset, heads: dict[str, str]) -> Any:
    return evaluate_lmo(
        dataset.embedded(None, visible_crops),
        heads["pose"],
        heads["identity"],
        evaluation.max_queries,
        evaluation.seed,
        dataset.material,
    )


def _reid(evaluation: Evaluation, dataset: _Dataset, heads: dict[str, str]) -> Any:
    return evaluate_reid(
        dataset.embedded(evaluation.split),
        heads["identity"],
        evaluation.exclude_seconds,
        evaluation.max_queries,
        evaluation.seed,
        dataset.material,
    )


def _objectron(evaluation: Evaluation, dataset: _Dataset, heads: dict[str, str]) -> Any:
    return evaluate_objectron(
        dataset.embedded(evaluation.query_split),
        dataset.embedded(evaluation.gallery_split),
        heads["pose"],
        heads["identity"],
        evaluation.max_queries,
        evaluation.seed,
        dataset.material,
    )


def _ucf101(evaluation: Evaluation, dataset: _Dataset, heads: dict[str, str]) -> Any:
    return evaluate_ucf101(
        dataset.embedded(evaluation.query_split),
        dataset.embedded(evaluation.gallery_split),
        heads["pose"],
        evaluation.max_queries,
        evaluation.seed,
    )


_MEASURES: dict[str, Callable[[Evaluation, _Dataset, dict[str, str]], Any]] = {
    "eth80": _eth80,
    "coil100": _coil100,
    "reid": _reid,
    "objectron": _objectron,
    "ucf101": _ucf101,
    "lmo": _lmo,
}

_USES = {"reid": ("identity",), "ucf101": ("pose",)}
"""Protocol → what it asks of the embeddings, where that is not both."""
