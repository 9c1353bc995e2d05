"""A protocol's figures as tables for people, beside what others published."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rich.columns import Columns
from rich.console import Console
from rich.table import Table

from index.evaluation import paper
from index.evaluation.objectron import SYMMETRIC_CATEGORIES

Figures = Mapping[str, Any]


def show(console: Console, protocol: str, figures: Figures) -> None:
    """Prints the tables of one protocol; ``figures`` is the object that ``--json`` prints."""
    # Side by side where the terminal is wide enough.
    console.print(Columns(TABLES[protocol](figures)))
    for text in _objectron_notes(figures) if protocol == "objectron" else []:
        console.print(text, style="dim")
    encoder, dataset = figures["encoder"], figures["dataset"]
    heads = ", ".join(f"{use}: {head}" for use, head in encoder["heads_used"].items())
    told = f"encoder {encoder['identity'][:32]} ({encoder['folder']}); {heads}"
    console.print(told, markup=False)
    for note in (*encoder["notes"], *dataset["notes"]):
        console.print(f"note: {note}", style="yellow", markup=False)
    left_out = len(dataset["skipped_sequences"]), len(dataset["skipped_views"])
    if any(left_out):
        console.print(
            f"left out: {left_out[0]} sequences, {left_out[1]} views; --json says why",
            style="yellow",
        )
    console.print(f"{figures['seconds']:.1f} s")


def _eth80(figures: Figures) -> list[Table]:
    table = _table("ETH-80", "embedding", "azimuth error °", "share ≤ 22.5°", "re-ID mAP")
    table.add_row(
        "this encoder",
        _number(figures["azimuth_error_mean_deg"], 1),
        _number(figures["share_within_22_5_deg"]),
        _number(figures["reid_map"]),
        style="bold",
    )
    for name, (error, share, reid) in paper.ETH80_BASELINES.items():
        table.add_row(name, _number(error, 1), _number(share), _number(reid))
    parts = _table("by category", "category", "azimuth error °", "re-ID mAP")
    for name, error in figures["azimuth_error_mean_deg_by_category"].items():
        reid = figures["reid_map_by_category"].get(name)
        parts.add_row(name, _number(error, 1), _number(reid))
    return [table, parts]


def _coil100(figures: Figures) -> list[Table]:
    table = _table("COIL-100", "embedding", "re-ID mAP", "rank-1", "azimuth error °")
    without = figures["without_barely_changing"]
    objects = ", ".join(map(str, figures["barely_changing_objects"]))
    for name, scores in (
        ("this encoder", figures),
        (f"… without objects {objects}", without),
    ):
        table.add_row(
            name,
            _number(scores["reid_map"]),
            _number(scores["rank1"]),
            _number(scores["azimuth_error_mean_deg"], 1),
            style="bold",
        )
    for name, (reid, error) in paper.COIL100_BASELINES.items():
        table.add_row(name, _number(reid), "", _number(error, 1))
    return [table]


def _reid(figures: Figures) -> list[Table]:
    table = _table("re-identification", "gallery", "re-ID mAP", "rank-1", "class accuracy")
    table.add_row(
        "all other frames",
        _number(figures["reid_map"]),
        _number(figures["rank1"]),
        _number(figures["class_accuracy"]),
    )
    apart = figures["without_own_sequence"] or {"reid_map": None, "rank1": None}
    table.add_row(
        "other sequences",
        _number(apart["reid_map"]),
        _number(apart["rank1"]),
        _number(figures["class_accuracy_other_sequences"]),
    )
    return [table]


def _objectron(figures: Figures) -> list[Table]:
    second = _table("Table 2", "embedding", "class accuracy", "hit rate", "re-ID mAP")
    second.add_row(
        "this encoder",
        _number(figures["class_accuracy"]),
        _number(figures["hit_rate"]["nearest_neighbour"]["mean"]),
        _number(figures["reid_map"]),
        style="bold",
    )
    for name, printed_row in paper.TABLE_2.items():
        second.add_row(f"paper: {name}", *(_number(value) for value in printed_row), style="dim")
    return [*(_hits(figures, title, rows) for title, rows in HIT_TABLES.items()), second]


HIT_TABLES: dict[str, dict[str, str]] = {
    "Hits of the nearest neighbour, by its ground plane": {
        "true plane": "nearest_neighbour",
        "noisy plane": "nearest_neighbour_noisy_plane",
        "no plane": "nearest_neighbour_no_plane",
    },
    "Hits of other picks, true ground plane": {
        "random": "random_fit",
        "in category": "random_in_category_fit",
        "oracle rotation": "oracle_rotation",
    },
    "Hits with fewer sequences, true ground plane": {
        "10 % of them": "sequences_10_percent",
        "1 % of them": "sequences_1_percent",
    },
}
"""Title → heading → row of ``hit_rate``. Categories are the rows, so that 80 columns are enough."""

TURNED = "turned"


def _hits(figures: Figures, title: str, rows: Mapping[str, str]) -> Table:
    """Share of hits by category, each column followed by the paper's where it has one."""
    hits: Mapping[str, Mapping[str, float | None]] = figures["hit_rate"]
    asked = {**figures["n_queries_by_category"], "mean": figures["n_queries"]}
    printed = {
        row: dict(zip((*paper.CATEGORIES, "mean"), paper.TABLE_1[name], strict=True))
        for row, name in paper.TABLE_1_COUNTERPARTS.items()
    }
    table = _table(title, "category", "queries")
    for heading, row in rows.items():
        table.add_column(heading, justify="right")
        if row in printed:
            table.add_column("paper", justify="right", style="dim")

    def add(category: str, turned: bool, end: bool = False) -> None:
        cells = []
        for row in rows.values():
            cells.append(_number(hits[row + "_symmetric" * turned][category]))
            if row in printed:
                cells.append("" if turned else _number(printed[row].get(category)))
        name = f"{category} {TURNED}" if turned else category
        table.add_row(name, str(asked[category]), *cells, end_section=end)

    categories = [name for name in hits["nearest_neighbour"] if name != "mean"]
    for category in categories:
        add(category, turned=False, end=category == categories[-1])
    add("mean", turned=False, end=True)
    symmetric = [name for name in categories if name in SYMMETRIC_CATEGORIES]
    for category in [*symmetric, "mean"] if symmetric else []:
        add(category, turned=True)
    return table


def _objectron_notes(figures: Figures) -> list[str]:
    count = len(figures["n_queries_by_category"])
    notes = [
        "A hit: 3-D IoU > 0.5 with the annotated box.",
        f"{TURNED}: fitted boxes of {' and '.join(SYMMETRIC_CATEGORIES)} turned about their y "
        "axis, the best IoU kept.",
        *paper.OBJECTRON_DIFFERENCES,
    ]
    if count < len(paper.CATEGORIES):
        notes.append(f"Its means are over nine categories, ours over {count}.")
    return notes


TABLES: dict[str, Callable[[Figures], list[Table]]] = {
    "eth80": _eth80,
    "coil100": _coil100,
    "reid": _reid,
    "objectron": _objectron,
}


def _table(title: str, first: str, *numbers: str) -> Table:
    table = Table(title=title)
    table.add_column(first)
    for heading in numbers:
        table.add_column(heading, justify="right")
    return table


def _number(value: float | None, digits: int = 3) -> str:
    return "–" if value is None else f"{value:.{digits}f}"
