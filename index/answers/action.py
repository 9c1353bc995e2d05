"""Which action a clip shows: its frames' neighbours vote over categories.

Every frame has one vote, which its k nearest views share by their similarity s (the weighted
nearest neighbours of Wu et al. 2018, "Unsupervised Feature Learning via Non-Parametric Instance
Discrimination", with their temperature τ = 0.07; one vote a frame is ours):

    share of category c in frame f:  v_f(c) = Σ exp(s/τ) over its neighbours of c
                                              / Σ exp(s/τ) over all its neighbours
    share of category c in the clip: mean over the frames of v_f(c)

Shares add up to 1. They say how the neighbours vote, not how likely the answer is right.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from index.filters import NO_FILTERS, Filters
from index.gallery import Gallery, Neighbour
from index.stopwatch import Stopwatch
from training.errors import QueryError

Floats = NDArray[np.float64]

TEMPERATURE = 0.07


@dataclass(frozen=True, slots=True)
class ActionShare:
    """A category's ``share`` of the vote, in (0, 1]; ``frames`` is how many of the frames have it
    as their own answer."""

    category: str
    share: float
    frames: int


@dataclass(frozen=True, slots=True, eq=False)
class FrameVote:
    """One frame's own answer: the category with the largest ``share`` of its vote.

    ``neighbours`` best first; None and 0 where the filters leave no view.
    """

    category: str | None
    share: float
    neighbours: tuple[Neighbour, ...]


@dataclass(frozen=True, slots=True, eq=False)
class ClipMatch:
    """A sequence of the gallery among the neighbours; ``share`` is its views' share of the vote.

    ``frames`` of the query have a neighbour in it, ``best`` is the nearest of those. ``in_order``
    is the share of steps from one such frame to the next in which the nearest view of the sequence
    does not go back in time; None where there are fewer than two. It tells something only where
    the frames of the query were given in order of time.
    """

    share: float
    frames: int
    best: Neighbour
    in_order: float | None


@dataclass(frozen=True, slots=True, eq=False)
class ActionAnswer:
    """Categories by their share of the vote, the frames in the order given, the nearest clips.

    ``note`` says where another head than the one wanted answered.
    """

    actions: tuple[ActionShare, ...]
    frames: tuple[FrameVote, ...]
    clips: tuple[ClipMatch, ...]
    head: str
    note: str | None

    @property
    def best(self) -> ActionShare | None:
        """The category with the largest share; None where no frame has a neighbour."""
        return self.actions[0] if self.actions else None


def answer_action(
    gallery: Gallery,
    embeddings: NDArray[np.float32],
    k: int = 10,
    filters: Filters = NO_FILTERS,
    head: str = "pose",
    clips: int = 5,
    watch: Stopwatch | None = None,
) -> ActionAnswer:
    """The vote of the ``k`` nearest views of every frame, and the ``clips`` nearest sequences.

    ``embeddings`` (F, dim) float32 are the frames', in order of time, made by the head that
    ``gallery.resolve_head(head)`` names. ``watch`` gets the stages search and fetch. Raises
    QueryError without a frame or for a k below 1.
    """
    if len(embeddings) == 0:
        raise QueryError("The clip has no frames.", "Give at least one.")
    head, note = gallery.resolve_head(head)
    found = gallery.search(embeddings, head, k, filters, watch)
    weights = [neighbour_weights([n.similarity for n in frame]) for frame in found]
    names = sorted({n.view.category for frame in found for n in frame})
    votes = np.zeros((len(found), len(names)))
    for vote, frame, weight in zip(votes, found, weights, strict=True):
        np.add.at(vote, [names.index(n.view.category) for n in frame], weight)
    return ActionAnswer(
        actions=_actions(names, votes),
        frames=tuple(
            _frame_vote(names, vote, frame) for vote, frame in zip(votes, found, strict=True)
        ),
        clips=_clips(found, weights)[:clips],
        head=head,
        note=note,
    )


def neighbour_weights(similarity: list[float] | NDArray[np.floating]) -> Floats:
    """(..., k) similarities to the weights exp(s/τ) / Σ exp(s/τ) over the last axis."""
    scaled = np.asarray(similarity, np.float64) / TEMPERATURE
    if not scaled.size:
        return scaled
    weights: Floats = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def _actions(names: list[str], votes: Floats) -> tuple[ActionShare, ...]:
    own = votes.argmax(axis=1) if names else np.zeros(0, np.int64)
    shares = [
        ActionShare(name, float(share), int((own == i).sum()))
        for i, (name, share) in enumerate(zip(names, votes.mean(axis=0), strict=True))
    ]
    return tuple(sorted(shares, key=lambda action: (-action.share, action.category)))


def _frame_vote(names: list[str], vote: Floats, neighbours: list[Neighbour]) -> FrameVote:
    if not neighbours:
        return FrameVote(None, 0.0, ())
    best = int(vote.argmax())
    return FrameVote(names[best], float(vote[best]), tuple(neighbours))


def _clips(found: list[list[Neighbour]], weights: list[Floats]) -> tuple[ClipMatch, ...]:
    """Every sequence among the neighbours, by its share of the vote."""
    share: dict[tuple[str, str], float] = defaultdict(float)
    nearest: dict[tuple[str, str], dict[int, Neighbour]] = defaultdict(dict)
    for number, (frame, weight) in enumerate(zip(found, weights, strict=True)):
        for neighbour, part in zip(frame, weight, strict=True):
            name = (neighbour.view.dataset, neighbour.view.sequence)
            share[name] += float(part) / len(found)
            nearest[name].setdefault(number, neighbour)  # the first is the best
    matches = [
        ClipMatch(
            share=share[name],
            frames=len(frames),
            best=max(frames.values(), key=lambda neighbour: neighbour.similarity),
            in_order=_in_order([neighbour.view.frame for neighbour in frames.values()]),
        )
        for name, frames in nearest.items()
    ]
    return tuple(sorted(matches, key=lambda match: -match.share))


def _in_order(frames: list[int]) -> float | None:
    steps = np.diff(frames)
    return float((steps >= 0).mean()) if len(steps) else None
