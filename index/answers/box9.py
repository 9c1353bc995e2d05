"""The query's 9-DoF box from annotated neighbours (the paper's zero-shot fit, step by step)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from index.filters import NO_FILTERS, Filters
from index.gallery import Gallery, Neighbour
from index.geometry import (
    REASONS,
    FittedBoxes,
    QueryView,
    ReferenceViews,
    box_vertices,
    fit_boxes,
    project,
)
from index.store.stored_view import StoredView
from training.data.records import Array, Camera, Plane
from training.errors import QueryError

ASSUMED_FOV_DEG = 60.0
"""Field of view across the longer image side where no camera is given (ours; the phones of
Objectron see about 63°)."""

UNKNOWN = np.full(3, np.nan)
"""How the fit is told that a neighbour's ground is not known."""


@dataclass(frozen=True, slots=True, eq=False)
class PoseQuery:
    """A crop whose box is asked for: ``bbox_xyxy`` (4,) pixels in an image of (width, height).

    ``camera`` must be of that very image size; ``plane`` is the ground in the camera frame.
    """

    bbox_xyxy: Array
    image_size: tuple[int, int]
    camera: Camera | None = None
    plane: Plane | None = None


@dataclass(frozen=True, slots=True, eq=False)
class FittedBox:
    """A box in the query's camera frame: ``rotation`` (3, 3), ``translation`` (3,) and ``scale``
    (3,) in metres; ``vertices`` (9, 3) metres and ``vertices_px`` (9, 2) pixels as UNIT_BOX."""

    rotation: Array
    translation: Array
    scale: Array
    vertices: Array
    vertices_px: Array


@dataclass(frozen=True, slots=True, eq=False)
class FittedNeighbour:
    """A neighbour with its ``box`` in the query, or the ``reason`` why there is none."""

    neighbour: Neighbour
    box: FittedBox | None
    reason: str | None


@dataclass(frozen=True, slots=True, eq=False)
class PoseAnswer:
    """Neighbours best first. ``best`` is the position of the first that was fitted, or None.

    ``camera`` is the one used, given or assumed; ``assumptions`` lists in full sentences
    everything that was not given; ``note`` says where another head answered.
    """

    neighbours: tuple[FittedNeighbour, ...]
    best: int | None
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
    camera, assumptions = _camera(_checked(query))
    neighbours = gallery.search(embedding, head, k, filters)[0]
    fitted, more = fit_neighbours(neighbours, replace(query, camera=camera))
    best = next((i for i, found in enumerate(fitted) if found.box is not None), None)
    return PoseAnswer(fitted, best, camera, head, (*assumptions, *more), note)


def fit_neighbours(
    neighbours: list[Neighbour], query: PoseQuery
) -> tuple[tuple[FittedNeighbour, ...], tuple[str, ...]]:
    """Every neighbour's box in the query, whose camera is known; and what had to be assumed."""
    assert query.camera is not None
    lacks = [_lack(neighbour.view) for neighbour in neighbours]
    usable = [n for n, lack in zip(neighbours, lacks, strict=True) if lack is None]
    if not usable:
        pairs = zip(neighbours, lacks, strict=True)
        return tuple(FittedNeighbour(n, None, lack) for n, lack in pairs), ()
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
    return tuple(fitted), _plane_assumptions(plane, [neighbour.view for neighbour in usable])


def _checked(query: PoseQuery) -> PoseQuery:
    box = np.asarray(query.bbox_xyxy, dtype=np.float64)
    if box.shape != (4,) or not np.isfinite(box).all() or (box[2:] <= box[:2]).any():
        raise QueryError(
            f"The bbox {box.tolist()} is no box.", "Give [x_min, y_min, x_max, y_max] in pixels."
        )
    width, height = query.image_size
    if (box[:2] >= (width - 0.5, height - 0.5)).any() or (box[2:] <= -0.5).any():
        raise QueryError(
            f"The bbox {box.tolist()} lies outside the image of {width} × {height} pixels.",
            "Give a box that touches the image.",
        )
    camera = query.camera
    if camera is not None:
        if (camera.width, camera.height) != (width, height):
            raise QueryError(
                f"The camera is of a {camera.width} × {camera.height} image, "
                f"the image is {width} × {height}.",
                "Scale the intrinsics to the image.",
            )
        if not np.isfinite(camera.matrix).all() or camera.fx <= 0 or camera.fy <= 0:
            raise QueryError(
                f"The focal lengths {camera.fx}, {camera.fy} are not positive numbers.",
                "Give fx and fy in pixels.",
            )
    if query.plane is not None:
        normal, center = np.asarray(query.plane.normal), np.asarray(query.plane.center)
        if not (np.isfinite(normal).all() and np.isfinite(center).all() and normal.any()):
            raise QueryError(
                f"The plane with normal {normal.tolist()} is no plane.",
                "Give a point in metres and a normal that is not zero, in the camera frame.",
            )
    return query


def _camera(query: PoseQuery) -> tuple[Camera, tuple[str, ...]]:
    if query.camera is not None:
        return query.camera, ()
    width, height = query.image_size
    focal = max(width, height) / 2 / math.tan(math.radians(ASSUMED_FOV_DEG / 2))
    camera = Camera(focal, focal, (width - 1) / 2, (height - 1) / 2, width, height)
    return camera, (
        f"No camera was given: a {ASSUMED_FOV_DEG:.0f}° field of view across the longer image "
        f"side was assumed (focal length {focal:.0f} px, principal point in the middle); a wrong "
        "focal length scales depth and size.",
    )


def _plane_assumptions(plane: Plane | None, views: list[StoredView]) -> tuple[str, ...]:
    placed = (
        "keeps its annotated size in metres and its pose towards the viewing ray, and was placed "
        "where it fills the crop"
    )
    if plane is None:
        return (f"No ground plane was given: each neighbour's box {placed}.",)
    without = sum(view.plane is None for view in views)
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
    vertices = box_vertices(fits.rotation, fits.translation, fits.scale)
    found: list[tuple[FittedBox | None, str | None]] = []
    for i, ok in enumerate(fits.ok):
        if not ok:
            found.append((None, REASONS[int(fits.reason[i])]))
            continue
        pixels = project(camera.matrix, vertices[i])
        box = FittedBox(fits.rotation[i], fits.translation[i], fits.scale[i], vertices[i], pixels)
        found.append((box, None))
    return found
