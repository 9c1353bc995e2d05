"""The queries that went worst, worst first, and why."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from index.evaluation.material import Angles, Fits, Ranking
from index.evaluation.objectron import HIT_IOU
from index.evaluation.reid import same_label
from index.evaluation.report.pictures import Picture, Pictures
from index.evaluation.report.sampling import by_turns, first_of_each, track_names
from training.data.records import View

SHOWN = 18
WITHOUT_BOX = 6


@dataclass(frozen=True)
class Failure:
    """A query, the view that led it astray (None: there was none), the error, the reasons."""

    query: Picture
    found: Picture | None
    title: str
    error: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Failures:
    """The worst of ``n_failed`` failures among ``n_asked`` queries."""

    heading: str
    about: str
    n_asked: int
    n_failed: int
    worst: tuple[Failure, ...]


def worst_fits(fit: Fits, rng: np.random.Generator) -> tuple[list[int], int]:
    """Rows of at most SHOWN misses; and how many miss in all.

    At most WITHOUT_BOX that have none, then by the overlap, equal ones of each category in turn. Of
    each instance in a sequence its worst, for neighbouring frames fail alike.

    The rule of symmetry is granted: a cup that is only turned about its axis is no failure here.
    """
    missed = np.flatnonzero(~(fit.iou_turned > HIT_IOU))
    mixed = missed[by_turns(fit.queries.category[fit.query_rows[missed]], rng)]
    without = mixed[~fit.boxes.ok[mixed]]
    with_box = mixed[fit.boxes.ok[mixed]]
    with_box = with_box[np.argsort(fit.iou_turned[with_box], kind="stable")]
    tracks = track_names(fit.queries)[fit.query_rows]
    shown = first_of_each(without, tracks)[:WITHOUT_BOX].tolist()
    shown += first_of_each(with_box, tracks)[: SHOWN - len(shown)].tolist()
    return shown, len(missed)


def angle_failures(angles: Angles, pictures: Pictures) -> Failures:
    """The nearest views that show another side."""
    asked = np.flatnonzero(angles.best >= 0)
    wrong = asked[angles.error_deg[asked] > angles.limit_deg]
    order = wrong[np.lexsort((wrong, -angles.error_deg[wrong]))]
    order = first_of_each(order, track_names(angles.table)[angles.queries])
    worst = []
    for position in order[:SHOWN]:
        view = angles.table.views[angles.queries[position]]
        found = angles.table.views[angles.best[position]]
        worst.append(
            Failure(
                pictures.crop(view, f"Query: {view.category}, {view.instance}"),
                pictures.crop(found, f"Nearest view: {found.category}, {found.instance}"),
                view.instance,
                f"{angles.error_deg[position]:.0f}° off",
                (_sides(view, found),),
            )
        )
    return Failures(
        angles.heading,
        f"Nearest views more than {angles.limit_deg:g}° off, by the error.",
        len(asked),
        len(wrong),
        tuple(worst),
    )


def _sides(view: View, found: View) -> str:
    if "azimuth_deg" not in view.attributes or "azimuth_deg" not in found.attributes:
        return f"answered by {found.image.reference}"
    asked, answered = (float(one.attributes["azimuth_deg"]) for one in (view, found))
    return f"seen from {asked:.0f}°, {found.instance} from {answered:.0f}°"


def ranking_failures(ranking: Ranking, pictures: Pictures) -> Failures:
    """Re-ID: queries by their average precision, with what stood before the first right view."""
    precision, table = ranking.average_precision, ranking.table
    failed = np.flatnonzero(ranking.rank1 < 1.0)
    positive = same_label(table.instance, ranking.queries)
    order = failed[np.lexsort((failed, precision[failed]))]
    worst = []
    for position in first_of_each(order, track_names(table)[ranking.queries])[:SHOWN]:
        row = int(ranking.queries[position])
        at = np.array([position], dtype=np.intp)
        similarity = ranking.vectors @ ranking.vectors[row]
        allowed = ranking.allowed(at)[0]
        reach = np.where(allowed, similarity, -np.inf)
        best = int(reach.argmax())
        first = float(reach[positive(at)[0]].max())
        before = int((reach > first).sum())
        view, found = table.views[row], table.views[best]
        named = f"the nearest view is {found.instance}"
        if found.category != view.category:
            named = f"wrong category: {named}, {found.category}"
        worst.append(
            Failure(
                pictures.crop(view, f"Query: {view.category}, {view.instance}"),
                pictures.crop(found, f"Nearest view: {found.category}, {found.instance}"),
                view.instance,
                f"AP {precision[position]:.3f}",
                (named, f"{before} views before the first of its own instance"),
            )
        )
    return Failures(
        "re-identification",
        "Queries whose nearest view is of another instance, by their average precision.",
        int((~np.isnan(precision)).sum()),
        len(failed),
        tuple(worst),
    )
