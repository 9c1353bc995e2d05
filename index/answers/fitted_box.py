"""A 9-DoF box in the query's camera frame, with its corners in metres and in pixels."""

from __future__ import annotations

from dataclasses import dataclass

from index.geometry import box_vertices, project
from training.data.records import Array


@dataclass(frozen=True, slots=True, eq=False)
class FittedBox:
    """A box in the query's camera frame: ``rotation`` (3, 3), ``translation`` (3,) and ``scale``
    (3,) in metres; ``vertices`` (9, 3) metres and ``vertices_px`` (9, 2) pixels as UNIT_BOX."""

    rotation: Array
    translation: Array
    scale: Array
    vertices: Array
    vertices_px: Array

    @classmethod
    def all_seen_by(
        cls, K: Array, rotation: Array, translation: Array, scale: Array
    ) -> list[FittedBox]:
        """N boxes, (N, 3, 3), (N, 3) and (N, 3), as the cameras K (N, 3, 3) show them."""
        vertices = box_vertices(rotation, translation, scale)
        pixels = project(K, vertices)
        return [
            cls(*box) for box in zip(rotation, translation, scale, vertices, pixels, strict=True)
        ]
