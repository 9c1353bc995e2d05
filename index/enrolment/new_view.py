"""A view on its way into an index: what is known of it, its embeddings and its picture."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.store.stored_view import sequence_row, view_row
from training.data.records import (
    NO_ATTRIBUTES,
    Array,
    Box9,
    Camera,
    ImageRGB,
    Keypoints,
    Plane,
    Sequence,
    View,
)
from training.errors import DataError, EnrolmentError

NAME_LIMIT = 200
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
NORM_TOLERANCE = 1e-3
JPEG_START = b"\xff\xd8"


@dataclass(frozen=True, slots=True, eq=False)
class NewView:
    """One view to be enrolled.

    ``bbox_xyxy`` (4,) pixels of an image of ``image_width`` × ``image_height``, which is not kept;
    camera, plane, box and keypoints as in ``training.data.records``; ``vectors`` head → (dim,)
    float32, L2-normalised; ``thumbnail`` JPEG of the crop, longest side at most 160 px.
    ``split`` is that of its sequence. ``image_reference`` names the image, such as by its content;
    None: its sequence and frame do.
    """

    dataset: str
    instance: str
    category: str
    bbox_xyxy: Array
    image_width: int
    image_height: int
    sequence: str
    vectors: Mapping[str, NDArray[np.float32]]
    thumbnail: bytes
    frame: int = 0
    time_s: float = 0.0
    split: str = "enrolled"
    image_reference: str | None = None
    camera: Camera | None = None
    plane: Plane | None = None
    box9: Box9 | None = None
    keypoints: Keypoints | None = None
    attributes: Mapping[str, float | str] = field(default_factory=lambda: NO_ATTRIBUTES)

    def rows(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Its rows of the tables ``sequences`` and ``views``."""
        image = _NotKept(self.image_reference or f"{self.sequence}#{self.frame}")
        view = View(
            image,
            self.bbox_xyxy,
            self.instance,
            self.category,
            frame=self.frame,
            time_s=self.time_s,
            camera=self.camera,
            plane=self.plane,
            box9=self.box9,
            keypoints=self.keypoints,
            attributes=self.attributes,
        )
        sequence = Sequence(self.sequence, self.dataset, self.split, 0.0, (view,))
        return sequence_row(sequence), view_row(sequence, view, self.image_width, self.image_height)

    def check(self, heads: Mapping[str, int]) -> None:
        """Raises EnrolmentError unless an index with ``heads`` (name → dimensions) can take it."""
        for what in ("dataset", "sequence", "instance", "category", "split"):
            _check_name(what, getattr(self, what))
        if not 0 <= self.frame < 1 << 63:
            raise EnrolmentError(f"frame is {self.frame}.", "Give 0 or more, below 2^63.")
        bbox = np.asarray(self.bbox_xyxy, dtype=np.float64)
        if bbox.shape != (4,) or not np.isfinite(bbox).all():
            raise EnrolmentError(f"bbox_xyxy is {bbox.tolist()}.", "Give four finite pixels.")
        if not self.thumbnail.startswith(JPEG_START):
            raise EnrolmentError("The thumbnail is no JPEG.", "Give the crop as JPEG.")
        if set(self.vectors) != set(heads):
            raise EnrolmentError(
                f"The view has embeddings of {sorted(self.vectors)}, the index of {sorted(heads)}.",
                "Embed the crop with the encoder of the index, all heads at once.",
            )
        for head, dim in heads.items():
            _check_vector(head, self.vectors[head], dim)


def _check_name(what: str, value: str) -> None:
    if not 1 <= len(value) <= NAME_LIMIT or CONTROL.search(value):
        raise EnrolmentError(
            f"{what} is {value[:NAME_LIMIT]!r}.",
            f"Use 1 to {NAME_LIMIT} characters, none of them a control character.",
        )


def _check_vector(head: str, vector: NDArray[np.float32], dim: int) -> None:
    remedy = "Embed the crop with the encoder of the index."
    if vector.shape != (dim,):
        raise EnrolmentError(
            f"The {head!r} embedding has shape {vector.shape}; the index holds {dim} dimensions.",
            remedy,
        )
    norm = float(np.linalg.norm(vector.astype(np.float64)))
    if not abs(norm - 1.0) <= NORM_TOLERANCE:
        raise EnrolmentError(
            f"The {head!r} embedding has length {norm:.4g}, not 1 ± {NORM_TOLERANCE:g}.", remedy
        )


@dataclass(frozen=True, slots=True)
class _NotKept:
    """The image of an enrolled view: it has a name, and that is all that is kept."""

    reference: str

    def load(self) -> ImageRGB:
        raise DataError(f"The image {self.reference} was not kept.", "Use its thumbnail.")
