"""What a shape builder gives: meshes with their materials, and the box around them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from training.data.render.mesh import Array, Mesh

Texture = NDArray[np.uint8]
Colour = tuple[float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """How a surface looks: sRGB ``colour`` in [0, 1] times an RGB uint8 ``texture`` if any.

    ``gloss`` goes from 0 (chalk) to 1 (polished metal or glass).
    """

    colour: Colour = (1.0, 1.0, 1.0)
    texture: Texture | None = None
    gloss: float = 0.2


@dataclass(slots=True, eq=False)
class Model:
    """The parts of one object in its own frame."""

    parts: list[tuple[Mesh, Material]] = field(default_factory=list)

    def add(self, mesh: Mesh, material: Material) -> None:
        """Adds one part."""
        self.parts.append((mesh, material))

    @property
    def bounds(self) -> tuple[Array, Array]:
        """Lowest and highest corner (3,), (3,) of the vertices that triangles use."""
        used = [mesh.positions[np.unique(mesh.triangles)] for mesh, _ in self.parts]
        return (
            np.min([points.min(axis=0) for points in used], axis=0),
            np.max([points.max(axis=0) for points in used], axis=0),
        )

    def centred(self) -> Model:
        """The model moved so that its box is centred at the origin."""
        low, high = self.bounds
        x, y, z = -(low + high) / 2
        return Model([(mesh.moved(x, y, z), material) for mesh, material in self.parts])

    @property
    def extent(self) -> Array:
        """(3,) edge lengths of the tight box, metres."""
        low, high = self.bounds
        return high - low
