"""The figures of a table's runs, gathered over seeds into one object of plain JSON values."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from itertools import chain
from pathlib import Path
from statistics import fmean
from typing import Any

from index.evaluation import paper
from index.evaluation.table2.plan import TableRun, paper_row, recipe_of
from training.artifact import code_version, read_info
from training.cores import available_cores


@dataclass(frozen=True)
class Column:
    """One figure: where it stands in a protocol's result."""

    protocol: str
    heading: str
    path: str
    digits: int = 3

    @property
    def key(self) -> str:
        """Its name in the summary."""
        return f"{self.protocol}.{self.path}"


PAPER_COLUMNS = (
    Column("objectron", "class accuracy", "class_accuracy"),
    Column("objectron", "hit rate", "hit_rate.nearest_neighbour.mean"),
    Column("objectron", "re-ID mAP", "reid_map"),
)
"""The paper's Table 2, in the order of ``paper.TABLE_2``."""

POSE_HEAD_REID = Column("objectron", "re-ID mAP", "reid_map_of_pose_head")
"""Beside the re-ID of an encoder that has an identity head too."""

MORE_COLUMNS: dict[str, tuple[Column, ...]] = {
    "Hits of the nearest neighbour, otherwise": (
        Column("objectron", "symmetry rule", "hit_rate.nearest_neighbour_symmetric.mean"),
        Column("objectron", "noisy plane", "hit_rate.nearest_neighbour_noisy_plane.mean"),
        Column("objectron", "no plane", "hit_rate.nearest_neighbour_no_plane.mean"),
    ),
    "Hits of the neighbours' consensus": (
        Column("objectron", "true plane", "hit_rate.consensus.mean"),
        Column("objectron", "noisy plane", "hit_rate.consensus_noisy_plane.mean"),
        Column("objectron", "no plane", "hit_rate.consensus_no_plane.mean"),
    ),
    "Turntables": (
        Column("eth80", "ETH-80 azimuth error °", "azimuth_error_mean_deg", digits=1),
        Column("eth80", "ETH-80 re-ID mAP", "reid_map"),
        Column("coil100", "COIL-100 re-ID mAP", "reid_map"),
    ),
    "ETH-80, the toys alone": (
        Column("eth80-toy", "azimuth error °", "azimuth_error_mean_deg", digits=1),
        Column("eth80-toy", "share ≤ 22.5°", "share_within_22_5_deg"),
        Column("eth80-toy", "re-ID mAP", "reid_map"),
    ),
    "LM-O": (
        Column("lmo", "rotation error °", "rotation_error_mean_deg", digits=1),
        Column("lmo", "re-ID mAP", "reid_map"),
    ),
}
"""Title → figures that the paper's table has not; three of them are 80 characters wide."""

REFERENCES = {
    "random_in_category_fit": "random view of the category",
    "random_fit": "random view",
    "oracle_rotation": "nearest true rotation in the category",
}
"""Rows of ``hit_rate`` that no embedding enters → what they are."""


@dataclass(frozen=True)
class Spread:
    """A figure over seeds."""

    mean: float
    min: float
    max: float
    values: tuple[float, ...]


def summarise(
    runs: Sequence[TableRun], failed: Mapping[str, str], command: Sequence[str]
) -> dict[str, Any]:
    """The table, what differs from the paper's and how it was made; None for what is not there."""
    done = [run for run in runs if all(run.result(name).exists() for name in run.protocols)]
    rows = [
        _row([run for run in runs if (run.family, run.row) == key], done)
        for key in dict.fromkeys((run.family, run.row) for run in runs)
    ]
    settings = runs[0].settings
    return {
        "rows": rows,
        "references": _references(done),
        "differences": _differences(runs, rows),
        "failed": dict(failed),
        "command": " ".join(command),
        "root": str(settings.root),
        "also": {name: str(folder) for name, folder in settings.also},
        "train_also": settings.train_also,
        "seeds": list(settings.seeds),
        "overrides": list(settings.overrides),
        "max_queries": settings.max_queries,
        "hardware": hardware(),
        "versions": versions(),
    }


def _row(runs: Sequence[TableRun], done: Sequence[TableRun]) -> dict[str, Any]:
    """One setup: its figures over the seeds that are done, the paper's, and its trainings."""
    first = runs[0]
    kept = [run for run in runs if run in done]
    figures: dict[str, Any] = {}
    every = (*PAPER_COLUMNS, POSE_HEAD_REID, *chain.from_iterable(MORE_COLUMNS.values()))
    for column in every:
        values = [
            value
            for run in kept
            if column.protocol in run.protocols
            and (value := _figure(run.result(column.protocol), column.path)) is not None
        ]
        figures[column.key] = (
            asdict(Spread(fmean(values), min(values), max(values), tuple(values)))
            if values
            else None
        )
    return {
        "family": first.family,
        "row": first.row,
        "recipe": recipe_of(first.family, first.row),
        "seeds": [run.seed for run in kept],
        "seeds_asked": [run.seed for run in runs],
        "paper": paper_row(first.row),
        "figures": figures,
        "trainings": [_training(run) for run in kept],
    }


def _training(run: TableRun) -> dict[str, Any]:
    info = read_info(run.folder / "encoder")
    story = info.training
    recipe = story.get("recipe", {})
    return {
        "seed": run.seed,
        "encoder": info.identity,
        "heads": {name: head.dim for name, head in info.heads.items()},
        "backbone": info.backbone,
        "init": recipe.get("network", {}).get("init"),
        "size": info.preprocessing.size,
        "epochs": story.get("epochs", 0),
        "pairs": story.get("data", {}).get("pairs"),
        "seconds": story.get("seconds", 0.0),
        "device": story.get("device"),
        "torch": story.get("torch"),
        "collapsed": info.metrics.get("collapsed", False),
    }


def _references(done: Sequence[TableRun]) -> dict[str, dict[str, float | None]]:
    """What random and true rotations reach on the same queries; the same for every encoder."""
    if not done:
        return {}
    hits = json.loads(done[0].result("objectron").read_bytes())["hit_rate"]
    printed = {row: paper.TABLE_1[name][-1] for row, name in paper.TABLE_1_COUNTERPARTS.items()}
    return {
        told: {"hit_rate": hits[row]["mean"], "paper": printed.get(row)}
        for row, told in REFERENCES.items()
    }


def _differences(runs: Sequence[TableRun], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What keeps ours and the paper's rows from being the same measurement."""
    settings = runs[0].settings
    found = []
    if (settings.root / "render.json").exists():
        found.append("Our sequences are rendered, the paper's are filmed.")
    trainings = [(row["recipe"], story) for row in rows for story in row["trainings"][:1]]
    for recipe, story in trainings:
        found.append(
            f"{recipe}: {story['backbone']} from {story['init']} weights at {story['size']} "
            f"pixels, {_length(story)}; paper: ResNet-50 at 224 pixels, 25 epochs."
        )
    found += paper.OBJECTRON_DIFFERENCES[1:]
    found += paper.TABLE_2_DIFFERENCES
    if any(story["init"] == "imagenet" for _, story in trainings):
        found.append("Rows from ImageNet weights saw a million labelled photographs before.")
    if settings.also:
        names = ", ".join(name for name, _ in settings.also)
        seen = (
            f"The encoders were trained on the very pictures of {names} too, without labels"
            if settings.train_also
            else f"No encoder saw the pictures of {names} in training"
        )
        found.append(f"{seen}. The paper has no figures on them.")
    return found


def _length(story: Mapping[str, Any]) -> str:
    epochs, pairs = story["epochs"], story["pairs"]
    return f"{epochs} × {pairs} pairs" if epochs else "nothing trained"


def _figure(result: Path, path: str) -> float | None:
    value: Any = json.loads(result.read_bytes())
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return None if value is None else float(value)


def versions() -> dict[str, str]:
    """Posebank's version and those of the libraries that figures depend on."""
    found = {"posebank": code_version(), "python": platform.python_version()}
    for name in ("numpy", "opencv-python-headless", "onnxruntime", "torch"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def hardware() -> dict[str, Any]:
    """The kind of machine: architecture, processor, cores, and GPUs where there are any."""
    return {
        "machine": platform.machine(),
        "processor": _processor(),
        "cores": available_cores(),
        "gpus": _gpus(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _gpus() -> list[str]:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    done = subprocess.run(
        [tool, "--query-gpu=name", "--format=csv,noheader"], capture_output=True, text=True
    )
    return done.stdout.splitlines() if done.returncode == 0 else []
