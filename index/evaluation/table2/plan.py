"""Which runs make the table, and the commands of each: `posebank train`, then `evaluate`.

Training runs in processes of its own: this package knows no trainer, and a run that dies takes no
other with it.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from index.evaluation import paper
from training.errors import RecipeError

FAMILIES = ("small", "squeeze", "paper")

ROWS: dict[str, str | None] = {
    "nearby": "Nearby frame pairs",
    "distant": "Distant frame pairs",
    "same-frame": "Same frame pairs",
    "nt-xent": "NT-Xent",
    "tcn": "TCN",
    "joint": None,
    "imagenet": "ImageNet embeddings",
    "imagenet-grid": "ImageNet embeddings",
    "imagenet-heads": "ImageNet embeddings",
    "random": "Random embeddings",
}
"""Row → the paper's row made the same way (``paper.TABLE_2``); ``joint`` is ours."""

SIMSIAM_ROWS = ("nearby", "distant", "same-frame")

BESIDE = {"eth80": "eth80", "eth80-toy": "eth80", "coil100": "coil100", "lmo": "bop"}
"""What ``--also`` takes → its reader: protocols that a folder and an encoder are enough for."""

COMMANDS = {"eth80-toy": ("eth80", "--shown", "toy")}
"""The words after `posebank evaluate`, where they are more than the protocol's name."""


@dataclass(frozen=True)
class Settings:
    """What the table is made of. ``threads`` are each run's, ``jobs`` run side by side.

    ``also`` are (protocol, folder) to evaluate on beside the Objectron protocol on ``root``;
    ``train_also`` adds their pictures, without labels, to the training data.
    """

    root: Path
    out: Path
    seeds: tuple[int, ...]
    also: tuple[tuple[str, Path], ...] = ()
    train_also: bool = False
    overrides: tuple[str, ...] = ()
    threads: int = 1
    max_queries: int | None = None


@dataclass(frozen=True)
class TableRun:
    """One training with one seed and all its evaluations, in the folder ``out``/``name``."""

    family: str
    row: str
    seed: int
    settings: Settings

    @property
    def name(self) -> str:
        """The name of its folder."""
        return f"{self.family}-{self.row}-{self.seed}"

    @property
    def folder(self) -> Path:
        """Where its encoder and its results lie."""
        return self.settings.out / self.name

    @property
    def protocols(self) -> dict[str, Path]:
        """Protocol → folder of its data, in the order they are measured."""
        return {"objectron": self.settings.root, **dict(self.settings.also)}

    def result(self, protocol: str) -> Path:
        """The file of a protocol's figures."""
        return self.folder / f"{protocol}.json"

    def training(self) -> list[str]:
        """The arguments of `posebank train` that settle what is trained."""
        asked = self.settings
        arguments = ["train", recipe_of(self.family, self.row), "--data", str(asked.root)]
        arguments += ["--split", "train"]
        if asked.train_also:
            for folder in dict.fromkeys(folder for _, folder in asked.also):
                arguments += ["--data", str(folder), "--split", ""]
        fitting = [s for s in asked.overrides if not s.startswith(self._unfitting)]
        return [*arguments, *(f"--set={value}" for value in (f"run.seed={self.seed}", *fitting))]

    @property
    def _unfitting(self) -> tuple[str, ...]:
        """Overrides that would make a frozen row train, or begin from other weights."""
        if drawn_nothing(self.row) or self.row == "random":
            return ("optimise.", "network.init=")
        return ()

    def train_command(self) -> list[str]:
        """How the run is trained, gone on with where it was begun."""
        threads = f"--set=run.threads={self.settings.threads}"
        own = any(value.startswith("run.threads=") for value in self.settings.overrides)
        where = ["--out", str(self.folder), "--resume"]
        return posebank(*self.training(), *([] if own else [threads]), *where)

    def evaluation(self, protocol: str) -> list[str]:
        """The arguments of `posebank evaluate` that settle what is measured."""
        words = COMMANDS.get(protocol, (protocol,))
        arguments = ["evaluate", *words, "--root", str(self.protocols[protocol])]
        if self.settings.max_queries is not None:
            arguments += ["--max-queries", str(self.settings.max_queries)]
        return arguments

    def evaluate_command(self, protocol: str) -> list[str]:
        """How the run is measured; the last line it prints is one JSON object."""
        encoder = ["--encoder", str(self.folder / "encoder")]
        threads = ["--threads", str(self.settings.threads)]
        return posebank(*self.evaluation(protocol), *encoder, *threads, "--json")


def posebank(*arguments: str) -> list[str]:
    """A command line of the `posebank` installed beside this interpreter."""
    return [str(Path(sys.executable).with_name("posebank")), *arguments]


def recipe_of(family: str, row: str) -> str:
    """The name of the recipe of a row."""
    if family != "paper":
        return f"{family}-{row}"
    return f"simsiam-{row}" if row in SIMSIAM_ROWS else row


def known_recipes() -> set[str]:
    """The recipes that `posebank train` has. Raises RecipeError where it cannot say."""
    done = subprocess.run(posebank("train", "--list"), capture_output=True, text=True)
    if done.returncode:
        raise RecipeError(
            f"`posebank train --list` ended with {done.returncode}: {done.stderr.strip()[-300:]}",
            "Install Posebank with the extra 'train'.",
        )
    return {line.split()[0] for line in done.stdout.splitlines() if line.strip()}


def plan(
    families: Sequence[str], rows: Sequence[str], settings: Settings, recipes: set[str]
) -> list[TableRun]:
    """The runs, seed by seed, so that a part of the table is already comparable.

    ``rows`` empty takes all rows the families have recipes for. Raises RecipeError for a family
    or row without any recipe, and for a table without runs.
    """
    if not families or not settings.seeds:
        raise RecipeError(
            "A table without a family of recipes or without a seed has no runs.",
            "Give --family small and --seeds 0,1,2, say.",
        )
    for family in families:
        if family not in FAMILIES:
            raise RecipeError(
                f"There is no family of recipes {family!r}.", f"Use {', '.join(FAMILIES)}."
            )
    for row in rows:
        if not any(recipe_of(family, row) in recipes for family in families):
            raise RecipeError(
                f"No recipe makes row {row!r} of {' or '.join(families)}.",
                f"Rows: {', '.join(ROWS)}; `posebank train --list` names the recipes.",
            )
    chosen = [
        (family, row)
        for family in families
        for row in dict.fromkeys(rows or ROWS)
        if recipe_of(family, row) in recipes
    ]
    return [
        TableRun(family, row, seed, settings)
        for number, seed in enumerate(settings.seeds)
        for family, row in chosen
        if number == 0 or not drawn_nothing(row)
    ]


def drawn_nothing(row: str) -> bool:
    """Whether the row is published weights as they are: one seed is all of them."""
    return row.split("-")[0] == "imagenet"


def paper_row(row: str) -> tuple[float, float, float] | None:
    """(class accuracy, hit rate, re-ID mAP) of the paper's row; None for a row of ours.

    ``distant-grid`` and the like are their row with another embedding.
    """
    name = ROWS.get("imagenet" if drawn_nothing(row) else row.removesuffix("-grid"))
    return None if name is None else paper.TABLE_2[name]
