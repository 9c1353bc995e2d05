"""Photographs of objects on a turntable: frames with angles and an order but no clock."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from training.data.crop import whole_image
from training.data.images import FileImage, image_size
from training.data.readers.base import CLOSED_RING, NO_SPLIT
from training.data.records import Sequence, View
from training.errors import DataError


@dataclass(frozen=True, slots=True)
class Photo:
    """One photograph: azimuth round the object, and the polar angle (0 from above, 90 level)."""

    path: Path
    azimuth_deg: float
    polar_deg: float | None = None


def turntable_sequence(
    identifier: str,
    dataset: str,
    instance: str,
    category: str,
    photos: Iterable[Photo],
    *,
    closed: bool,
) -> Sequence:
    """A sequence of ``photos`` in their order; ``frame`` counts them, ``fps`` is 0.

    ``closed`` flags that the last neighbours the first. Raises DataError for unreadable photos.
    """
    views = []
    for frame, photo in enumerate(photos):
        if photo.path.stat().st_size == 0:
            raise DataError(f"{photo.path} is empty.", "Fetch the file again.")
        attributes: dict[str, float | str] = {"azimuth_deg": photo.azimuth_deg}
        if photo.polar_deg is not None:
            attributes["polar_deg"] = photo.polar_deg
        views.append(
            View(
                image=FileImage(photo.path, f"{identifier}/{photo.path.stem}"),
                bbox_xyxy=whole_image(*image_size(photo.path)),
                instance=instance,
                category=category,
                frame=frame,
                attributes=attributes,
            )
        )
    return Sequence(
        id=identifier,
        dataset=dataset,
        split=NO_SPLIT,
        fps=0.0,
        views=tuple(views),
        flags=(CLOSED_RING,) if closed else (),
    )
