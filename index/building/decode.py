"""The decoding stage: views to crops and thumbnails, in a thread beside the encoder."""

from __future__ import annotations

import queue
import threading
from collections import Counter
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from index.building.progress import StageClock
from index.manifest import Skipped
from training.data.images import load_views
from training.data.records import Array, ImageRGB, Sequence, View
from training.errors import DataError

THUMBNAIL_PX = 160
CHUNK_VIEWS = 64
_WAITING_CHUNKS = 4


class Cropper(Protocol):
    """The part of an encoder that decoding needs."""

    def crop(self, image: ImageRGB, bbox_xyxy: Array) -> ImageRGB:
        """(S, S, 3) uint8 RGB. Raises DataError for a box without pixels."""
        ...


@dataclass(slots=True)
class Chunk:
    """Up to CHUNK_VIEWS decoded views of one sequence, and what of it was left out.

    ``position`` is the sequence's in the plan; ``last`` marks its end.
    """

    position: int
    views: list[int] = field(default_factory=list)
    crops: list[ImageRGB] = field(default_factory=list)
    image_sizes: list[tuple[int, int]] = field(default_factory=list)
    jpegs: list[bytes] = field(default_factory=list)
    skipped: tuple[Skipped, ...] = ()
    last: bool = False

    def stacked(self) -> NDArray[np.uint8]:
        """(n, S, S, 3) uint8 crops."""
        return np.stack(self.crops)


def decode_sequence(
    position: int, sequence: Sequence, cropper: Cropper, clock: StageClock
) -> Iterator[Chunk]:
    """The chunks of one sequence; the last one tells what could not be used."""
    reasons: Counter[str] = Counter()
    numbers = {id(view): number for number, view in enumerate(sequence.views)}
    loaded = load_views(sequence.views, lambda _view, error: reasons.update([error.message]))
    chunk = Chunk(position)
    while True:
        with clock.stage("decode"):
            pair = next(loaded, None)
            if pair is not None:
                _add(chunk, numbers[id(pair[0])], *pair, cropper, reasons)
        if pair is None:
            break
        if len(chunk.views) == CHUNK_VIEWS:
            yield chunk
            chunk = Chunk(position)
    chunk.last = True
    lost, total = sum(reasons.values()), len(sequence.views)
    if lost:
        reason, _ = reasons.most_common(1)[0]
        views = None if lost == total else lost
        chunk.skipped = (
            Skipped(dataset=sequence.dataset, sequence=sequence.id, views=views, reason=reason),
        )
    yield chunk


def _add(
    chunk: Chunk, number: int, view: View, image: ImageRGB, cropper: Cropper, reasons: Counter[str]
) -> None:
    try:
        crop = cropper.crop(image, view.bbox_xyxy)
        jpeg = thumbnail(image, view.bbox_xyxy)
    except DataError as error:
        reasons.update([error.message])
        return
    chunk.views.append(number)
    chunk.crops.append(crop)
    chunk.image_sizes.append((image.shape[1], image.shape[0]))
    chunk.jpegs.append(jpeg)


def thumbnail(image: ImageRGB, bbox_xyxy: Array) -> bytes:
    """JPEG of the part of the box inside the image, its longest side at most 160 px.

    Raises DataError if the box lies outside the image.
    """
    height, width = image.shape[:2]
    x0, y0 = (int(max(0, np.floor(value + 0.5))) for value in bbox_xyxy[:2])
    x1, y1 = (
        int(min(limit, np.ceil(value + 0.5)))
        for value, limit in zip(bbox_xyxy[2:], (width, height), strict=True)
    )
    if x1 <= x0 or y1 <= y0:
        raise DataError("The box lies outside the image.", "Correct the annotation.")
    part: NDArray = image[y0:y1, x0:x1]
    scale = THUMBNAIL_PX / max(part.shape[:2])
    if scale < 1:
        size = (max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale)))
        part = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    bgr = cv2.cvtColor(part, cv2.COLOR_RGB2BGR)
    done, content = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 85])
    assert done
    return bytes(content.tobytes())


def decode_ahead(
    sequences: Iterator[tuple[int, Sequence]], cropper: Cropper, clock: StageClock
) -> Generator[Chunk, None, None]:
    """``decode_sequence`` for each, done by a thread that is a few chunks ahead.

    What the thread raises is raised here; the thread ends when this generator is closed.
    """
    ready: queue.Queue[Chunk | BaseException | None] = queue.Queue(_WAITING_CHUNKS)
    stop = threading.Event()

    def put(item: Chunk | BaseException | None) -> None:
        while not stop.is_set():
            try:
                return ready.put(item, timeout=0.1)
            except queue.Full:
                continue

    def work() -> None:
        try:
            for position, sequence in sequences:
                for chunk in decode_sequence(position, sequence, cropper, clock):
                    put(chunk)
                    if stop.is_set():
                        return
            put(None)
        except BaseException as error:
            put(error)

    thread = threading.Thread(target=work, name="decode")
    thread.start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stop.set()
        thread.join()
