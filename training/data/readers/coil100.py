"""COIL-100: 100 objects on a turntable, 72 views each, 5 degrees apart, on black.

Files ``obj<id>__<angle>.png``. Angles start at an arbitrary zero per object, so they compare
within an object only. COIL-100 names no categories: all are ``object``.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from training.data.readers.base import NO_SPLIT, Listed, Reader
from training.data.readers.turntable import Photo, turntable_sequence
from training.data.records import Sequence

_NAME = re.compile(r"obj(\d+)__(\d+)\.(?:png|jpe?g|ppm)", re.IGNORECASE)
_OBJECTS, _VIEWS = 100, 72


class Coil100(Reader):
    """One sequence an object, a closed ring in order of angle; ``azimuth_deg`` on every view."""

    kind = "coil100"

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Whether a file in ``root`` is named like COIL-100's."""
        return root.is_dir() and any(_NAME.fullmatch(path.name) for path in root.glob("obj*__*"))

    def _listed(self) -> Iterator[Listed]:
        objects: dict[int, list[Photo]] = defaultdict(list)
        for path in self.root.iterdir():
            if match := _NAME.fullmatch(path.name):
                objects[int(match[1])].append(Photo(path, float(match[2])))
        if objects and len(objects) != _OBJECTS:
            self.report.note(f"{len(objects)} objects found; the full distribution has {_OBJECTS}.")
        short = [number for number, photos in objects.items() if len(photos) != _VIEWS]
        if short:
            self.report.note(
                f"{len(short)} objects do not have {_VIEWS} views: "
                + ", ".join(f"obj{number} has {len(objects[number])}" for number in sorted(short))
            )
        for number in sorted(objects):
            photos = sorted(objects[number], key=lambda photo: photo.azimuth_deg)
            name = f"obj{number}"
            yield Listed(name, NO_SPLIT, partial(self._sequence, name, photos))

    def _sequence(self, name: str, photos: list[Photo]) -> Sequence:
        return turntable_sequence(name, self.dataset, name, "object", photos, closed=True)
