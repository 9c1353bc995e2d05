"""One question from bytes to answer: decode, crop, encode, search, shape. Blocking; runs in a
worker thread."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from index.answers import PoseQuery, answer_pose, answer_reid
from index.search import Filters
from service.forms import Question
from service.images import check_image, decode
from service.schemas.answers import IndexRef, PoseAnswer, QueryOut, Recognised, ReidAnswer
from service.schemas.query import BoxXyxy, QueryRequest, check_bbox
from service.serving import ServedIndex
from service.settings import Settings
from service.shapes import box_out, camera_out, consensus_out, neighbour_out, plane_out, recognised
from training.data.records import Camera, ImageRGB, Plane

NO_NEIGHBOUR = "No view of the index passes the filters."


class Stopwatch:
    """Milliseconds of named steps, and of everything since it was made."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._steps: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Times the block; blocks of one name add up."""
        start = time.perf_counter()
        yield
        spent = 1000 * (time.perf_counter() - start)
        self._steps[name] = self._steps.get(name, 0.0) + spent

    def read(self) -> dict[str, float]:
        """Every step and their ``total``, rounded to a microsecond."""
        total = 1000 * (time.perf_counter() - self._start)
        return {name: round(ms, 3) for name, ms in {**self._steps, "total": total}.items()}


def estimate_pose(served: ServedIndex, question: Question, settings: Settings) -> PoseAnswer:
    """The answer of /pose/estimate. Raises RefusedError and QueryError."""
    watch, query = Stopwatch(), question.query
    image, bbox = _see(question, settings, watch)
    height, width = image.shape[:2]
    embeddings = _encode(served, image, bbox, watch)
    head, _ = served.gallery.resolve_head("pose")
    plane = _plane(query)
    with watch.step("search"):
        answer = answer_pose(
            served.gallery,
            embeddings[head],
            PoseQuery(np.array(bbox), (width, height), _camera(query, width, height), plane),
            query.k,
            _filters(query),
        )
    reid = _recognise(served, embeddings, query, "reid", watch) if query.reid else None
    consensus = answer.consensus
    if not answer.neighbours:
        consensus = replace(consensus, reason=NO_NEIGHBOUR)
    return PoseAnswer(
        index=_index(served),
        head=answer.head,
        query=QueryOut(
            bbox=bbox,
            image_width=width,
            image_height=height,
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
        timings_ms=watch.read(),
    )


def search_reid(served: ServedIndex, question: Question, settings: Settings) -> ReidAnswer:
    """The answer of /reid/search. Raises RefusedError and QueryError."""
    watch, query = Stopwatch(), question.query
    image, bbox = _see(question, settings, watch)
    embeddings = _encode(served, image, bbox, watch)
    found = _recognise(served, embeddings, query, "search", watch)
    return ReidAnswer(
        head=found.head,
        note=found.note,
        matches=found.matches,
        index=_index(served),
        query_bbox=bbox,
        assumptions=_crop_assumption(query),
        timings_ms=watch.read(),
    )


def _recognise(
    served: ServedIndex,
    embeddings: dict[str, np.ndarray],
    query: QueryRequest,
    step: str,
    watch: Stopwatch,
) -> Recognised:
    head, _ = served.gallery.resolve_head("identity")
    with watch.step(step):
        return recognised(answer_reid(served.gallery, embeddings[head], query.k, _filters(query)))


def _index(served: ServedIndex) -> IndexRef:
    return IndexRef(name=served.gallery.name, version=served.gallery.version)


def _see(question: Question, settings: Settings, watch: Stopwatch) -> tuple[ImageRGB, BoxXyxy]:
    with watch.step("decode"):
        check_image(question.image, settings.max_image_bytes, settings.max_image_pixels)
        image = decode(question.image)
    height, width = image.shape[:2]
    return image, check_bbox(question.query.bbox, width, height)


def _encode(
    served: ServedIndex, image: ImageRGB, bbox: BoxXyxy, watch: Stopwatch
) -> dict[str, np.ndarray]:
    """One (dim,) embedding per head."""
    with watch.step("crop"):
        crop = served.encoder.crop(image, bbox)
    with watch.step("encode"):
        heads = served.encoder.encode(crop[None])
    return {name: rows[0] for name, rows in heads.items()}


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


def _filters(query: QueryRequest) -> Filters:
    chosen = query.filters.model_dump(exclude_none=True)
    return Filters(has_box9=chosen.pop("annotated", None), **chosen)
