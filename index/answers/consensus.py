"""One box from many neighbours: what most of them agree on, how sure it is, and when not to say.

Arrays of Q queries at once, so that an evaluation asks thousands and a server one. Ours;
docs/consensus.md has the formulas.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from index.answers.fitted_box import FittedBox
from index.geometry.agreement import (
    Hypotheses,
    agreement,
    average_boxes,
    fill_scores,
    squared_distances,
)
from training.data.records import Array, Camera


@dataclass(frozen=True, slots=True)
class ConsensusSettings:
    """How neighbours are weighed; all defaults are ours, chosen on rendered sequences.

    ``neighbours`` are asked; one of similarity s and fill score f weighs
    exp((s − best s) / ``temperature``) · f^``fill_power``; boxes agree within ``bandwidth`` (a
    share of their size); a neighbour whose agreement with the answer is above
    ``member_kernel`` is a member. Below a confidence (or, without a calibration, an agreement) of
    ``abstain_below`` there is no answer.
    """

    neighbours: int = 20
    temperature: float = 0.1
    fill_power: float = 6.0
    bandwidth: float = 0.15
    member_kernel: float = 0.5
    abstain_below: float = 0.2


DEFAULTS = ConsensusSettings()

NO_BOX = "No neighbour gave a box; each says why."


@dataclass(frozen=True, slots=True)
class Symmetry:
    """The members agree on all but the turn about the box's ``axis``.

    ``fold`` n: it looks alike after each n-th of a full turn; None: after any turn. ``note`` is a
    full sentence.
    """

    axis: str
    fold: int | None
    note: str


@dataclass(frozen=True, slots=True, eq=False)
class Consensus:
    """What the neighbours say together.

    ``box`` is the answer, None where it abstains or nothing was fitted; ``hypothesis`` is what it
    would have answered. ``confidence`` is the calibrated probability that its 3-D IoU is above
    0.5, None where the index version holds no calibration. ``agreement`` is the share in [0, 1]
    of the neighbours' weight that agrees; ``members`` are the positions, best first, of
    those that do among the answer's neighbours.
    ``symmetry`` is None where the members agree on the turn too. ``reason`` says in a full
    sentence why it abstains.
    """

    box: FittedBox | None
    hypothesis: FittedBox | None
    confidence: float | None
    agreement: float
    members: tuple[int, ...]
    symmetry: Symmetry | None
    reason: str | None


@dataclass(frozen=True, slots=True, eq=False)
class Consensuses:
    """The answers to Q queries: ``rotation`` (Q, 3, 3), ``translation`` and ``scale`` (Q, 3);
    ``ok`` (Q,) whether there is a box; ``agreement`` (Q,); ``members`` (Q, k)."""

    rotation: Array
    translation: Array
    scale: Array
    ok: NDArray[np.bool_]
    agreement: Array
    members: NDArray[np.bool_]


def find_consensus(
    boxes: Hypotheses,
    similarity: Array,
    bbox_xyxy: Array,
    K: Array,
    image_size: Array,
    settings: ConsensusSettings = DEFAULTS,
) -> Consensuses:
    """The consensus of each query's boxes.

    ``similarity`` (Q, k), best first; ``bbox_xyxy`` (Q, 4) pixels, ``K`` (Q, 3, 3) and
    ``image_size`` (Q, 2) are the queries'.
    """
    fill = fill_scores(boxes, bbox_xyxy, K, image_size)
    weights = np.exp((similarity - similarity[:, :1]) / settings.temperature)
    weights = weights * fill**settings.fill_power * boxes.ok
    share, medoid, kernel = agreement(squared_distances(boxes), weights, settings.bandwidth)
    rows = np.arange(len(medoid))
    rotation, translation, scale = average_boxes(boxes, weights * kernel, medoid)
    return Consensuses(
        rotation,
        translation,
        scale,
        np.asarray(boxes.ok.any(axis=1)),
        share[rows, medoid],
        (kernel > settings.member_kernel) & boxes.ok,
    )


def answer_consensus(
    fitted: list[FittedBox | None],
    similarity: Array,
    bbox_xyxy: Array,
    camera: Camera,
    settings: ConsensusSettings = DEFAULTS,
) -> Consensus:
    """The consensus of one query's ``fitted`` boxes, of neighbours with ``similarity`` (k,)."""
    found = [box for box in fitted if box is not None]
    if not found:
        return Consensus(None, None, None, 0.0, (), None, NO_BOX)
    filler = found[0]
    filled = [filler if box is None else box for box in fitted]
    boxes = Hypotheses.of(
        np.array([[box.rotation for box in filled]]),
        np.array([[box.translation for box in filled]]),
        np.array([[box.scale for box in filled]]),
        np.array([[box is not None for box in fitted]]),
    )
    size = np.array([[camera.width, camera.height]], dtype=np.float64)
    answer = find_consensus(
        boxes, similarity[None], bbox_xyxy[None], camera.matrix[None], size, settings
    )
    box = FittedBox.seen_by(camera, answer.rotation[0], answer.translation[0], answer.scale[0])
    share = float(answer.agreement[0])
    reason: str | None = None
    if share < settings.abstain_below:
        reason = (
            f"The neighbours disagree: {share:.0%} of their weight agrees with the best box, less "
            f"than {settings.abstain_below:.0%}."
        )
    members = tuple(np.flatnonzero(answer.members[0]).tolist())
    return Consensus(None if reason else box, box, None, share, members, None, reason)
