"""Does the consensus keep its word? Stated confidence beside the share of hits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from index.evaluation.report.charts import reliability_chart
from index.evaluation.report.pictures import Picture, Pictures
from index.evaluation.tables import CONSENSUS_ROWS


@dataclass(frozen=True)
class ReliabilityChart:
    """The chart of one ground plane."""

    heading: str
    picture: Picture


def show_reliability(figures: Mapping[str, Any], pictures: Pictures) -> list[ReliabilityChart]:
    """A chart for each row of ``figures["consensus"]`` that was calibrated."""
    measured = figures.get("consensus") or {}
    charts = []
    for plane, row in CONSENSUS_ROWS.items():
        bins = measured[row]["bins"] if row in measured else []
        if not bins:
            continue
        keys = ("confidence", "hit_rate", "share")
        confidence, hit_rate, share = (
            np.array([round(entry[key], 4) for entry in bins]) for key in keys
        )
        told = "; ".join(f"{c:.2f}: {h:.2f}" for c, h in zip(confidence, hit_rate, strict=True))
        heading = f"ground plane: {plane}"
        svg = reliability_chart(confidence, hit_rate, share)
        alt = f"Share of hits by stated confidence, {heading}: {told}"
        charts.append(ReliabilityChart(heading, pictures.chart(svg, 460, 420, alt)))
    return charts
