"""The query's 9-DoF box from annotated neighbours (the paper's zero-shot fit, step by step)."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from index.answers.consensus import ABSTAIN_BELOW, NOTHING, Consensus, answer_consensus
from index.answers.fitted_box import FittedBox
from index.answers.pooling import DEFAULTS, FEATURES, pool
from index.answers.pose_query import PoseQuery, camera_of, checked
from index.answers.references import references_of
from index.confidence import Calibration
from index.filters import NO_FILTERS, Filters
from index.gallery import Gallery, Neighbour
from index.geometry import REASONS, FittedBoxes, QueryView, fit_boxes
from index.geometry.agreement import Hypotheses
from index.stopwatch import Stopwatch
from index.store.stored_view import StoredView
from training.data.records import Array, Camera, Plane
from training.errors import QueryError


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
    abstain_below: float = ABSTAIN_BELOW,
    watch: Stopwatch | None = None,
) -> PoseAnswer:
    """The ``k`` nearest views, the box that each of them gives the query, and their consensus.

    ``embedding`` (dim,) float32 is the crop's, made by the head that ``gallery.resolve_head(head)``
    names. Less sure than ``abstain_below``, the consensus gives no box. ``watch`` gets the stages
    search, fetch and fit. Raises QueryError if bbox, camera or plane make no sense.
    """
    watch = watch or Stopwatch()
    if not 0.0 <= abstain_below <= 1.0:
        raise QueryError(
            f"abstain_below is {abstain_below}.", "Give a probability from 0 (always answer) to 1."
        )
    head, note = gallery.resolve_head(head)
    camera, assumptions = camera_of(checked(query))
    query = replace(query, camera=camera)
    neighbours = gallery.search(embedding, head, max(k, DEFAULTS.neighbours), filters, watch)[0]
    with watch.stage("fit"):
        fits = _fits(neighbours, query)
        shown = _fitted(neighbours[:k], fits, camera)
        consensus = _consensus(gallery, head, neighbours, fits, query, k, abstain_below)
    return PoseAnswer(
        neighbours=shown,
        best=next((i for i, found in enumerate(shown) if found.box is not None), None),
        consensus=consensus,
        camera=camera,
        head=head,
        assumptions=(*assumptions, *_plane_assumptions(query.plane, shown)),
        note=note,
    )


def fit_neighbours(neighbours: list[Neighbour], query: PoseQuery) -> tuple[FittedNeighbour, ...]:
    """Every neighbour's box in the query, whose camera is known."""
    assert query.camera is not None
    return _fitted(neighbours, _fits(neighbours, query), query.camera)


def _consensus(
    gallery: Gallery,
    head: str,
    neighbours: list[Neighbour],
    fits: FittedBoxes,
    query: PoseQuery,
    shown: int,
    abstain_below: float,
) -> Consensus:
    """What the first ``DEFAULTS.neighbours`` say; its members are counted among those shown."""
    assert query.camera is not None
    asked = min(len(neighbours), DEFAULTS.neighbours)
    if not asked:
        return NOTHING
    pooled = pool(
        Hypotheses.of(fits.take(slice(asked)), asked),
        np.array([[neighbour.similarity for neighbour in neighbours[:asked]]]),
        np.asarray(query.bbox_xyxy, dtype=np.float64)[None],
        query.camera.matrix[None],
        np.array([query.image_size], dtype=np.float64),
    )
    calibration = _calibration(gallery, head, query.plane is not None)
    consensus = answer_consensus(pooled, query.camera, calibration, abstain_below)
    return replace(consensus, members=tuple(i for i in consensus.members if i < shown))


def _calibration(gallery: Gallery, head: str, plane_given: bool) -> Calibration | None:
    """The one that fits; what users give as a plane comes from a detector, so it is ``measured``.

    None where the version has none, or was built when neighbours were pooled in another way.
    """
    confidence = gallery.confidence
    if confidence is None or confidence.head != head or confidence.settings != asdict(DEFAULTS):
        return None
    found = confidence.measured if plane_given else confidence.none
    return found if found is not None and found.features == FEATURES else None


def _fits(neighbours: list[Neighbour], query: PoseQuery) -> FittedBoxes:
    assert query.camera is not None
    plane = query.plane
    return fit_boxes(
        QueryView(
            bbox_xyxy=np.asarray(query.bbox_xyxy, dtype=np.float64),
            K=query.camera.matrix,
            image_size=np.array(query.image_size, dtype=np.float64),
            plane_center=None if plane is None else np.asarray(plane.center, dtype=np.float64),
            plane_normal=None if plane is None else _unit(plane.normal),
        ),
        references_of([neighbour.view for neighbour in neighbours]),
    )


def _fitted(
    neighbours: list[Neighbour], fits: FittedBoxes, camera: Camera
) -> tuple[FittedNeighbour, ...]:
    shown = fits.take(slice(len(neighbours)))
    boxes = FittedBox.all_seen_by(camera, shown.rotation, shown.translation, shown.scale)
    fitted = []
    for row, (neighbour, box) in enumerate(zip(neighbours, boxes, strict=True)):
        if shown.ok[row]:
            fitted.append(FittedNeighbour(neighbour, box, None))
        else:
            reason = _lack(neighbour.view) or REASONS[int(shown.reason[row])]
            fitted.append(FittedNeighbour(neighbour, None, reason))
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


def _unit(normal: Array) -> Array:
    normal = np.asarray(normal, dtype=np.float64)
    return normal / np.linalg.norm(normal)
