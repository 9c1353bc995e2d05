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

Array = NDArray[np.float64]

HALF_TURN_ABOUT_Y: Final[Array] = np.diag([-1.0, 1.0, -1.0])

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
    def of(
        cls, rotation: Array, translation: Array, scale: Array, ok: NDArray[np.bool_]
    ) -> Hypotheses:
        """From arrays whose rows without a box may hold anything."""
        return cls(
            np.where(ok[..., None, None], rotation, np.eye(3)),
            np.where(ok[..., None], translation, (0.0, 0.0, 1.0)),
            np.where(ok[..., None], scale, 1.0),
            ok,
        )


def fill_scores(boxes: Hypotheses, bbox_xyxy: Array, K: Array, image_size: Array) -> Array:
    """(Q, k) how well each projected box fills its query's crop: 2-D IoU of the two, in [0, 1].

    ``bbox_xyxy`` (Q, 4) pixels, ``K`` (Q, 3, 3), ``image_size`` (Q, 2); both rectangles are
    clipped to the image. 0 where there is no box or a corner is at or behind the camera.
    """
    corners = (UNIT_BOX[1:] * boxes.scale[:, :, None]) @ boxes.rotation.swapaxes(-1, -2)
    corners = (corners + boxes.translation[:, :, None]) @ K[:, None].swapaxes(-1, -2)
    z = corners[..., 2]
    seen = boxes.ok & (z.min(axis=-1) > NEAREST_M)
    uv = corners[..., :2] / np.where(seen[..., None], z, 1.0)[..., None]
    limit = image_size[:, None] - 0.5
    low = np.clip(uv.min(axis=2), -0.5, limit)
    high = np.clip(uv.max(axis=2), -0.5, limit)
    crop = clip_bbox(bbox_xyxy, image_size)[:, None]
    shared = np.minimum(high, crop[..., 2:]) - np.maximum(low, crop[..., :2])
    shared_area = np.maximum(shared, 0.0).prod(axis=-1)
    union = (high - low).prod(axis=-1) + (crop[..., 2:] - crop[..., :2]).prod(axis=-1) - shared_area
    return np.where(seen & (union > 0.0), shared_area / np.where(union > 0.0, union, 1.0), 0.0)


def squared_distances(boxes: Hypotheses) -> Array:
    """(Q, k, k) d² between the boxes of each query, as above; of rows not ok it means nothing."""
    R, s = boxes.rotation, boxes.scale
    spread = (R * s[..., None, :]) @ R.swapaxes(-1, -2)
    point = np.concatenate([boxes.translation, 0.5 * spread.reshape(*s.shape[:2], 9)], axis=2)
    size = np.sqrt(np.einsum("qki,qki->qk", s, s))
    length = np.einsum("qki,qki->qk", point, point)
    squared = length[:, :, None] + length[:, None] - 2.0 * point @ point.swapaxes(1, 2)
    return np.maximum(squared, 0.0) / (size[:, :, None] * size[:, None])


def agreement(
    distances: Array, weights: Array, bandwidth: float
) -> tuple[Array, NDArray[np.intp], Array]:
    """``(share (Q, k), medoid (Q,), kernel (Q, k))`` of boxes at these squared distances.

    K(i, j) = exp(−d²(i, j) / 2 bandwidth²); the share of box i is Σⱼ wⱼ K(i, j) / Σⱼ wⱼ with
    ``weights`` w (Q, k), 0 where there is no box. The medoid has the largest share; ``kernel`` is
    its row of K.
    """
    K = np.exp(distances / (-2.0 * bandwidth**2))
    total = np.maximum(weights.sum(axis=1, keepdims=True), NO_WEIGHT)
    share = (K @ weights[..., None])[..., 0] / total
    medoid = np.where(weights > 0.0, share, -1.0).argmax(axis=1)
    return share, medoid, K[np.arange(len(K)), medoid]


def average_boxes(
    boxes: Hypotheses, weights: Array, medoid: NDArray[np.intp]
) -> tuple[Array, Array, Array]:
    """``(rotation (Q, 3, 3), translation (Q, 3), scale (Q, 3))`` weighted by ``weights`` (Q, k).

    Rotations by the chordal mean, those nearer to the medoid after a half turn about their y axis
    so turned; sizes and depths by their logarithms; viewing rays as they are. Where all weights
    are 0 it is the medoid.
    """
    rows = np.arange(len(medoid))
    w = weights.copy()
    w[rows, medoid] = np.maximum(w[rows, medoid], NO_WEIGHT)
    w /= w.sum(axis=1, keepdims=True)
    cosines = np.einsum("qkij,qij->qkj", boxes.rotation, boxes.rotation[rows, medoid])
    turned = cosines[..., 0] + cosines[..., 2] < 0.0
    turn = np.where(turned[..., None, None], HALF_TURN_ABOUT_Y, np.eye(3))
    rotation = chordal_mean(boxes.rotation @ turn, w)
    scale = np.exp(np.einsum("qk,qki->qi", w, np.log(boxes.scale)))
    depth = boxes.translation[..., 2:]
    ray = np.einsum("qk,qki->qi", w, boxes.translation / depth)
    return rotation, ray * np.exp(np.einsum("qk,qki->qi", w, np.log(depth))), scale


def chordal_mean(rotation: Array, weights: Array) -> Array:
    """(Q, 3, 3) the rotations nearest in squared chordal distance to (Q, k, 3, 3) under weights.

    Hartley, Trumpf, Dai & Li 2013, section 5.3: the projection of Σ w R onto SO(3).
    """
    U, _, Vt = np.linalg.svd(np.einsum("qk,qkij->qij", weights, rotation))
    U[..., 2] *= np.sign(np.linalg.det(U @ Vt))[:, None]
    return U @ Vt
