"""The 9-DoF boxes of queries from annotated neighbours (the paper's zero-shot fit), of many queries
in one call: few arrays of many rows cost what one query's do."""

from __future__ import annotations

from collections.abc import Sequence
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
from index.geometry import OK, REASONS, FittedBoxes, QueryView, fit_boxes
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
    """The answer to one query, its ``embedding`` (dim,) float32; the rest as in answer_poses."""
    vectors, asked = np.asarray(embedding)[None], (query,)
    (answer,) = answer_poses(gallery, vectors, asked, k, filters, head, abstain_below, watch)
    return answer


def answer_poses(
    gallery: Gallery,
    embeddings: NDArray[np.float32],
    queries: Sequence[PoseQuery],
    k: int = 10,
    filters: Filters = NO_FILTERS,
    head: str = "pose",
    abstain_below: float = ABSTAIN_BELOW,
    watch: Stopwatch | None = None,
) -> list[PoseAnswer]:
    """The ``k`` nearest views of each query, the box that each view gives it, and their consensus.

    ``embeddings`` (Q, dim) float32 are the crops', made by the head that
    ``gallery.resolve_head(head)`` names. The queries all have a plane, or none has one. Less sure
    than ``abstain_below``, the consensus gives no box. ``watch`` gets the stages search, fetch and
    fit. Raises QueryError if a bbox, camera or plane makes no sense.
    """
    watch = watch or Stopwatch()
    if not 0.0 <= abstain_below <= 1.0:
        raise QueryError(
            f"abstain_below is {abstain_below}.", "Give a probability from 0 (always answer) to 1."
        )
    head, note = gallery.resolve_head(head)
    known = [camera_of(checked(query)) for query in queries]
    neighbours = gallery.search(embeddings, head, max(k, DEFAULTS.neighbours), filters, watch)
    with watch.stage("fit"):
        view = _query_views(queries, [camera for camera, _ in known])
        fits = _fits(neighbours, view)
        shown = _shown(neighbours, fits, view, k)
        calibration = _calibration(gallery, head, view.plane_normal is not None)
        consensus = _consensus(neighbours, fits, view, k, calibration, abstain_below)
    return [
        PoseAnswer(
            neighbours=fitted,
            best=next((i for i, found in enumerate(fitted) if found.box is not None), None),
            consensus=agreed,
            camera=camera,
            head=head,
            assumptions=(*assumptions, *_plane_assumptions(query.plane, fitted)),
            note=note,
        )
        for query, (camera, assumptions), fitted, agreed in zip(
            queries, known, shown, consensus, strict=True
        )
    ]


def _query_views(queries: Sequence[PoseQuery], cameras: Sequence[Camera]) -> QueryView:
    """The queries as arrays with a leading axis Q."""
    planes = [query.plane for query in queries if query.plane is not None]
    if planes and len(planes) < len(queries):
        raise ValueError("some of the queries have a plane and some have none")
    return QueryView(
        bbox_xyxy=np.array([query.bbox_xyxy for query in queries], dtype=np.float64),
        K=np.array([camera.matrix for camera in cameras]),
        image_size=np.array([query.image_size for query in queries], dtype=np.float64),
        plane_center=_rows([plane.center for plane in planes]),
        plane_normal=_rows([_unit(plane.normal) for plane in planes]),
    )


def _fits(neighbours: Sequence[list[Neighbour]], queries: QueryView) -> FittedBoxes:
    """The boxes of the n neighbours of each of Q queries: Q · n rows, query after query."""
    views = [neighbour.view for found in neighbours for neighbour in found]
    each = np.repeat(np.arange(len(neighbours)), [len(found) for found in neighbours])
    return fit_boxes(queries.take(each), references_of(views))


def _best(neighbours: Sequence[list[Neighbour]], most: int) -> tuple[NDArray[np.intp], int]:
    """The rows of ``_fits`` of the first ``most`` neighbours of each query, and how many each has.

    The same filters leave every query equally many.
    """
    (found,) = {len(each) for each in neighbours}
    first = np.arange(len(neighbours))[:, None] * found
    return (first + np.arange(min(most, found))).ravel(), min(most, found)


def _shown(
    neighbours: Sequence[list[Neighbour]], fits: FittedBoxes, queries: QueryView, k: int
) -> list[tuple[FittedNeighbour, ...]]:
    """The first ``k`` neighbours of each query with their boxes."""
    rows, each = _best(neighbours, k)
    fits = fits.take(rows)
    boxes = FittedBox.all_seen_by(
        np.repeat(queries.K, each, axis=0), fits.rotation, fits.translation, fits.scale
    )
    shown = [neighbour for found in neighbours for neighbour in found[:each]]
    fitted = [
        FittedNeighbour(neighbour, box, None)
        if reason == OK
        else FittedNeighbour(neighbour, None, _lack(neighbour.view) or REASONS[reason])
        for neighbour, box, reason in zip(shown, boxes, fits.reason.tolist(), strict=True)
    ]
    return [tuple(fitted[each * i : each * (i + 1)]) for i in range(len(neighbours))]


def _consensus(
    neighbours: Sequence[list[Neighbour]],
    fits: FittedBoxes,
    queries: QueryView,
    shown: int,
    calibration: Calibration | None,
    abstain_below: float,
) -> list[Consensus]:
    """What the first ``DEFAULTS.neighbours`` say; members are counted among those shown."""
    rows, asked = _best(neighbours, DEFAULTS.neighbours)
    if not asked:
        return [NOTHING] * len(neighbours)
    pooled = pool(
        Hypotheses.of(fits.take(rows), asked),
        np.array([[neighbour.similarity for neighbour in found[:asked]] for found in neighbours]),
        queries.bbox_xyxy,
        queries.K,
        queries.image_size,
    )
    return [
        replace(consensus, members=tuple(i for i in consensus.members if i < shown))
        for consensus in answer_consensus(pooled, queries.K, calibration, abstain_below)
    ]


def _calibration(gallery: Gallery, head: str, plane_given: bool) -> Calibration | None:
    """The one that fits; what users give as a plane comes from a detector, so it is ``measured``.

    None where the version has none, or was built when neighbours were pooled in another way.
    """
    confidence = gallery.confidence
    if confidence is None or confidence.head != head or confidence.settings != asdict(DEFAULTS):
        return None
    found = confidence.measured if plane_given else confidence.none
    return found if found is not None and found.features == FEATURES else None


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


def _rows(values: list[Array]) -> Array | None:
    return np.array(values, dtype=np.float64) if values else None


def _unit(normal: Array) -> Array:
    normal = np.asarray(normal, dtype=np.float64)
    return normal / np.linalg.norm(normal)
