"""One box from many neighbours: what most of them agree on, how sure it is, and when not to say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from index.answers.fitted_box import FittedBox
from index.answers.pooling import ANY_TURN, NO_SYMMETRY, Pooled
from index.confidence import Calibration
from training.data.records import Array

ABSTAIN_BELOW: Final = 0.2
"""Calibrated confidence below which there is no answer unless told otherwise (ours): without a
plane, one in eight of such answers on the sequences it was chosen on would have been right. Without
a calibration the agreement is held to it."""

SPLIT_ABOVE: Final = 0.8
"""A rival box with this much of the answer's agreement makes the neighbours split (ours)."""

NO_BOX: Final = "No neighbour gave a box; each says why."


@dataclass(frozen=True, slots=True)
class Symmetry:
    """The members agree on all but the turn about the box's ``axis``.

    ``fold`` n: turns by a multiple of 360° / n; None: by any angle. ``note`` is a full sentence.
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
    of the neighbours' weight that agrees; ``members`` are the positions, best first, of those that
    do. ``symmetry`` is None where the members agree on the turn too. ``reason`` says in a full
    sentence why it abstains.
    """

    box: FittedBox | None
    hypothesis: FittedBox | None
    confidence: float | None
    agreement: float
    members: tuple[int, ...]
    symmetry: Symmetry | None
    reason: str | None


NOTHING: Final = Consensus(None, None, None, 0.0, (), None, NO_BOX)


def answer_consensus(
    pooled: Pooled,
    K: Array,
    calibration: Calibration | None,
    abstain_below: float = ABSTAIN_BELOW,
) -> list[Consensus]:
    """The consensus of each of the Q queries that were pooled, seen by the cameras K (Q, 3, 3)."""
    boxes = FittedBox.all_seen_by(K, pooled.rotation, pooled.translation, pooled.scale)
    sure: list[float] | list[None] = [None] * len(boxes)
    if calibration is not None:
        sure = calibration.probability(pooled.features).tolist()
    return [
        _consensus_of(pooled, row, box, confidence, abstain_below)
        for row, (box, confidence) in enumerate(zip(boxes, sure, strict=True))
    ]


def _consensus_of(
    pooled: Pooled, row: int, box: FittedBox, confidence: float | None, abstain_below: float
) -> Consensus:
    if not pooled.ok[row]:
        return NOTHING
    agreement, rival = float(pooled.agreement[row]), float(pooled.rival[row])
    reason = _reason(confidence, agreement, rival, abstain_below)
    return Consensus(
        box=box if reason is None else None,
        hypothesis=box,
        confidence=confidence,
        agreement=min(agreement, 1.0),
        members=tuple(np.flatnonzero(pooled.members[row]).tolist()),
        symmetry=_symmetry(int(pooled.fold[row])),
        reason=reason,
    )


def abstains(pooled: Pooled, confidence: Array | None) -> NDArray[np.bool_]:
    """(Q,) bool: queries that get no answer; ``confidence`` (Q,) None without a calibration."""
    sure = pooled.agreement if confidence is None else confidence
    split = pooled.rival >= SPLIT_ABOVE * pooled.agreement
    return np.asarray(~pooled.ok | split | (sure < ABSTAIN_BELOW))


def _reason(
    confidence: float | None, agreement: float, rival: float, abstain_below: float
) -> str | None:
    if rival >= SPLIT_ABOVE * agreement:
        return (
            f"The neighbours are split: {agreement:.0%} of their weight agrees on one box, "
            f"{rival:.0%} on another."
        )
    if confidence is None and agreement < abstain_below:
        return (
            f"The neighbours disagree: {agreement:.0%} of their weight agrees with the best box, "
            f"less than {abstain_below:.0%}."
        )
    if confidence is not None and confidence < abstain_below:
        return (
            f"Too unsure: {agreement:.0%} of the neighbours' weight agrees with the best box, and "
            f"such a box is right with a probability of {confidence:.0%}, less than "
            f"{abstain_below:.0%}."
        )
    return None


def _symmetry(fold: int) -> Symmetry | None:
    if fold == NO_SYMMETRY:
        return None
    if fold == ANY_TURN:
        note = (
            "The neighbours agree on all but the turn about the vertical axis, which may be any: "
            "the rotation is one of many."
        )
        return Symmetry("y", None, note)
    note = (
        f"The neighbours agree up to turns by {360 // fold}° about the vertical axis: the rotation "
        f"is one of {fold}."
    )
    return Symmetry("y", fold, note)
