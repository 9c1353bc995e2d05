"""Annotated and fitted boxes over the query's photograph, with how far apart they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from index.answers.pooling import Pooled
from index.evaluation.material import Fits, Floats
from index.evaluation.objectron import HIT_IOU, NO_BOX
from index.evaluation.report.pictures import Picture, Pictures, Region, region_around
from index.geometry import REASONS, box_vertices, project
from index.geometry.box import EDGES

TURNED_DEG = 30.0
MOVED_SHARE = 0.15
RESIZED_FACTOR = 1.25
"""From these on a difference is named as a reason of a miss (ours)."""

NamedFits = tuple[str, str, Fits]
"""Heading, class of the lines, fits."""

CORNER_PAIRS = tuple(pair for edges in EDGES for pair in zip(edges[::2], edges[1::2], strict=True))


@dataclass(frozen=True)
class Outline:
    """A box as lines (x1, y1, x2, y2) in pixels of the scene; ``kind`` chooses its look."""

    kind: str
    lines: tuple[tuple[float, float, float, float], ...]


@dataclass(frozen=True)
class FittedAnswer:
    """What one way of fitting gave: its IoU, how sure it was, the reasons where it is no hit."""

    heading: str
    kind: str
    iou: str
    iou_turned: str | None
    confidence: str | None
    hit: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class BoxCard:
    """A query's scene with all outlines, the view its box was taken from, and the answers."""

    scene: Picture
    view_box: str
    outlines: tuple[Outline, ...]
    neighbour: Picture
    category: str
    instance: str
    answers: tuple[FittedAnswer, ...]


@dataclass(frozen=True)
class FailedBoxes:
    """Misses of one way of fitting: ``cards`` of some of ``n_missed`` among ``n_asked``."""

    heading: str
    cards: tuple[BoxCard, ...]
    n_missed: int
    n_asked: int


def box_cards(fits: Sequence[NamedFits], rows: Sequence[int], pictures: Pictures) -> list[BoxCard]:
    """One card for each of the ``rows`` of the first of ``fits``."""
    return [_card(fits, row, pictures) for row in rows]


def _card(fits: Sequence[NamedFits], row: int, pictures: Pictures) -> BoxCard:
    first = fits[0][2]
    query = int(first.query_rows[row])
    view, source = first.queries.views[query], first.gallery.views[int(first.picks[row])]
    assert view.camera is not None
    assert view.box9 is not None
    size = (view.camera.width, view.camera.height)
    corners = {"truth": _corners(view.box9.vertices, view.camera.matrix)}
    answers = []
    for heading, kind, fit in fits:
        found = np.flatnonzero(fit.query_rows == query)
        if not found.size:
            continue
        at = int(found[0])
        answers.append(_answer(heading, kind, fit, at))
        if fit.boxes.ok[at]:
            vertices = box_vertices(
                fit.boxes.rotation[at], fit.boxes.translation[at], fit.boxes.scale[at]
            )
            corners[kind] = _corners(vertices, view.camera.matrix)
    box = view.bbox_xyxy.reshape(2, 2)
    # A box that is far off must not shrink the object to a dot.
    reach = (box[1] - box[0]).max()
    points = np.clip(np.concatenate([box, *corners.values()]), box[0] - reach, box[1] + reach)
    region = region_around(points, size)
    told = ", ".join(f"{answer.heading} IoU {answer.iou}" for answer in answers)
    return BoxCard(
        scene=pictures.scene(view, region, f"{view.category} with its boxes: {told}"),
        view_box=f"0 0 {region[2] - region[0]} {region[3] - region[1]}",
        outlines=tuple(Outline(kind, _lines(uv, region)) for kind, uv in corners.items()),
        neighbour=pictures.crop(source, f"Its nearest view: {source.category}, {source.instance}"),
        category=view.category,
        instance=view.instance,
        answers=tuple(answers),
    )


def _answer(heading: str, kind: str, fit: Fits, at: int) -> FittedAnswer:
    iou, turned = float(fit.iou[at]), float(fit.iou_turned[at])
    hit = iou > HIT_IOU
    return FittedAnswer(
        heading=heading,
        kind=kind,
        iou=f"{iou:.2f}",
        iou_turned=f"{turned:.2f}" if turned != iou else None,
        confidence=None if fit.confidence is None else f"{fit.confidence[at]:.2f}",
        hit=hit,
        reasons=() if hit else tuple(reasons(fit, at)),
    )


def reasons(fit: Fits, at: int) -> list[str]:
    """Why the box of this row does not overlap enough, the gravest first."""
    view = fit.queries.views[int(fit.query_rows[at])]
    source = fit.gallery.views[int(fit.picks[at])]
    told = []
    if source.category != view.category:
        told.append(f"wrong category: its nearest view is of {source.category}")
    if not fit.boxes.ok[at]:
        why = NO_BOX if isinstance(fit.boxes, Pooled) else REASONS[int(fit.boxes.reason[at])]
        return [why if why == NO_BOX else f"no box: {why}", *told]
    assert view.box9 is not None
    angle = rotation_error_deg(fit.boxes.rotation[at], view.box9.rotation)
    moved = float(np.linalg.norm(fit.boxes.translation[at] - view.box9.translation))
    moved /= float(np.linalg.norm(view.box9.scale))
    factor = fit.boxes.scale[at] / view.box9.scale
    worst = int(np.abs(np.log(factor)).argmax())
    if angle >= TURNED_DEG:
        told.append(f"rotation {angle:.0f}° off")
    if max(factor[worst], 1 / factor[worst]) >= RESIZED_FACTOR:
        told.append(f"{'xyz'[worst]} side {factor[worst]:.2f} times the true one")
    if moved >= MOVED_SHARE:
        told.append(f"centre {moved:.0%} of the diagonal away")
    if not told:
        told.append(
            f"small errors together: rotation {angle:.0f}°, {'xyz'[worst]} side "
            f"{factor[worst]:.2f} times the true one, centre {moved:.0%} of the diagonal away"
        )
    return told


def rotation_error_deg(one: Floats, other: Floats) -> float:
    """The angle in degrees between two rotations (3, 3)."""
    cosine = (float(np.trace(one.T @ other)) - 1.0) / 2.0
    return float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))


def _corners(vertices: Floats, K: Floats) -> Floats:
    """(8, 2) pixels of the corners; NaN behind the camera."""
    uv = np.full((8, 2), np.nan)
    front = vertices[1:, 2] > 0
    uv[front] = project(K, vertices[1:][front])
    return uv


def _lines(uv: Floats, region: Region) -> tuple[tuple[float, float, float, float], ...]:
    """The edges whose ends are known; pixel centres lie at integers + 0.5 of the scene."""
    moved = np.round(uv - np.array(region[:2]) + 0.5, 1)
    pairs = [(moved[start - 1], moved[end - 1]) for start, end in CORNER_PAIRS]
    return tuple(
        (float(a[0]), float(a[1]), float(b[0]), float(b[1]))
        for a, b in pairs
        if np.isfinite(a).all() and np.isfinite(b).all()
    )
