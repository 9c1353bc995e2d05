"""Several boxes for one object: how far each agrees with the others, and their average. Ours.

A box as a set of points has no front: half turns and swapped axes leave it as it is. So it is
compared by its centre t and its spread S = R diag(s) Rᵀ, which those do not change either:

    d²(i, j) = (‖tᵢ − tⱼ‖² + ¼ ‖Sᵢ − Sⱼ‖²) / (‖sᵢ‖ ‖sⱼ‖)

For boxes whose axes coincide the numerator is the mean squared distance of their corners.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from index.geometry.box import UNIT_BOX, clip_bbox
from index.geometry.placement import NEAREST_M
from index.geometry.views import FittedBoxes

Array = NDArray[np.float64]

QUARTER_TURNS: Final[Array] = np.array(
    [[[c, 0, s], [0, 1, 0], [-s, 0, c]] for c, s in ((1, 0), (0, 1), (-1, 0), (0, -1))], dtype=float
)
"""(4, 3, 3) turns about y by 0°, 90°, 180° and 270°."""

XZ_SWAPPED: Final = np.array([2, 1, 0])

NO_WEIGHT: Final = 1e-30
"""Stands in for a total of 0, so that a query without boxes divides by something."""


@dataclass(frozen=True, slots=True, eq=False)
class Hypotheses:
    """k boxes for each of Q queries, in the camera frames of the queries.

    ``rotation`` (Q, k, 3, 3); ``translation`` and ``scale`` (Q, k, 3) metres; ``ok`` (Q, k) False
    where there is no box, whose other fields then are an upright unit box one metre ahead.
    """

    rotation: Array
    translation: Array
    scale: Array
    ok: NDArray[np.bool_]

    @classmethod
    def of(cls, fits: FittedBoxes, per_query: int) -> Hypotheses:
        """From Q · ``per_query`` fitted rows, query after query.

        Where some of a query's boxes stand on the ground, those placed by their size are left
        out: they are much less certain.
        """
        grounded = fits.grounded.reshape(-1, per_query)
        ok = fits.ok.reshape(-1, per_query) & (grounded | ~grounded.any(axis=1, keepdims=True))
        return cls(
            np.where(ok[..., None, None], fits.rotation.reshape(*ok.shape, 3, 3), np.eye(3)),
            np.where(ok[..., None], fits.translation.reshape(*ok.shape, 3), (0.0, 0.0, 1.0)),
            np.where(ok[..., None], fits.scale.reshape(*ok.shape, 3), 1.0),
            ok,
        )


def fill_scores(
    rotation: Array,
    translation: Array,
    scale: Array,
    bbox_xyxy: Array,
    K: Array,
    image_size: Array,
) -> Array:
    """(Q, k) how well each projected box fills its query's crop: 2-D IoU of the two, in [0, 1].

    Boxes (Q, k, …) as in Hypotheses; ``bbox_xyxy`` (Q, 4) pixels, ``K`` (Q, 3, 3), ``image_size``
    (Q, 2); both rectangles are clipped to the image. 0 where a corner is at or behind the camera.
    """
    corners = (UNIT_BOX[1:] * scale[:, :, None]) @ rotation.swapaxes(-1, -2)
    corners = (corners + translation[:, :, None]) @ K[:, None].swapaxes(-1, -2)
    z = corners[..., 2]
    seen = z.min(axis=-1) > NEAREST_M
    uv = corners[..., :2] / np.where(seen[..., None], z, 1.0)[..., None]
    limit = image_size[:, None] - 0.5
    low = np.minimum(np.maximum(uv.min(axis=2), -0.5), limit)
    high = np.minimum(np.maximum(uv.max(axis=2), -0.5), limit)
    crop = clip_bbox(bbox_xyxy, image_size)[:, None]
    shared = np.minimum(high, crop[..., 2:]) - np.maximum(low, crop[..., :2])
    shared_area = np.maximum(shared, 0.0).prod(axis=-1)
    union = (high - low).prod(axis=-1) + (crop[..., 2:] - crop[..., :2]).prod(axis=-1) - shared_area
    seen &= union > 0.0
    return np.where(seen, shared_area / np.where(seen, union, 1.0), 0.0)


def spreads(rotation: Array, scale: Array) -> Array:
    """(..., 3, 3) S = R diag(s) Rᵀ of boxes."""
    return (rotation * scale[..., None, :]) @ rotation.swapaxes(-1, -2)


def spreads_about_y(rotation: Array, scale: Array) -> Array:
    """(..., 3, 3) the mean of S over all turns of each box about its own y axis.

    With y = R e₂ that is s_y y yᵀ + ½ (s_x + s_z) (I − y yᵀ).
    """
    round_ = 0.5 * (scale[..., 0] + scale[..., 2])[..., None, None]
    y = rotation[..., 1]
    along = (scale[..., 1, None, None] - round_) * y[..., :, None] * y[..., None, :]
    return round_ * np.eye(3) + along


def squared_distances(translation: Array, spread: Array, scale: Array) -> Array:
    """(Q, k, k) d² between the boxes of each query: (Q, k, 3), (Q, k, 3, 3), (Q, k, 3)."""
    point = np.concatenate([translation, 0.5 * spread.reshape(*scale.shape[:2], 9)], axis=2)
    size = np.sqrt(np.einsum("qki,qki->qk", scale, scale))
    length = np.einsum("qki,qki->qk", point, point)
    squared = length[:, :, None] + length[:, None] - 2.0 * point @ point.swapaxes(1, 2)
    return np.maximum(squared, 0.0) / (size[:, :, None] * size[:, None])


def quarter_turns(boxes: Hypotheses, towards: NDArray[np.intp]) -> NDArray[np.intp]:
    """(Q, k) quarter turns about its y axis after which each box is most like box ``towards`` (Q,).

    Likeness is the inner product of the edge vectors R diag(s), the sides along x and z swapped
    by an odd turn.
    """
    rows = np.arange(len(towards))
    mine = (boxes.rotation * boxes.scale[..., None, :])[..., ::2]
    like = (mine[rows, towards])[:, None].swapaxes(-1, -2) @ mine
    even, odd = like[..., 0, 0] + like[..., 1, 1], like[..., 1, 0] - like[..., 0, 1]
    return np.stack([even, odd, -even, -odd], axis=-1).argmax(axis=-1)


def average_boxes(
    boxes: Hypotheses, weights: Array, turns: NDArray[np.intp]
) -> tuple[Array, Array, Array]:
    """``(rotation (Q, 3, 3), translation (Q, 3), scale (Q, 3))`` weighted by ``weights`` (Q, k).

    Each box first takes its ``turns`` (Q, k) quarter turns about y. Rotations by the chordal mean,
    sizes and depths by their logarithms, viewing rays as they are. ``weights`` sum to 1.
    """
    rotation = boxes.rotation @ QUARTER_TURNS[turns]
    scale = np.where((turns % 2 == 1)[..., None], boxes.scale[..., XZ_SWAPPED], boxes.scale)
    depth = boxes.translation[..., 2:]
    logs = np.einsum("qk,qki->qi", weights, np.log(np.concatenate([scale, depth], axis=2)))
    ray = np.einsum("qk,qki->qi", weights, boxes.translation / depth)
    metres = np.exp(logs)
    return chordal_mean(rotation, weights), ray * metres[:, 3:], metres[:, :3]


def chordal_mean(rotation: Array, weights: Array) -> Array:
    """(Q, 3, 3) the rotations nearest in squared chordal distance to (Q, k, 3, 3) under weights.

    Hartley, Trumpf, Dai & Li 2013, section 5.3: the projection of Σ w R onto SO(3).
    """
    U, _, Vt = np.linalg.svd(np.einsum("qk,qkij->qij", weights, rotation))
    U[..., 2] *= np.sign(np.linalg.det(U @ Vt))[:, None]
    return U @ Vt


def turns_about_y(boxes: Hypotheses, reference: NDArray[np.intp]) -> Array:
    """(Q, k) radians by which box ``reference`` (Q,) turns about its y axis towards each box."""
    R = boxes.rotation
    between = R[np.arange(len(reference)), reference][:, None].swapaxes(-1, -2) @ R
    return np.arctan2(
        between[..., 0, 2] - between[..., 2, 0], between[..., 0, 0] + between[..., 2, 2]
    )


def concentrations(angles: Array, weights: Array, folds: tuple[int, ...]) -> Array:
    """(Q, F) |Σ w exp(i n ψ)| for each n of ``folds``, weights (Q, k) summing to 1.

    1 where the angles ψ (Q, k) agree modulo 360° / n, near 0 where they are spread.
    """
    phases = np.exp(1j * angles[..., None] * np.array(folds))
    return np.abs(np.einsum("qk,qkn->qn", weights, phases))
