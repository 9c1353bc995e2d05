"""The boxes of many neighbours pooled into one, for Q queries at once. Ours.

An evaluation pools thousands of queries in one call, a server one; docs/consensus.md has the
formulas.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from index.geometry.agreement import (
    NO_WEIGHT,
    QUARTER_TURNS,
    XZ_SWAPPED,
    Hypotheses,
    average_boxes,
    concentrations,
    fill_scores,
    quarter_turns,
    spreads,
    spreads_about_y,
    squared_distances,
    turns_about_y,
)
from training.data.records import Array

SMALLEST_FILL: Final = 0.01
"""Fill scores below count as this, so that a query's weights are never all 0."""


@dataclass(frozen=True, slots=True)
class PoolingSettings:
    """How neighbours are weighed; all defaults are ours, chosen on rendered sequences.

    ``neighbours`` are asked. One of similarity s and fill score f weighs
    exp((s − best s) / ``temperature``) · f^``fill_power``. Boxes agree as far as
    exp(−d² / 2 ``bandwidth``²) says; above ``member_above`` a box is a member.
    The turn about y is settled where its concentration is at least ``settled_above``, spread where
    it is below ``spread_below``.
    """

    neighbours: int = 20
    temperature: float = 0.1
    fill_power: float = 10.0
    bandwidth: float = 0.15
    member_above: float = 0.5
    settled_above: float = 0.8
    spread_below: float = 0.6
    least_members: int = 4


DEFAULTS: Final = PoolingSettings()

FEATURES: Final = (
    "agreement",
    "rival",
    "members",
    "fill",
    "members_fill",
    "best_similarity",
    "members_similarity",
    "similarity_range",
    "thinness",
    "elevation",
)
"""What a confidence is computed from, see ``Pooled.features``."""

NO_SYMMETRY: Final = 1
ANY_TURN: Final = 0


@dataclass(frozen=True, slots=True, eq=False)
class Pooled:
    """The answers to Q queries.

    ``rotation`` (Q, 3, 3), ``translation`` and ``scale`` (Q, 3) metres; ``ok`` (Q,) whether there
    is a box; ``agreement`` (Q,) the share of the weight that agrees with it and ``rival`` (Q,) that
    of the best box among the rest; ``members`` (Q, k); ``fold`` (Q,) NO_SYMMETRY, n, or ANY_TURN;
    ``features`` (Q, 10), columns as FEATURES: the two shares, the mean kernel over the boxes, the
    fill scores of the answer and of its members, the best similarity, that of the members, the
    best less the worst, log(shortest / longest side), and |cos| between y axis and viewing ray.
    """

    rotation: Array
    translation: Array
    scale: Array
    ok: NDArray[np.bool_]
    agreement: Array
    rival: Array
    members: NDArray[np.bool_]
    fold: NDArray[np.int64]
    features: Array

    @classmethod
    def joined(cls, parts: list[Pooled]) -> Pooled:
        """The queries of all parts, at least one, in turn."""
        return cls(
            *(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__slots__)
        )


def pool(
    boxes: Hypotheses,
    similarity: Array,
    bbox_xyxy: Array,
    K: Array,
    image_size: Array,
    settings: PoolingSettings = DEFAULTS,
) -> Pooled:
    """The consensus of each query's boxes.

    ``similarity`` (Q, k); ``bbox_xyxy`` (Q, 4) pixels, ``K`` (Q, 3, 3) and ``image_size`` (Q, 2)
    are the queries'.
    """
    rows = np.arange(len(boxes.ok))
    fill = fill_scores(boxes.rotation, boxes.translation, boxes.scale, bbox_xyxy, K, image_size)
    best = np.where(boxes.ok, similarity, -1.0).max(axis=1)
    likeness = np.exp(np.where(boxes.ok, similarity - best[:, None], 0.0) / settings.temperature)
    likeness = _shares(likeness * boxes.ok)
    weights = _shares(likeness * np.maximum(fill, SMALLEST_FILL) ** settings.fill_power)
    apart = squared_distances(boxes.translation, spreads(boxes.rotation, boxes.scale), boxes.scale)
    kernel = np.exp(apart / (-2.0 * settings.bandwidth**2))
    share = (kernel @ weights[..., None])[..., 0]
    medoid = np.where(boxes.ok, share, -1.0).argmax(axis=1)
    near = kernel[rows, medoid]
    rival = (kernel @ (weights * (1.0 - near))[..., None])[..., 0].max(axis=1)

    pooled = _normalised(weights * near, medoid)
    turns = quarter_turns(boxes, medoid)
    rotation, translation, scale = average_boxes(boxes, pooled, turns)
    rotation, scale = _most_voted_front(rotation, scale, turns, pooled)

    answer_fill = fill_scores(
        rotation[:, None], translation[:, None], scale[:, None], bbox_xyxy, K, image_size
    )
    count = np.maximum(boxes.ok.sum(axis=1), 1)
    ray = translation / np.sqrt(np.einsum("qi,qi->q", translation, translation))[:, None]
    features = np.stack(
        [
            share[rows, medoid],
            rival,
            (near * boxes.ok).sum(axis=1) / count,
            answer_fill[:, 0],
            np.einsum("qk,qk->q", pooled, fill),
            best,
            np.einsum("qk,qk->q", pooled, similarity),
            best - np.where(boxes.ok, similarity, 1.0).min(axis=1),
            np.log(scale.min(axis=1) / scale.max(axis=1)),
            np.abs(np.einsum("qi,qi->q", ray, rotation[..., 1])),
        ],
        axis=1,
    )
    return Pooled(
        rotation=rotation,
        translation=translation,
        scale=scale,
        ok=np.asarray(boxes.ok.any(axis=1)),
        agreement=share[rows, medoid],
        rival=rival,
        members=(near > settings.member_above) & boxes.ok,
        # Not weighed by fill: of a round thing's boxes some turns fill the crop better.
        fold=_fold(boxes, likeness, medoid, settings),
        features=features,
    )


def _shares(weights: Array) -> Array:
    """(Q, k) summing to 1; all 0 where they were."""
    return np.asarray(weights / np.maximum(weights.sum(axis=1, keepdims=True), NO_WEIGHT))


def _normalised(weights: Array, medoid: NDArray[np.intp]) -> Array:
    """(Q, k) weights summing to 1; all on the medoid where there are none."""
    weights[np.arange(len(medoid)), medoid] += NO_WEIGHT
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _most_voted_front(
    rotation: Array, scale: Array, turns: NDArray[np.intp], weights: Array
) -> tuple[Array, Array]:
    """The same boxes, their axes named as most of the weight names them."""
    votes = np.einsum("qk,qkn->qn", weights, turns[..., None] == np.arange(4))
    back = -votes.argmax(axis=1) % 4
    swapped = np.where((back % 2 == 1)[:, None], scale[:, XZ_SWAPPED], scale)
    return rotation @ QUARTER_TURNS[back], swapped


def _fold(
    boxes: Hypotheses, likeness: Array, medoid: NDArray[np.intp], settings: PoolingSettings
) -> NDArray[np.int64]:
    """(Q,) in which the boxes that agree but for their turn about y differ in that turn."""
    rows = np.arange(len(medoid))
    apart = squared_distances(
        boxes.translation, spreads_about_y(boxes.rotation, boxes.scale), boxes.scale
    )[rows, medoid]
    alike = np.exp(apart / (-2.0 * settings.bandwidth**2))
    w = _normalised(likeness * alike, medoid)
    one, two, four = concentrations(turns_about_y(boxes, medoid), w, (1, 2, 4)).T
    # 1 / Σ w² is how many members there were if all weighed the same.
    enough = np.einsum("qk,qk->q", w, w) <= 1.0 / settings.least_members
    enough &= (alike * likeness).sum(axis=1) > settings.member_above
    settled, spread = settings.settled_above, settings.spread_below
    fold = np.full(len(w), NO_SYMMETRY)
    open_ = enough & (one < spread)
    fold[open_ & (two >= settled)] = 2
    open_ &= two < spread
    fold[open_ & (four >= settled)] = 4
    fold[open_ & (four < spread)] = ANY_TURN
    return fold
