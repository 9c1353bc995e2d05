"""One question from bytes to answer: decode, crop, encode, search, shape. Blocking; runs in a
worker thread."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from index.answers import FittedBox, PoseQuery, answer_pose, answer_reid
from index.search import Filters
from service.forms import Question
from service.images import check_image, decode
from service.schemas.answers import (
    Box,
    IndexRef,
    InstanceMatch,
    MatchedView,
    PoseAnswer,
    PoseNeighbour,
    QueryOut,
    ReidAnswer,
)
from service.schemas.query import BoxXyxy, QueryRequest, check_bbox
from service.serving import ServedIndex
from service.settings import Settings
from service.shapes import camera_out, plane_out, view_ref
from training.data.records import Camera, ImageRGB, Plane

NO_NEIGHBOUR = "no view of the index passes the filters"
NO_BOX = "none of the neighbours gives a box; each says why"


class Stopwatch:
    """Milliseconds of named steps, and of everything since it was made."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._steps: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Times the block."""
        start = time.perf_counter()
        yield
        self._steps[name] = 1000 * (time.perf_counter() - start)

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
    best = answer.best_box
    return PoseAnswer(
        index=IndexRef(name=served.gallery.name, version=served.gallery.version),
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
        neighbours=[
            PoseNeighbour(
                view=view_ref(found.neighbour.view),
                similarity=found.neighbour.similarity,
                box=None if found.box is None else _box(found.box),
                reason=None if found.box is not None else found.reason,
            )
            for found in answer.neighbours
        ],
        box=None if best is None else _box(best),
        reason=None if best is not None else (NO_BOX if answer.neighbours else NO_NEIGHBOUR),
        timings_ms=watch.read(),
    )


def search_reid(served: ServedIndex, question: Question, settings: Settings) -> ReidAnswer:
    """The answer of /reid/search. Raises RefusedError and QueryError."""
    watch, query = Stopwatch(), question.query
    image, bbox = _see(question, settings, watch)
    embeddings = _encode(served, image, bbox, watch)
    head, _ = served.gallery.resolve_head("identity")
    with watch.step("search"):
        answer = answer_reid(served.gallery, embeddings[head], query.k, _filters(query))
    return ReidAnswer(
        index=IndexRef(name=served.gallery.name, version=served.gallery.version),
        head=answer.head,
        note=answer.note,
        query_bbox=bbox,
        assumptions=_crop_assumption(query),
        matches=[
            InstanceMatch(
                dataset=match.dataset,
                instance=match.instance,
                category=match.category,
                similarity=match.similarity,
                count=match.count,
                views=[
                    MatchedView(view=view_ref(found.view), similarity=found.similarity)
                    for found in match.views
                ],
            )
            for match in answer.matches
        ],
        timings_ms=watch.read(),
    )


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
    return Filters(**chosen)


def _box(box: FittedBox) -> Box:
    return Box(
        rotation=box.rotation.tolist(),
        translation_m=box.translation.tolist(),
        scale_m=box.scale.tolist(),
        vertices_m=box.vertices.tolist(),
        vertices_px=box.vertices_px.tolist(),
    )
