"""A report from the figures of a run and what it saw on the way."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.evaluation.material import Material
from index.evaluation.neighbours import Rows
from index.evaluation.reid import ALL_FRAMES, adjacent_frames
from index.evaluation.report.boxes import BoxCard, FailedBoxes, NamedFits, box_cards
from index.evaluation.report.curves import CurveChart, show_curves
from index.evaluation.report.extra import require_extra
from index.evaluation.report.failures import (
    Failures,
    angle_failures,
    ranking_failures,
    worst_fits,
)
from index.evaluation.report.folder import PAGE, appearing_folder
from index.evaluation.report.html import render_page
from index.evaluation.report.neighbours import Shown, show_neighbours
from index.evaluation.report.pictures import Pictures
from index.evaluation.report.reliability import show_reliability
from index.evaluation.report.sampling import sample_by_turns
from index.evaluation.report.trajectories import Maps, show_maps
from index.evaluation.tables import grids, notes

CARDS = 18

FITS = {"nearest_neighbour": ("nearest view", "nearest"), "consensus": ("consensus", "consensus")}
"""Row of the figures → its heading and the look of its lines. The first chooses the queries."""

STREAMS = {"neighbours": 1, "boxes": 2, "maps": 3, "failures": 4}
"""A stream of draws of its own for each section, so that none moves another."""


def write_report(folder: Path, figures: Mapping[str, Any], material: Material) -> None:
    """Write the report of one run: ``index.html`` and ``images/`` in ``folder``.

    ``figures`` is the object that ``--json`` prints; ``material`` may lack what the protocol has
    not. The same arguments give the same bytes. Raises DataError where the extra `report` is
    missing or the folder is not free.
    """
    require_extra()
    protocol, seed, pictures = str(figures["protocol"]), int(figures["seed"]), Pictures()
    fits = [(*FITS[row], material.fits[row]) for row in FITS if row in material.fits]
    with appearing_folder(folder) as partial:
        parts: dict[str, Any] = {
            "protocol": protocol,
            "figures": figures,
            "grids": grids(protocol, figures),
            "notes": notes(protocol, figures),
            "reliability": show_reliability(figures, pictures),
            "curves": _curves(material, pictures),
            "boxes": _boxes(fits, pictures, _rng(seed, "boxes")),
            "failed_boxes": _failed_boxes(fits, pictures, _rng(seed, "failures")),
            "failures": _failures(material, pictures),
            "neighbours": _neighbours(material, pictures, _rng(seed, "neighbours")),
            "maps": _maps(material, pictures, seed),
        }
        parts["unreadable"] = pictures.write(partial)
        (partial / PAGE).write_text(render_page(parts), encoding="utf-8")


def _rng(seed: int, section: str) -> np.random.Generator:
    return np.random.default_rng([seed, STREAMS[section]])


def _curves(material: Material, pictures: Pictures) -> list[CurveChart]:
    charts = [show_curves(*named, pictures) for named in material.rankings.items()]
    return [chart for chart in charts if chart is not None]


def _boxes(fits: list[NamedFits], pictures: Pictures, rng: np.random.Generator) -> list[BoxCard]:
    if not fits:
        return []
    first = fits[0][2]
    rows = sample_by_turns(first.queries.category[first.query_rows], CARDS, rng)
    return box_cards(fits, rows.tolist(), pictures)


def _failed_boxes(
    fits: list[NamedFits], pictures: Pictures, rng: np.random.Generator
) -> FailedBoxes | None:
    """Those of the last way of fitting: of the consensus where there is one."""
    if not fits:
        return None
    judged = fits[-1]
    rows, n_missed = worst_fits(judged[2], rng)
    cards = box_cards([judged, *fits[:-1]], rows, pictures)
    return FailedBoxes(judged[0], tuple(cards), n_missed, len(judged[2].query_rows))


def _failures(material: Material, pictures: Pictures) -> list[Failures]:
    found = []
    if material.angles is not None:
        found.append(angle_failures(material.angles, pictures))
    if ALL_FRAMES in material.rankings:
        found.append(ranking_failures(material.rankings[ALL_FRAMES], pictures))
    return found


def _neighbours(material: Material, pictures: Pictures, rng: np.random.Generator) -> list[Shown]:
    """Of the split that is ranked for re-ID; of the first split where none is."""
    if not material.embedded:
        return []
    embedded = next(iter(material.embedded.values()))
    ranking = material.rankings.get(ALL_FRAMES)
    if ranking is not None and ranking.table is embedded.table:
        queries, allowed = ranking.queries, ranking.allowed
    else:
        queries = np.arange(len(embedded))
        near = adjacent_frames(embedded.table, queries)

        def allowed(rows: Rows) -> NDArray[np.bool_]:
            return ~near(rows)

    return show_neighbours(embedded.table, embedded.vectors, queries, allowed, pictures, rng)


def _maps(material: Material, pictures: Pictures, seed: int) -> Maps | None:
    if not material.embedded:
        return None
    return show_maps(next(iter(material.embedded.values())), pictures, seed, STREAMS["maps"])
