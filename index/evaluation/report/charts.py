"""Charts as SVG files that follow the reader's light or dark, the same bytes every time."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from index.evaluation.material import Floats
from index.evaluation.report.maps import Points, Track
from index.evaluation.report.names import plain
from index.evaluation.report.precision_recall import BINS, Curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, SOFT, LINE, SURFACE = "#010101", "#020202", "#030303", "#fdfdfe"
"""Stand for the page's colours while a chart is drawn; ``THEME`` has what they become."""

THEME = (
    "<style>"
    ":root{--ink:#1d2327;--soft:#5d6870;--line:#d9d9d3;--surface:#fff}"
    "@media (prefers-color-scheme:dark)"
    "{:root{--ink:#e9ebec;--soft:#a2adb4;--line:#363d43;--surface:#1e2327}}"
    "</style>"
)

COLOURS = (
    "#2f7fc1",
    "#d9622b",
    "#2e9e6b",
    "#c04f8e",
    "#8a6fd1",
    "#a8851f",
    "#1fa3a8",
    "#d04a4a",
    "#7a8b2a",
    "#6f7f8c",
)
"""Seen on white and on near black alike."""

DASHES = ("solid", "dashed", "dotted")

SETTINGS: dict[str, object] = {
    "svg.hashsalt": "posebank",
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": SOFT,
    "axes.edgecolor": LINE,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": SOFT,
    "ytick.labelcolor": SOFT,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def look(position: int) -> tuple[str, str]:
    """Colour and line style of the n-th curve or category."""
    return COLOURS[position % len(COLOURS)], DASHES[position // len(COLOURS) % len(DASHES)]


@contextmanager
def drawing() -> Iterator[None]:
    """The settings of all charts; a sign that the measuring font lacks is no news."""
    import matplotlib

    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
    with matplotlib.rc_context({}), warnings.catch_warnings():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(SETTINGS)  # type: ignore[arg-type]
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def new_figure(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure of so many inches with one pair of axes; inside ``drawing`` only."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def as_svg(figure: Figure) -> bytes:
    """The file. Stand-in colours become variables that follow the reader's light or dark."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    stream = io.StringIO()
    FigureCanvasSVG(figure).print_svg(
        stream, metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
    )
    text = stream.getvalue()
    for stand_in, name in ((INK, "ink"), (SOFT, "soft"), (LINE, "line"), (SURFACE, "surface")):
        text = text.replace(stand_in, f"var(--{name})")
    text = text.replace("'DejaVu Sans'", "system-ui, 'DejaVu Sans'")
    start = text.index("<defs>")
    return (text[:start] + THEME + text[start:]).encode()


def precision_recall_chart(curves: Sequence[Curve], overall: Curve) -> bytes:
    """Figure 5 of the paper: one curve a category in the looks of ``look``, the mean in ink."""
    recall = (np.arange(BINS) + 0.5) / BINS
    with drawing():
        figure, axes = new_figure(6.4, 4.2)
        for position, curve in enumerate(curves):
            colour, dashes = look(position)
            axes.plot(recall, curve.precision, color=colour, linestyle=dashes, linewidth=1.4)
        axes.plot(recall, overall.precision, color=INK, linewidth=2.2)
        axes.set(xlim=(0, 1), ylim=(0, 1.01), xlabel="recall", ylabel="precision")
        axes.grid(True)
        return as_svg(figure)


def reliability_chart(confidence: Floats, hit_rate: Floats, share: Floats) -> bytes:
    """Stated confidence (B,) against the share of hits (B,) of the share (B,) of queries there."""
    with drawing():
        figure, axes = new_figure(4.6, 4.2)
        axes.plot((0, 1), (0, 1), color=SOFT, linewidth=1, linestyle="dashed")
        axes.plot(confidence, hit_rate, color=COLOURS[0], linewidth=1.4)
        area = 20 + 300 * share
        axes.scatter(confidence, hit_rate, s=area, color=COLOURS[0], alpha=0.7, linewidths=0)
        axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="stated confidence", ylabel="share of hits")
        axes.grid(True)
        return as_svg(figure)


def map_colours(tracks: list[Track]) -> dict[str, str]:
    """Category → colour; empty where there is one category, for then tracks have the colours."""
    groups = sorted({track.category for track in tracks})
    return {group: look(number)[0] for number, group in enumerate(groups) if len(groups) > 1}


def map_chart(points: Points, tracks: list[Track], labelled: bool) -> bytes:
    """Points (n, 2) of the tracks' rows, one after the other; a colour a category, or a track
    where there is one category, and a line along each track."""
    colours = map_colours(tracks)
    with drawing():
        figure, axes = new_figure(6.4, 5.6)
        start = 0
        for position, track in enumerate(tracks):
            mine = points[start : start + len(track.rows)]
            start += len(mine)
            colour = colours.get(track.category, look(position)[0])
            line = np.concatenate([mine, mine[:1]]) if track.closed else mine
            axes.plot(line[:, 0], line[:, 1], color=colour, linewidth=0.8, alpha=0.4)
            axes.scatter(mine[:, 0], mine[:, 1], s=9, color=colour, linewidths=0)
        behind = {"facecolor": SURFACE, "alpha": 0.7, "edgecolor": "none", "pad": 1.0}
        for group in colours if labelled else ():
            inside = np.repeat(
                [track.category == group for track in tracks], [len(track.rows) for track in tracks]
            )
            x, y = _middle(points[inside])
            axes.text(
                x,
                y,
                plain(group),
                ha="center",
                va="center",
                color=INK,
                fontsize=10,
                bbox=behind,
            )
        axes.set_axis_off()
        axes.set_aspect("equal", adjustable="datalim")
        return as_svg(figure)


def _middle(points: Points) -> tuple[float, float]:
    """The point that has least distance to all others: inside the crowd, unlike a mean."""
    apart = np.linalg.norm(points[:, None] - points[None], axis=2).sum(axis=1)
    x, y = points[int(apart.argmin())]
    return float(x), float(y)


def trajectory_chart(points: Points, closed: bool) -> bytes:
    """One track on its own two components, its order on the viridis scale as in the paper."""
    with drawing():
        figure, axes = new_figure(2.6, 2.3)
        line = np.concatenate([points, points[:1]]) if closed else points
        axes.plot(line[:, 0], line[:, 1], color=SOFT, linewidth=0.7)
        axes.scatter(
            points[:, 0],
            points[:, 1],
            c=np.linspace(0, 1, len(points)),
            cmap="viridis",
            s=22,
            linewidths=0.4,
            edgecolors=SOFT,
            zorder=2,
        )
        axes.set_axis_off()
        axes.margins(0.08)
        axes.set_aspect("equal", adjustable="datalim")
        return as_svg(figure)


def viridis(count: int) -> list[str]:
    """``count`` colours along the scale as #rrggbb."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return [to_hex(colormaps["viridis"](value)) for value in np.linspace(0, 1, count)]
