"""A protocol's figures as tables for people, beside what others published."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from index.evaluation import paper

Figures = Mapping[str, Any]


def show(console: Console, protocol: str, figures: Figures) -> None:
    """Prints the tables of one protocol; ``figures`` is the object that ``--json`` prints."""
    for table in TABLES[protocol](figures):
        console.print(table)
    encoder, dataset = figures["encoder"], figures["dataset"]
    heads = ", ".join(f"{use}: {head}" for use, head in encoder["heads_used"].items())
    console.print(f"encoder {encoder['identity'][:32]} ({encoder['folder']}); {heads}")
    for note in (*encoder["notes"], *dataset["notes"]):
        console.print(f"note: {note}", style="yellow")
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
    hits: Mapping[str, Mapping[str, float | None]] = figures["hit_rate"]
    categories = [name for name in hits["nearest_neighbour"] if name != "mean"]
    differences = [*paper.OBJECTRON_DIFFERENCES]
    if len(categories) < len(paper.CATEGORIES):
        differences.append(f"Its means are over nine categories, ours over {len(categories)}.")
    first = Table(title="Share of hits, 3-D IoU > 0.5", caption=" ".join(differences))
    for heading in ("row", *categories, "mean"):
        first.add_column(heading, justify="left" if heading == "row" else "right")
    asked = figures["n_queries_by_category"]
    first.add_row(
        "queries",
        *(str(asked[name]) for name in categories),
        str(figures["n_queries"]),
        end_section=True,
    )
    for row, values in hits.items():
        counterpart = paper.TABLE_1_COUNTERPARTS.get(row)
        first.add_row(row, *(_number(values.get(name)) for name in (*categories, "mean")))
        if counterpart is not None:
            printed = dict(
                zip((*paper.CATEGORIES, "mean"), paper.TABLE_1[counterpart], strict=True)
            )
            first.add_row(
                f"  paper: {counterpart}",
                *(_number(printed.get(name)) for name in (*categories, "mean")),
                style="dim",
            )
    second = _table("Table 2", "embedding", "class accuracy", "hit rate", "re-ID mAP")
    second.add_row(
        "this encoder",
        _number(figures["class_accuracy"]),
        _number(hits["nearest_neighbour"]["mean"]),
        _number(figures["reid_map"]),
        style="bold",
    )
    for name, printed_row in paper.TABLE_2.items():
        second.add_row(f"paper: {name}", *(_number(value) for value in printed_row), style="dim")
    return [first, second]


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
