"""The query's 9-DoF box from annotated neighbours (the paper's zero-shot fit, step by step)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from index.answers.consensus import DEFAULTS, Consensus, answer_consensus
from index.answers.fitted_box import FittedBox
from index.answers.pose_query import PoseQuery, camera_of, checked
from index.filters import NO_FILTERS, Filters
from index.gallery import Gallery, Neighbour
from index.geometry import REASONS, FittedBoxes, QueryView, ReferenceViews, fit_boxes
from index.store.stored_view import StoredView
from training.data.records import Array, Camera, Plane

UNKNOWN = np.full(3, np.nan)
"""How the fit is told that a neighbour's ground is not known."""


@dataclass(frozen=True, slots=True, eq=False)
class FittedNeighbour:
    """A neighbour with its ``box`` in the query, or the ``reason`` why there is none."""

    neighbour: Neighbour
    box: FittedBox | None
    reason: str | None


@dataclass(frozen=True, slots=True, eq=False)
class PoseAnswer:
    """Neighbours best first. ``best`` is the position of the first that was fitted, or None.

    ``consensus`` is what they say together; it asks at least ``DEFAULTS.neighbours`` of them,
    however few are shown. ``camera`` is the one used, given or assumed; ``assumptions`` lists in
    full sentences everything that was not given; ``note`` says where another head answered.
    """

    neighbours: tuple[FittedNeighbour, ...]
    best: int | None
    consensus: Consensus
    camera: Camera
    head: str
    assumptions: tuple[str, ...]
    note: str | None

    @property
    def best_box(self) -> FittedBox | None:
        """The box of the best neighbour."""
        return None if self.best is None else self.neighbours[self.best].box


def answer_pose(
    gallery: Gallery,
    embedding: NDArray[np.float32],
    query: PoseQuery,
    k: int = 10,
    filters: Filters = NO_FILTERS,
    head: str = "pose",
) -> PoseAnswer:
    """The ``k`` nearest views and the box that each of them gives the query.

    ``embedding`` (dim,) float32 is the crop's, made by the head that ``gallery.resolve_head(head)``
    names. Raises QueryError if bbox, camera or plane make no sense.
    """
    head, note = gallery.resolve_head(head)
    camera, assumptions = camera_of(checked(query))
    neighbours = gallery.search(embedding, head, max(k, DEFAULTS.neighbours), filters)[0]
    fitted = fit_neighbours(neighbours, replace(query, camera=camera))
    asked = fitted[: DEFAULTS.neighbours]
    consensus = answer_consensus(
        [found.box for found in asked],
        np.array([found.neighbour.similarity for found in asked]),
        np.asarray(query.bbox_xyxy, dtype=np.float64),
        camera,
    )
    shown = fitted[:k]
    assumptions = (*assumptions, *_plane_assumptions(query.plane, shown))
    best = next((i for i, found in enumerate(shown) if found.box is not None), None)
    members = tuple(i for i in consensus.members if i < k)
    consensus = replace(consensus, members=members)
    return PoseAnswer(shown, best, consensus, camera, head, assumptions, note)


def fit_neighbours(neighbours: list[Neighbour], query: PoseQuery) -> tuple[FittedNeighbour, ...]:
    """Every neighbour's box in the query, whose camera is known."""
    assert query.camera is not None
    lacks = [_lack(neighbour.view) for neighbour in neighbours]
    usable = [n for n, lack in zip(neighbours, lacks, strict=True) if lack is None]
    if not usable:
        pairs = zip(neighbours, lacks, strict=True)
        return tuple(FittedNeighbour(n, None, lack) for n, lack in pairs)
    plane = query.plane
    fits = fit_boxes(
        QueryView(
            bbox_xyxy=np.asarray(query.bbox_xyxy, dtype=np.float64),
            K=query.camera.matrix,
            image_size=np.array(query.image_size, dtype=np.float64),
            plane_center=None if plane is None else np.asarray(plane.center, dtype=np.float64),
            plane_normal=None if plane is None else _unit(plane.normal),
        ),
        _references([neighbour.view for neighbour in usable]),
    )
    boxes = iter(_boxes(fits, query.camera))
    fitted = []
    for neighbour, lack in zip(neighbours, lacks, strict=True):
        box, reason = (None, lack) if lack is not None else next(boxes)
        fitted.append(FittedNeighbour(neighbour, box, reason))
    return tuple(fitted)


def _plane_assumptions(plane: Plane | None, shown: tuple[FittedNeighbour, ...]) -> tuple[str, ...]:
    views = [found.neighbour.view for found in shown if _lack(found.neighbour.view) is None]
    placed = (
        "keeps its annotated size in metres and its pose towards the viewing ray, and was placed "
        "where it fills the crop"
    )
    without = sum(view.plane is None for view in views)
    if plane is None and views:
        return (f"No ground plane was given: each neighbour's box {placed}.",)
    if without:
        return (
            f"{without} of {len(views)} neighbours have no annotated ground plane: such a box "
            f"{placed}.",
        )
    return ()


def _lack(view: StoredView) -> str | None:
    if view.box9 is None:
        return "not annotated: the neighbour has no 9-DoF box"
    if view.camera is None:
        return "the neighbour's camera is not known"
    return None


def _references(views: list[StoredView]) -> ReferenceViews:
    boxes = [view.box9 for view in views if view.box9 is not None]
    cameras = [view.camera for view in views if view.camera is not None]
    planes = [_plane_of(view) for view in views]
    return ReferenceViews(
        rotation=np.stack([box.rotation for box in boxes]),
        translation=np.stack([box.translation for box in boxes]),
        scale=np.stack([box.scale for box in boxes]),
        bbox_xyxy=np.stack([view.bbox_xyxy for view in views]),
        K=np.stack([camera.matrix for camera in cameras]),
        image_size=np.array([(view.image_width, view.image_height) for view in views], dtype=float),
        plane_center=np.stack([center for center, _ in planes]),
        plane_normal=np.stack([normal for _, normal in planes]),
    )


def _plane_of(view: StoredView) -> tuple[Array, Array]:
    if view.plane is None:
        return UNKNOWN, UNKNOWN
    return view.plane.center, view.plane.normal


def _unit(normal: Array) -> Array:
    normal = np.asarray(normal, dtype=np.float64)
    return normal / np.linalg.norm(normal)


def _boxes(fits: FittedBoxes, camera: Camera) -> list[tuple[FittedBox | None, str | None]]:
    found: list[tuple[FittedBox | None, str | None]] = []
    for i, ok in enumerate(fits.ok):
        if ok:
            box = FittedBox.seen_by(camera, fits.rotation[i], fits.translation[i], fits.scale[i])
            found.append((box, None))
        else:
            found.append((None, REASONS[int(fits.reason[i])]))
    return found
