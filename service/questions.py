"""One question from bytes to answer, in stages: decode and crop in a thread, encode in a batch with
other requests' crops, search and fit and shape in a thread again, poses together with others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from index import answers
from index.answers import PoseQuery, answer_poses, answer_reid
from index.answers.pooling import DEFAULTS
from index.building.decode import thumbnail
from index.search import Filters
from index.stopwatch import Stopwatch
from service.batching import Embeddings
from service.desk import Turn
from service.forms import Question
from service.images import check_image, decode
from service.schemas.answers import IndexRef, PoseAnswer, QueryOut, Recognised, ReidAnswer
from service.schemas.query import BoxXyxy, FiltersIn, QueryRequest, check_bbox
from service.serving import ServedIndex
from service.shapes import box_out, camera_out, consensus_out, neighbour_out, plane_out, recognised
from training.data.records import Camera, ImageRGB, Plane

VIEWS_TOGETHER: Final = 320
"""Neighbours of the questions answered together: more cost hardly less each (ours)."""

NO_NEIGHBOUR = "No view of the index passes the filters."


@dataclass(frozen=True, slots=True, eq=False)
class Embedded:
    """A crop and what the encoder makes of it.

    ``bbox`` in pixels of the upright image of ``width`` × ``height``; ``embeddings`` one (dim,)
    L2-normalised float32 per head; ``thumbnail`` the crop as JPEG, longest side at most 160 px,
    where it was asked for.
    """

    bbox: BoxXyxy
    width: int
    height: int
    embeddings: dict[str, Embeddings]
    thumbnail: bytes | None


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A question for a pose whose crop was encoded."""

    served: ServedIndex
    query: QueryRequest
    filters: Filters
    crop: Embedded
    abstain_below: float
    watch: Stopwatch

    @property
    def kind(self) -> tuple[object, ...]:
        """Equal for questions that answer_poses takes in one call and that cost the same."""
        query = self.query
        return self.served, query.k, self.filters, query.plane is None, query.reid

    @property
    def most(self) -> int:
        """Questions like this to be answered together, which all wait for one another."""
        views = max(self.query.k, DEFAULTS.neighbours) * (2 if self.query.reid else 1)
        return max(1, VIEWS_TOGETHER // views)


async def embed(
    turn: Turn,
    served: ServedIndex,
    image: bytes,
    bbox: BoxXyxy | None,
    with_thumbnail: bool = False,
) -> Embedded:
    """The crop ``bbox`` of an image file, the whole image where it is None, by the index's encoder.

    Raises RefusedError for an image or a box that cannot be used, and ``deadline``.
    """

    def see() -> tuple[BoxXyxy, int, int, ImageRGB, bytes | None]:
        with turn.watch.stage("decode"):
            settings = turn.desk.settings
            check_image(image, settings.max_image_bytes, settings.max_image_pixels)
            pixels = decode(image)
            height, width = pixels.shape[:2]
            box = check_bbox(bbox, width, height)
            jpeg = thumbnail(pixels, np.array(box)) if with_thumbnail else None
            return box, width, height, served.encoder.crop(pixels, box), jpeg

    box, width, height, crop, jpeg = await turn.run_in_time(see)
    heads = await turn.encode(served.encoder, crop[None])
    return Embedded(box, width, height, {name: rows[0] for name, rows in heads.items()}, jpeg)


async def estimate_pose(
    turn: Turn, served: ServedIndex, question: Question, filters: Filters
) -> str:
    """The JSON of the PoseAnswer of /pose/estimate. Raises RefusedError and QueryError."""
    crop = await embed(turn, served, question.image, question.query.bbox)
    abstain_below = turn.desk.settings.abstain_below
    asked = Asked(served, question.query, filters, crop, abstain_below, turn.watch)
    return await turn.run_together(_pose_answers, asked, asked.kind, asked.most)


async def search_reid(turn: Turn, served: ServedIndex, question: Question, filters: Filters) -> str:
    """The JSON of the ReidAnswer of /reid/search. Raises RefusedError and QueryError."""
    crop = await embed(turn, served, question.image, question.query.bbox)
    return await turn.run(
        lambda: _reid_answer(served, question.query, filters, crop, turn.watch).model_dump_json()
    )


def timings(watch: Stopwatch) -> dict[str, float]:
    """Milliseconds of every stage and their ``total``, rounded to a microsecond."""
    spent = {**watch.seconds, "total": watch.total}
    return {stage: round(1000 * seconds, 3) for stage, seconds in spent.items()}


def _pose_answers(asked: Sequence[Asked]) -> list[str]:
    """The JSON of the PoseAnswers to questions of one kind; each is told the time of all."""
    first, watch = asked[0], Stopwatch()
    gallery = first.served.gallery
    head, _ = gallery.resolve_head("pose")
    found = answer_poses(
        gallery,
        np.stack([one.crop.embeddings[head] for one in asked]),
        [_pose_query(one) for one in asked],
        first.query.k,
        first.filters,
        abstain_below=first.abstain_below,
        watch=watch,
    )
    for one in asked:
        for stage, seconds in watch.seconds.items():
            one.watch.add(stage, seconds)
    return [
        _pose_answer(one, answer).model_dump_json()
        for one, answer in zip(asked, found, strict=True)
    ]


def _pose_query(asked: Asked) -> PoseQuery:
    crop, query = asked.crop, asked.query
    size = (crop.width, crop.height)
    return PoseQuery(np.array(crop.bbox), size, _camera(query, *size), _plane(query))


def _pose_answer(asked: Asked, answer: answers.PoseAnswer) -> PoseAnswer:
    served, query, crop, watch = asked.served, asked.query, asked.crop, asked.watch
    plane = _plane(query)
    reid = _recognise(served, query, asked.filters, crop, watch) if query.reid else None
    consensus = answer.consensus
    if not answer.neighbours:
        consensus = replace(consensus, reason=NO_NEIGHBOUR)
    return PoseAnswer(
        index=_index(served),
        head=answer.head,
        query=QueryOut(
            bbox=crop.bbox,
            image_width=crop.width,
            image_height=crop.height,
            camera=camera_out(answer.camera),
            plane=None if plane is None else plane_out(plane),
        ),
        assumptions=[
            *_crop_assumption(query),
            *answer.assumptions,
            *([answer.note] if answer.note else []),
        ],
        neighbours=[neighbour_out(found) for found in answer.neighbours],
        consensus=consensus_out(consensus),
        box=box_out(consensus.box),
        reason=consensus.reason,
        reid=reid,
        timings_ms=timings(watch) if query.timings else None,
    )


def _reid_answer(
    served: ServedIndex,
    query: QueryRequest,
    filters: Filters,
    crop: Embedded,
    watch: Stopwatch,
) -> ReidAnswer:
    found = _recognise(served, query, filters, crop, watch)
    return ReidAnswer(
        head=found.head,
        note=found.note,
        matches=found.matches,
        index=_index(served),
        query_bbox=crop.bbox,
        assumptions=_crop_assumption(query),
        timings_ms=timings(watch) if query.timings else None,
    )


def _recognise(
    served: ServedIndex,
    query: QueryRequest,
    filters: Filters,
    crop: Embedded,
    watch: Stopwatch,
) -> Recognised:
    head, _ = served.gallery.resolve_head("identity")
    found = answer_reid(served.gallery, crop.embeddings[head], query.k, filters, watch=watch)
    return recognised(found)


def _index(served: ServedIndex) -> IndexRef:
    return IndexRef(name=served.gallery.name, version=served.gallery.version)


def _crop_assumption(query: QueryRequest) -> list[str]:
    return [] if query.bbox else ["No bbox was given: the whole image was taken as the crop."]


def _camera(query: QueryRequest, width: int, height: int) -> Camera | None:
    camera = query.camera
    if camera is None:
        return None
    return Camera(camera.fx, camera.fy, camera.cx, camera.cy, width, height)


def _plane(query: QueryRequest) -> Plane | None:
    if query.plane is None:
        return None
    normal = np.array(query.plane.normal)
    return Plane(np.array(query.plane.center), normal / np.linalg.norm(normal))


def filters_of(given: FiltersIn) -> Filters:
    """The filters of a request as searches take them."""
    chosen = given.model_dump(exclude_none=True)
    return Filters(has_box9=chosen.pop("annotated", None), **chosen)
