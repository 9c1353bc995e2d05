"""Which two views of one object make a training pair: near in time, anywhere, or the same.

Pairs are rows of indices into the views of all sequences, one sequence after the other. Views of
one instance in one sequence form a track; both views of a pair are of one track.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from training.data.readers.base import CLOSED_RING
from training.data.records import Sequence

Indices = NDArray[np.int64]
Strategy = Literal["nearby", "distant", "same"]

PAPER_DELTA_S = 0.2
"""Seconds between nearby views: neighbours at about 5 frames a second (paper)."""


class PairSampler:
    """Seeded pairs, new ones for every epoch; equal arguments give equal pairs.

    ``nearby``: the second view is the one closest to ``delta_s`` seconds later, at most half the
    track's usual spacing off; the next one where the track is spaced wider than ``delta_s``.
    Without a clock (fps 0) it is the next one in order, where a closed ring goes round.
    Views without such a partner, as at the end of a track, are no anchors (released code).
    ``distant``: the second is drawn uniformly from the whole track, itself included (released
    code). ``same``: both are one view, to be told apart by augmentation alone.

    ``sequences`` is read once; only indices are kept.
    """

    def __init__(
        self,
        sequences: Iterable[Sequence],
        strategy: Strategy,
        *,
        seed: int = 0,
        delta_s: float = PAPER_DELTA_S,
    ) -> None:
        if strategy not in ("nearby", "distant", "same"):
            raise ValueError(f"strategy {strategy!r} is none of nearby, distant, same")
        if not delta_s > 0:
            raise ValueError(f"delta_s is {delta_s}; it must be above 0")
        self.strategy = strategy
        self.seed = seed
        tracks: list[Indices] = []
        nearby: list[Indices] = []
        first = 0
        for sequence in sequences:
            for track in _tracks(sequence):
                tracks.append(track + first)
                nearby.append(_nearby(sequence, track, delta_s) + first)
            first += len(sequence.views)
        self.views = first
        self._members = np.concatenate(tracks) if tracks else np.zeros(0, np.int64)
        sizes = np.array([len(track) for track in tracks], dtype=np.int64)
        self._start = np.repeat(np.cumsum(sizes) - sizes, sizes)
        self._size = np.repeat(sizes, sizes)
        self._nearby = np.concatenate(nearby) if nearby else np.zeros((0, 2), np.int64)

    def __len__(self) -> int:
        """Pairs an epoch."""
        return len(self._nearby if self.strategy == "nearby" else self._members)

    def pairs(self, epoch: int) -> Indices:
        """(N, 2) view indices in this epoch's shuffled order."""
        random = np.random.default_rng((self.seed, epoch))
        if self.strategy == "nearby":
            pairs = self._nearby
        elif self.strategy == "same":
            pairs = np.stack([self._members, self._members], axis=1)
        else:
            drawn = self._start + random.integers(0, np.maximum(self._size, 1))
            pairs = np.stack([self._members, self._members[drawn]], axis=1)
        return pairs[random.permutation(len(pairs))]


def _tracks(sequence: Sequence) -> list[Indices]:
    """Per instance, in order of first appearance, the indices of its views in order."""
    tracks: dict[str, list[int]] = {}
    for index, view in enumerate(sequence.views):
        tracks.setdefault(view.instance, []).append(index)
    return [np.array(track, dtype=np.int64) for track in tracks.values()]


def _nearby(sequence: Sequence, track: Indices, delta_s: float) -> Indices:
    """(M, 2) neighbouring views of ``track``, as indices into the sequence's views."""
    frames = np.array([sequence.views[index].frame for index in track], dtype=np.float64)
    if sequence.fps <= 0:
        following = np.roll(track, -1)
        pairs = np.stack([track, following], axis=1)
        closed = CLOSED_RING in sequence.flags and len(track) > 2
        return pairs if closed else pairs[:-1]
    if len(frames) < 2:
        return np.zeros((0, 2), np.int64)
    spacing = float(np.median(np.diff(frames)))
    wanted = frames + max(delta_s * sequence.fps, spacing)
    after = np.clip(np.searchsorted(frames, wanted), 1, len(frames) - 1)
    before = after - 1
    partner = np.where(wanted - frames[before] <= frames[after] - wanted, before, after)
    keep = (frames[partner] > frames) & (np.abs(frames[partner] - wanted) <= spacing / 2 + 1e-9)
    return np.stack([track[keep], track[partner[keep]]], axis=1)
