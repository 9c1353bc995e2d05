"""A clip from bytes to action: decode and crop image by image, encode them in batches with other
requests' crops, vote. One decoded image is held at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from index.answers import ActionAnswer as Answer
from index.answers import answer_action
from index.search import Filters
from index.stopwatch import Stopwatch
from service.batching import Embeddings
from service.desk import Turn
from service.forms import Clip
from service.image_header import read_header
from service.images import check_image, decode
from service.problems import RefusedError
from service.questions import timings
from service.schemas.actions import ActionAnswer, ActionShare, ClipMatch, FrameAnswer
from service.schemas.answers import IndexRef, MatchedView
from service.schemas.query import BoxXyxy, check_bbox
from service.serving import ServedIndex
from service.settings import Settings
from service.shapes import view_ref
from training.data.records import ImageRGB

SHOWN = 5
NO_NEIGHBOUR = "No view of the index passes the filters."


async def search_actions(turn: Turn, served: ServedIndex, clip: Clip, filters: Filters) -> str:
    """The JSON of the ActionAnswer of /actions/search. Raises RefusedError and QueryError."""
    crops, boxes = await turn.run_in_time(lambda: _see(turn, served, clip))
    embeddings = await turn.encode(served.encoder, crops)
    return await turn.run(
        lambda: _answer(served, clip, filters, embeddings, boxes, turn.watch).model_dump_json()
    )


def _answer(
    served: ServedIndex,
    clip: Clip,
    filters: Filters,
    embeddings: dict[str, Embeddings],
    boxes: list[BoxXyxy],
    watch: Stopwatch,
) -> ActionAnswer:
    query = clip.query
    head, _ = served.gallery.resolve_head("pose")
    answer = answer_action(
        served.gallery, embeddings[head], query.k, filters, clips=SHOWN, watch=watch
    )
    best = answer.best
    return ActionAnswer(
        index=IndexRef(name=served.gallery.name, version=served.gallery.version),
        head=answer.head,
        note=answer.note,
        assumptions=_assumptions(clip),
        category=None if best is None else best.category,
        share=0.0 if best is None else best.share,
        reason=NO_NEIGHBOUR if best is None else None,
        actions=[
            ActionShare(category=action.category, share=action.share, frames=action.frames)
            for action in answer.actions
        ],
        frames=_frames(answer, boxes),
        clips=_clips(answer),
        timings_ms=timings(watch) if query.timings else None,
    )


def _see(turn: Turn, served: ServedIndex, clip: Clip) -> tuple[ImageRGB, list[BoxXyxy]]:
    """(N, S, S, 3) crops, one of each image, and their boxes. Raises RefusedError naming the
    image."""
    _check_together(clip, turn.desk.settings)
    wanted: list[BoxXyxy | None] = list(clip.query.bboxes or (None,))
    if len(wanted) == 1:
        wanted = wanted * len(clip.images)
    if len(wanted) != len(clip.images):
        raise RefusedError(
            "invalid-request",
            f"There are {len(wanted)} bboxes for {len(clip.images)} images.",
            "Give one for all images, or one each.",
        )
    crops, boxes = [], []
    for number, (data, bbox) in enumerate(zip(clip.images, wanted, strict=True), 1):
        with _named(number, clip), turn.watch.stage("decode"):
            image = decode(data)
            height, width = image.shape[:2]
            boxes.append(check_bbox(bbox, width, height))
            crops.append(served.encoder.crop(image, boxes[-1]))
    return np.stack(crops), boxes


def _check_together(clip: Clip, settings: Settings) -> None:
    """Refuses images by their headers, and all of them by what they are together."""
    size = sum(map(len, clip.images))
    if size > settings.max_image_bytes:
        raise RefusedError(
            "image-too-large",
            f"The {len(clip.images)} images have {size} bytes together, above the limit of "
            f"{settings.max_image_bytes}.",
            "Send fewer or smaller images, or raise POSEBANK_MAX_IMAGE_BYTES on the server.",
        )
    pixels = 0
    for number, data in enumerate(clip.images, 1):
        with _named(number, clip):
            check_image(data, settings.max_image_bytes, settings.max_image_pixels)
        header = read_header(data)
        pixels += header.width * header.height if header else 0
    if pixels > settings.max_image_pixels:
        raise RefusedError(
            "image-too-large",
            f"The {len(clip.images)} images have {pixels} pixels together, above the limit of "
            f"{settings.max_image_pixels}.",
            "Send fewer or smaller images, or raise POSEBANK_MAX_IMAGE_PIXELS on the server.",
        )


@contextmanager
def _named(number: int, clip: Clip) -> Iterator[None]:
    """Says which image was refused."""
    try:
        yield
    except RefusedError as error:
        raise RefusedError(
            error.slug,
            f"Image {number} of {len(clip.images)}: {error.message}",
            error.remedy,
            error.errors,
        ) from error


def _assumptions(clip: Clip) -> list[str]:
    found = []
    if clip.query.bboxes is None:
        found.append("No bboxes were given: the whole images were taken as crops.")
    if len(clip.images) == 1:
        found.append("One image was given: its vote is the whole vote.")
    return found


def _frames(answer: Answer, boxes: list[BoxXyxy]) -> list[FrameAnswer]:
    return [
        FrameAnswer(
            bbox=bbox,
            category=frame.category,
            share=frame.share,
            neighbours=[
                MatchedView(view=view_ref(found.view), similarity=found.similarity)
                for found in frame.neighbours[:SHOWN]
            ],
        )
        for bbox, frame in zip(boxes, answer.frames, strict=True)
    ]


def _clips(answer: Answer) -> list[ClipMatch]:
    return [
        ClipMatch(
            dataset=match.best.view.dataset,
            sequence=match.best.view.sequence,
            category=match.best.view.category,
            share=match.share,
            frames=match.frames,
            similarity=match.best.similarity,
            in_order=match.in_order,
            view=view_ref(match.best.view),
        )
        for match in answer.clips
    ]
