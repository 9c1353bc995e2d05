"""The records every reader gives and everything downstream takes.

One camera convention inside: OpenCV. x right, y down, z forward, metres; pixel centres at
integers, so an image of width W spans x in [-0.5, W - 0.5]. Points are (N, 3) float64 arrays;
transforms are named ``T_to_from``. Readers convert at the door and only there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product
from types import MappingProxyType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
ImageRGB = NDArray[np.uint8]

UNIT_BOX: Array = np.array([(0.0, 0.0, 0.0), *product((-0.5, 0.5), repeat=3)])
"""(9, 3) centre, then 8 corners x-major: (−−−, −−+, −+−, −++, +−−, …); +y is up."""

NO_ATTRIBUTES: Mapping[str, float | str] = MappingProxyType({})


class ImageSource(Protocol):
    """An image that is decoded only when asked for."""

    @property
    def reference(self) -> str:
        """A stable text naming this image inside its dataset, such as ``cup/batch-1/3#42``."""
        ...

    def load(self) -> ImageRGB:
        """(H, W, 3) uint8 RGB. Raises DataError if it cannot be decoded."""
        ...


@dataclass(frozen=True, slots=True)
class Camera:
    """A pinhole camera: focal lengths and principal point in pixels of a width × height image."""

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int

    @property
    def matrix(self) -> Array:
        """(3, 3) intrinsics K."""
        return np.array([[self.fx, 0.0, self.cx], [0.0, self.fy, self.cy], [0.0, 0.0, 1.0]])

    def resized(self, width: int, height: int) -> Camera:
        """The same camera after the image was resized; pixel centres stay at integers."""
        sx, sy = width / self.width, height / self.height
        return Camera(
            fx=self.fx * sx,
            fy=self.fy * sy,
            cx=(self.cx + 0.5) * sx - 0.5,
            cy=(self.cy + 0.5) * sy - 0.5,
            width=width,
            height=height,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """The ground plane in the camera frame: a point on it (3,) in metres, its unit normal (3,).

    The normal points up, out of the ground, towards the side the object is on.
    """

    center: Array
    normal: Array


@dataclass(frozen=True, slots=True, eq=False)
class Box9:
    """A 9-DoF box in the camera frame; ``X_camera = rotation @ (scale * x_unit) + translation``.

    ``rotation`` (3, 3) is R_camera_object with det +1; ``translation`` (3,) the box centre in
    metres; ``scale`` (3,) the edge lengths in metres along the object's x, y (up), z (front).
    """

    rotation: Array
    translation: Array
    scale: Array

    @property
    def vertices(self) -> Array:
        """(9, 3) centre and 8 corners in the camera frame, ordered as UNIT_BOX."""
        return (UNIT_BOX * self.scale) @ self.rotation.T + self.translation


@dataclass(frozen=True, slots=True, eq=False)
class Keypoints:
    """K named landmarks: ``xy`` (K, 2) pixels, ``xyz`` (K, 3) camera-frame metres or None.

    ``valid`` (K,) bool: it was annotated; ``visible`` (K,) bool: it can be seen.
    """

    names: tuple[str, ...]
    xy: Array
    xyz: Array | None
    visible: NDArray[np.bool_]
    valid: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """One object or person in one frame: the crop that is embedded.

    ``bbox_xyxy`` (4,) pixels, may reach outside the image; ``frame`` counts native frames of
    the sequence from 0; ``time_s`` is seconds since its start; ``instance`` is the identity,
    unique over the dataset; ``attributes`` holds what only one dataset knows, such as
    ``azimuth_deg``.
    """

    image: ImageSource
    bbox_xyxy: Array
    instance: str
    category: str
    frame: int = 0
    time_s: float = 0.0
    camera: Camera | None = None
    plane: Plane | None = None
    box9: Box9 | None = None
    keypoints: Keypoints | None = None
    visibility: float = 1.0
    attributes: Mapping[str, float | str] = field(default_factory=lambda: NO_ATTRIBUTES)


@dataclass(frozen=True, slots=True, eq=False)
class Sequence:
    """One video of one scene. ``views`` are ordered by frame, then instance.

    ``id`` is unique within ``dataset``; ``fps`` is 0 where the frames have no clock; ``flags``
    are quality remarks such as ``blurred`` or ``plane_missing`` that did not cost the sequence.
    """

    id: str
    dataset: str
    split: str
    fps: float
    views: tuple[View, ...]
    flags: tuple[str, ...] = ()
