"""Figure 5 of the paper: precision against recall of re-identification, a curve a category."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from index.evaluation.material import Ranking
from index.evaluation.report.charts import look, precision_recall_chart
from index.evaluation.report.pictures import Picture, Pictures
from index.evaluation.report.precision_recall import (
    Curve,
    curves_by_label,
    overall_curve,
    precision_by_recall,
)

MAX_CURVES = 12
ALL = "all queries"


@dataclass(frozen=True)
class CurveRow:
    """A line of the legend; ``drawn`` False: its figures alone are shown."""

    label: str
    n_queries: int
    average_precision: str
    colour: str
    dashes: str
    drawn: bool


@dataclass(frozen=True)
class CurveChart:
    """A chart and its legend; ``parted_by`` is ``category``, or ``instance`` where there is one."""

    heading: str
    parted_by: str
    picture: Picture
    overall: CurveRow
    rows: tuple[CurveRow, ...]


def show_curves(heading: str, ranking: Ranking, pictures: Pictures) -> CurveChart | None:
    """The chart of one ranking; None where no query has a positive.

    Of more than MAX_CURVES curves those of the highest and the lowest area are drawn.
    """
    curves = precision_by_recall(ranking)
    overall = overall_curve(curves, ALL)
    if overall is None:
        return None
    table, parted_by = ranking.table, "category"
    labels = table.category[ranking.queries]
    if len(np.unique(labels)) == 1:
        parted_by, labels = "instance", table.instance[ranking.queries]
    parts = curves_by_label(curves, labels)
    order = sorted(range(len(parts)), key=lambda part: -parts[part].mean_average_precision)
    half = MAX_CURVES // 2
    drawn = sorted(order if len(order) <= MAX_CURVES else order[:half] + order[-half:])
    chosen = [parts[part] for part in drawn]
    told = "; ".join(f"{curve.label} {curve.mean_average_precision:.3f}" for curve in chosen)
    return CurveChart(
        heading=heading,
        parted_by=parted_by,
        picture=pictures.chart(
            precision_recall_chart(chosen, overall),
            640,
            420,
            f"Precision against recall, mAP of all queries {overall.mean_average_precision:.3f}; "
            + told,
        ),
        overall=_row(overall, "var(--ink)", "solid", drawn=True),
        rows=tuple(
            _row(curve, *look(drawn.index(part) if part in drawn else 0), drawn=part in drawn)
            for part, curve in enumerate(parts)
        ),
    )


def _row(curve: Curve, colour: str, dashes: str, drawn: bool) -> CurveRow:
    return CurveRow(
        curve.label,
        curve.n_queries,
        f"{curve.mean_average_precision:.3f}",
        colour,
        dashes,
        drawn,
    )
