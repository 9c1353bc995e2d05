"""ETH-80 (Leibe & Schiele, CVPR 2003): 8 categories x 10 instances x 41 views of the upper
viewing hemisphere.

Files ``<category><instance>-<polar>-<azimuth>``, also in folders; polar 90 is level, 0 from above.
File names round angles down to whole degrees; records carry the true multiples of 22.5 on the
level ring.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from training.data.images import IMAGE_SUFFIXES
from training.data.names import files_under
from training.data.readers.base import NO_SPLIT, Listed, Reader
from training.data.readers.turntable import Photo, turntable_sequence
from training.data.records import Array, Sequence

_NAME = re.compile(r"([a-z]+)(\d+)-(\d{3})-(\d{3})", re.IGNORECASE)
_CATEGORIES, _INSTANCES, _VIEWS, _LEVEL = 8, 10, 41, 90.0


class Eth80(Reader):
    """Two sequences an instance, so that neighbours in order are neighbours in angle.

    ``<instance>/level`` is the closed ring of 16 azimuths; ``<instance>/elevated`` holds the 25
    views above it along a short path over the hemisphere (their own rings have only 4 views, 90
    degrees apart). ``azimuth_deg`` and ``polar_deg`` are on every view.
    """

    kind = "eth80"

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Whether an image in ``root``, or up to two folders down, is named like ETH-80's."""
        patterns = ("*-090-*", "*/*-090-*", "*/*/*-090-*")
        return root.is_dir() and any(
            _NAME.fullmatch(path.stem) for pattern in patterns for path in root.glob(pattern)
        )

    def _listed(self) -> Iterator[Listed]:
        instances: dict[tuple[str, str], list[Photo]] = defaultdict(list)
        for path in files_under(self.root, self.report.note):
            match = _NAME.fullmatch(path.stem)
            if match and path.suffix.lower() in IMAGE_SUFFIXES and "maps" not in path.parts:
                photo = Photo(path, _azimuth(match[4], match[3]), float(match[3]))
                instances[(match[1].lower(), match[2])].append(photo)
        self._compare(instances)
        for (category, number), photos in sorted(instances.items()):
            name = f"{category}{number}"
            level = sorted(
                (photo for photo in photos if photo.polar_deg == _LEVEL),
                key=lambda photo: photo.azimuth_deg,
            )
            above = [photo for photo in photos if photo.polar_deg != _LEVEL]
            if above:
                order = short_path(_directions(above))
                read = partial(
                    self._sequence, name, "elevated", category, [above[i] for i in order]
                )
                yield Listed(f"{name}/elevated", NO_SPLIT, read)
            if level:
                read = partial(self._sequence, name, "level", category, level)
                yield Listed(f"{name}/level", NO_SPLIT, read)

    def _sequence(self, name: str, part: str, category: str, photos: list[Photo]) -> Sequence:
        return turntable_sequence(
            f"{name}/{part}", self.dataset, name, category, photos, closed=part == "level"
        )

    def _compare(self, instances: dict[tuple[str, str], list[Photo]]) -> None:
        if not instances:
            return
        categories = {category for category, _ in instances}
        if len(categories) != _CATEGORIES or len(instances) != _CATEGORIES * _INSTANCES:
            self.report.note(
                f"{len(categories)} categories with {len(instances)} instances found; the full "
                f"distribution has {_CATEGORIES} with {_CATEGORIES * _INSTANCES}."
            )
        short = [
            f"{category}{number} has {len(photos)}"
            for (category, number), photos in sorted(instances.items())
            if len(photos) != _VIEWS
        ]
        if short:
            self.report.note(f"Instances without {_VIEWS} views: {', '.join(short)}.")


def _azimuth(azimuth: str, polar: str) -> float:
    value = float(azimuth)
    return round(value / 22.5) * 22.5 if float(polar) == _LEVEL else value


def _directions(photos: list[Photo]) -> Array:
    azimuth = np.radians([photo.azimuth_deg for photo in photos])
    polar = np.radians([photo.polar_deg or 0.0 for photo in photos])
    return np.stack(
        [np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth), np.cos(polar)], axis=1
    )


def short_path(directions: Array) -> list[int]:
    """An order of unit vectors (N, 3) along a short open path, first vector first.

    Greedy, then 2-opt until no reversal shortens it; deterministic (ours).
    """
    # Squares make one long step dearer than several short ones.
    cost = np.arccos(np.clip(directions @ directions.T, -1.0, 1.0)) ** 2
    order = [0]
    left = set(range(1, len(directions)))
    while left:
        order.append(min(left, key=lambda i: (round(float(cost[order[-1], i]), 9), i)))
        left.remove(order[-1])
    improved = True
    while improved:
        improved = False
        for i in range(1, len(order) - 1):
            for j in range(i + 1, len(order)):
                before = cost[order[i - 1], order[i]]
                after = cost[order[i - 1], order[j]]
                if j + 1 < len(order):
                    before = before + cost[order[j], order[j + 1]]
                    after = after + cost[order[i], order[j + 1]]
                if after < before - 1e-9:
                    order[i : j + 1] = order[i : j + 1][::-1]
                    improved = True
    return order
