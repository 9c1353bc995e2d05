"""A protocol's figures as tables for people, beside what others published.

``grids`` and ``notes`` say what is shown; the terminal (``show``) and the report draw the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rich.columns import Columns
from rich.console import Console

from index.evaluation import paper
from index.evaluation.eth80_shown import TRIM_PX
from index.evaluation.grid import Column, Grid, number, rich_table
from index.evaluation.objectron import SYMMETRIC_CATEGORIES
from index.evaluation.reid import ALL_FRAMES, OTHER_SEQUENCES
from index.evaluation.ucf101 import TOP_K

Figures = Mapping[str, Any]


def show(console: Console, protocol: str, figures: Figures) -> None:
    """Prints the tables of one protocol; ``figures`` is the object that ``--json`` prints."""
    # Side by side where the terminal is wide enough.
    console.print(Columns([rich_table(grid) for grid in grids(protocol, figures)]))
    for text in notes(protocol, figures):
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


def grids(protocol: str, figures: Figures) -> list[Grid]:
    """The tables of one protocol."""
    return TABLES[protocol](figures)


def notes(protocol: str, figures: Figures) -> list[str]:
    """What must be known to read the tables; full sentences."""
    return NOTES[protocol](figures) if protocol in NOTES else []


def _eth80(figures: Figures) -> list[Grid]:
    title = "ETH-80" + ETH80_SHOWN[figures["dataset"]["shown"]]
    table = Grid.of(title, "embedding", "azimuth error °", "share ≤ 22.5°", "re-ID mAP")
    table.add(
        "this encoder",
        number(figures["azimuth_error_mean_deg"], 1),
        number(figures["share_within_22_5_deg"]),
        number(figures["reid_map"]),
        style="own",
    )
    for name, (error, share, reid) in paper.ETH80_BASELINES.items():
        table.add(name, number(error, 1), number(share), number(reid))
    parts = Grid.of("by category", "category", "azimuth error °", "re-ID mAP")
    for name, error in figures["azimuth_error_mean_deg_by_category"].items():
        reid = figures["reid_map_by_category"].get(name)
        parts.add(name, number(error, 1), number(reid))
    return [table, parts]


ETH80_SHOWN = {
    "photograph": "",
    "trimmed": f", less {TRIM_PX} px a side",
    "toy": ", the toy alone",
}
"""What of the photographs was embedded → how the title goes on."""


def _eth80_notes(figures: Figures) -> list[str]:
    shown = figures["dataset"]["shown"]
    notes = []
    if shown != "toy":
        notes.append(
            "The cloth behind the toys moves with the camera and gives the azimuth away; --shown "
            "toy cuts the toys out."
        )
    if shown != "trimmed":
        notes.append(
            f"The rows below ours are of photographs less {TRIM_PX} px a side (--shown trimmed)."
        )
    return notes


def _coil100(figures: Figures) -> list[Grid]:
    table = Grid.of("COIL-100", "embedding", "re-ID mAP", "rank-1", "azimuth error °")
    without = figures["without_barely_changing"]
    objects = ", ".join(map(str, figures["barely_changing_objects"]))
    for name, scores in (
        ("this encoder", figures),
        (f"… without objects {objects}", without),
    ):
        table.add(
            name,
            number(scores["reid_map"]),
            number(scores["rank1"]),
            number(scores["azimuth_error_mean_deg"], 1),
            style="own",
        )
    for name, (reid, error) in paper.COIL100_BASELINES.items():
        table.add(name, number(reid), "", number(error, 1))
    return [table]


def _lmo(figures: Figures) -> list[Grid]:
    table = Grid.of("LM-O", "embedding", "rotation error °", "re-ID mAP")
    rotation = number(figures["rotation_error_mean_deg"], 1)
    table.add("this encoder", rotation, number(figures["reid_map"]), style="own")
    for name, key in LMO_BOUNDS.items():
        table.add(f"{name}, here", number(figures[key], 1), "")
    for name, (error, reid) in paper.LMO_BASELINES.items():
        table.add(f"others: {name}", number(error, 1), "" if reid is None else number(reid))
    refit = Grid.of(
        "PnP on noisy keypoints", "noise px", "mean IoU", "hit rate", "rotation error °"
    )
    for row in figures["refit"]:
        refit.add(
            number(row["noise_px"], 0),
            number(row["mean_iou"]),
            number(row["hit_rate"]),
            number(row["rotation_error_mean_deg"], 2),
        )
    return [table, refit]


LMO_BOUNDS = {
    "best possible": "best_possible_rotation_error_deg",
    "random view of the object": "random_rotation_error_deg",
}


def _reid(figures: Figures) -> list[Grid]:
    table = Grid.of("re-identification", "gallery", "re-ID mAP", "rank-1", "class accuracy")
    table.add(
        ALL_FRAMES,
        number(figures["reid_map"]),
        number(figures["rank1"]),
        number(figures["class_accuracy"]),
    )
    apart = figures["without_own_sequence"] or {"reid_map": None, "rank1": None}
    table.add(
        OTHER_SEQUENCES,
        number(apart["reid_map"]),
        number(apart["rank1"]),
        number(figures["class_accuracy_other_sequences"]),
    )
    return [table]


def _objectron(figures: Figures) -> list[Grid]:
    second = Grid.of("Table 2", "embedding", "class accuracy", "hit rate", "re-ID mAP")
    second.add(
        "this encoder",
        number(figures["class_accuracy"]),
        number(figures["hit_rate"]["nearest_neighbour"]["mean"]),
        number(figures["reid_map"]),
        style="own",
    )
    for name, printed_row in paper.TABLE_2.items():
        second.add(f"paper: {name}", *(number(value) for value in printed_row), style="paper")
    hits = [_hits(figures, title, rows) for title, rows in HIT_TABLES.items()]
    return [*hits, _confidence(figures), _reliability(figures), second]


HIT_TABLES: dict[str, dict[str, str]] = {
    "Hits of the nearest neighbour, by its ground plane": {
        "true plane": "nearest_neighbour",
        "noisy plane": "nearest_neighbour_noisy_plane",
        "no plane": "nearest_neighbour_no_plane",
    },
    "Hits of the consensus of 20 neighbours, by its ground plane": {
        "true plane": "consensus",
        "noisy plane": "consensus_noisy_plane",
        "no plane": "consensus_no_plane",
        "20 at random": "random_in_category_consensus",
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


def _hits(figures: Figures, title: str, rows: Mapping[str, str]) -> Grid:
    """Share of hits by category, each column followed by the paper's where it has one."""
    hits: Mapping[str, Mapping[str, float | None]] = figures["hit_rate"]
    asked = {**figures["n_queries_by_category"], "mean": figures["n_queries"]}
    printed = {
        row: dict(zip((*paper.CATEGORIES, "mean"), paper.TABLE_1[name], strict=True))
        for row, name in paper.TABLE_1_COUNTERPARTS.items()
    }
    table = Grid.of(title, "category", "queries")
    for heading, row in rows.items():
        table.columns.append(Column(heading))
        if row in printed:
            table.columns.append(Column("paper", style="paper"))

    def add(category: str, turned: bool, end: bool = False) -> None:
        cells = []
        for row in rows.values():
            cells.append(number(hits[row + "_symmetric" * turned][category]))
            if row in printed:
                cells.append("" if turned else number(printed[row].get(category)))
        name = f"{category} {TURNED}" if turned else category
        table.add(name, str(asked[category]), *cells, ends_section=end)

    categories = [name for name in hits["nearest_neighbour"] if name != "mean"]
    for category in categories:
        add(category, turned=False, end=category == categories[-1])
    add("mean", turned=False, end=True)
    symmetric = [name for name in categories if name in SYMMETRIC_CATEGORIES]
    for category in [*symmetric, "mean"] if symmetric else []:
        add(category, turned=True)
    return table


CONSENSUS_ROWS = {
    "true": "consensus",
    "noisy": "consensus_noisy_plane",
    "none": "consensus_no_plane",
}


def _confidence(figures: Figures) -> Grid:
    table = Grid.of(
        "Confidence of the consensus, by its ground plane",
        "plane",
        "answered",
        "hits of these",
        "of the rest",
        "AUROC",
        "ECE",
        "Brier",
    )
    keys = ("coverage", "hit_rate_answered", "hit_rate_abstained", "auroc", "ece", "brier")
    for plane, row in CONSENSUS_ROWS.items():
        table.add(plane, *(number(figures["consensus"][row][key]) for key in keys))
    return table


def _reliability(figures: Figures) -> Grid:
    """Share of the queries in each bin of confidence, and how many of them hit."""
    headings = (f"{plane}: {what}" for plane in CONSENSUS_ROWS for what in ("share", "hits"))
    table = Grid.of("Hits by confidence and ground plane", "P(hit)", *headings)
    bins = [
        {round(entry["low"], 1): entry for entry in figures["consensus"][row]["bins"]}
        for row in CONSENSUS_ROWS.values()
    ]
    for low in sorted(set().union(*bins)):
        found = [entries.get(low, {}) for entries in bins]
        cells = (number(entry.get(key), 2) for entry in found for key in ("share", "hit_rate"))
        table.add(f"{low:.1f}–{low + 0.1:.1f}", *cells)
    return table


def _objectron_notes(figures: Figures) -> list[str]:
    count = len(figures["n_queries_by_category"])
    notes = [
        "A hit: 3-D IoU > 0.5 with the annotated box.",
        f"{TURNED}: fitted boxes of {' and '.join(SYMMETRIC_CATEGORIES)} turned about their y "
        "axis, the best IoU kept.",
        "20 at random: drawn from the query's category, true plane; what pooling reaches without "
        "an embedding.",
        "Confidence: calibrated on the gallery alone; all shares of it are over queries.",
        *paper.OBJECTRON_DIFFERENCES,
    ]
    if count < len(paper.CATEGORIES):
        notes.append(f"Its means are over nine categories, ours over {count}.")
    return notes


def _ucf101(figures: Figures) -> list[Grid]:
    table = Grid.of("UCF101: class among the k nearest", "query", *map("R@{}".format, TOP_K))
    for name, row in UCF101_ROWS.items():
        table.add(name, *(number(figures[row][str(k)]) for k in TOP_K), style="own")
    for name, printed_row in paper.TABLE_3.items():
        table.add(f"paper: {name}", *map(number, printed_row), style="paper")
    return [table]


UCF101_ROWS = {
    "a frame, among frames": "frame_top_k",
    "a video, among videos": "video_top_k",
    "a video, by vote": "video_vote_top_k",
}


def _ucf101_notes(figures: Figures) -> list[str]:
    notes = [
        f"{figures['n_query_frames']} frames of {figures['n_query_videos']} videos ask "
        f"{figures['n_gallery_frames']} frames of {figures['n_gallery_videos']} videos.",
        f"By vote: the {figures['vote_neighbours']} nearest frames of each frame vote, and k "
        "counts classes, not neighbours; the paper has no such row.",
        *paper.UCF101_DIFFERENCES,
    ]
    if figures["groups_in_both"]:
        notes.append(
            f"{figures['groups_in_both']} groups are among both queries and gallery: these figures "
            "measure memory."
        )
    return notes


TABLES: dict[str, Callable[[Figures], list[Grid]]] = {
    "eth80": _eth80,
    "coil100": _coil100,
    "reid": _reid,
    "objectron": _objectron,
    "ucf101": _ucf101,
    "lmo": _lmo,
}

NOTES: dict[str, Callable[[Figures], list[str]]] = {
    "eth80": _eth80_notes,
    "objectron": _objectron_notes,
    "ucf101": _ucf101_notes,
}
