"""Which views of one object are trained on together: near in time, anywhere, the same, triplets.

Pairs are rows of indices into the views of all sequences, one sequence after the other. Views of
one instance in one sequence form a track; all views of a row are of one track.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from training.data.readers.base import CLOSED_RING
from training.data.records import Sequence

Indices = NDArray[np.int64]
Strategy = Literal["nearby", "distant", "same", "triplet"]

PAPER_DELTA_S = 0.2
"""Seconds between nearby views: neighbours at about 5 frames a second (paper)."""


NEGATIVE_S = 0.4
"""Seconds beyond which a view is a negative (released code: more than two kept frames)."""


class PairSampler:
    """Seeded pairs, new ones for every epoch; equal arguments give equal pairs.

    ``nearby``: the second view is the one closest to ``delta_s`` seconds later, at most half the
    track's usual spacing off; the next one where the track is spaced wider than ``delta_s``.
    Without a clock (fps 0) it is the next one in order, where a closed ring goes round.
    Views without such a partner, as at the end of a track, are no anchors (released code).
    ``distant``: the second is drawn uniformly from the whole track, itself included (released
    code). ``same``: both are one view, to be told apart by augmentation alone. ``triplet``: a
    nearby pair either way round, and a third view drawn uniformly from those of the track more
    than ``negative_s`` seconds from the first (steps of ``delta_s`` where there is no clock);
    views without one are no anchors (the released code takes any view after four tries).

    ``sequences`` is read once; only indices are kept.
    """

    def __init__(
        self,
        sequences: Iterable[Sequence],
        strategy: Strategy,
        *,
        seed: int = 0,
        delta_s: float = PAPER_DELTA_S,
        negative_s: float = NEGATIVE_S,
    ) -> None:
        if strategy not in ("nearby", "distant", "same", "triplet"):
            raise ValueError(f"strategy {strategy!r} is none of nearby, distant, same, triplet")
        for name, value in (("delta_s", delta_s), ("negative_s", negative_s)):
            if not value > 0:
                raise ValueError(f"{name} is {value}; it must be above 0")
        self.strategy = strategy
        self.seed = seed
        tracks: list[Indices] = []
        nearby: list[Indices] = []
        far: list[Indices] = []
        first = members = 0
        for sequence in sequences:
            for track in _tracks(sequence):
                tracks.append(track + first)
                pairs = _nearby(sequence, track, delta_s)
                if strategy == "triplet":
                    pairs = np.concatenate([pairs, pairs[:, ::-1]])
                    window = _far(sequence, track, negative_s, delta_s)
                    place = np.searchsorted(track, pairs[:, 0])
                    pairs, place = pairs[window[place, 1] > 0], place[window[place, 1] > 0]
                    spans = np.full((len(place), 2), (members, len(track)))
                    far.append(np.hstack([spans, window[place]]))
                nearby.append(pairs + first)
                members += len(track)
            first += len(sequence.views)
        self.views = first
        self._members = np.concatenate(tracks) if tracks else np.zeros(0, np.int64)
        sizes = np.array([len(track) for track in tracks], dtype=np.int64)
        self._start = np.repeat(np.cumsum(sizes) - sizes, sizes)
        self._size = np.repeat(sizes, sizes)
        self._nearby = np.concatenate(nearby) if nearby else np.zeros((0, 2), np.int64)
        self._far = np.concatenate(far) if far else np.zeros((0, 4), np.int64)

    def __len__(self) -> int:
        """Pairs, or triplets, an epoch."""
        near = self.strategy in ("nearby", "triplet")
        return len(self._nearby if near else self._members)

    def pairs(self, epoch: int) -> Indices:
        """(N, 2) view indices in this epoch's shuffled order; (N, 3) for triplets."""
        random = np.random.default_rng((self.seed, epoch))
        if self.strategy == "nearby":
            pairs = self._nearby
        elif self.strategy == "triplet":
            start, size, after, count = self._far.T
            drawn = (after + random.integers(0, count)) % size if len(count) else count
            pairs = np.column_stack([self._nearby, self._members[start + drawn]])
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


def _far(sequence: Sequence, track: Indices, negative_s: float, step_s: float) -> Indices:
    """(n, 2): for each view of the track the place after those near it, and how many are far.

    The far ones follow each other from that place on, going round the end of the track.
    """
    count = len(track)
    if sequence.fps <= 0 and CLOSED_RING in sequence.flags:
        reach = math.floor(negative_s / step_s + 1e-9)
        after = (np.arange(count) + reach + 1) % count
        return np.stack([after, np.full(count, max(0, count - 2 * reach - 1))], axis=1)
    time = np.arange(count) * step_s
    if sequence.fps > 0:
        time = np.array([sequence.views[index].frame for index in track]) / sequence.fps
    first = np.searchsorted(time, time - negative_s - 1e-9, side="left")
    after = np.searchsorted(time, time + negative_s + 1e-9, side="right")
    return np.stack([after, count - (after - first)], axis=1)
