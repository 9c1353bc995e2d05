"""Sequences made ready for training: held-out part, crop cache, the pairs of every epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.cache import CropCache, CropPlan, build_cache
from training.data.pairs import PairSampler, Strategy
from training.data.readers import CLOSED_RING, ReadReport, open_reader
from training.data.records import Sequence, View
from training.errors import DataError
from training.monitor import MonitoredViews
from training.recipes.schema import Recipe

CACHE_SCALE = 1.15
"""Cached crops are this much larger than the network's input, so that a random crop of nearly the
whole still has a pixel for every pixel (ours)."""

_STRATEGIES: dict[str, Strategy] = {
    "nearby": "nearby",
    "distant": "distant",
    "same-frame": "same",
    "triplet": "triplet",
}

Indices = NDArray[np.int64]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Source:
    """A dataset on disk: its root, reader kind (None: by its layout) and split (None: all).

    ``options`` are the reader's own, such as ``fold`` of UCF101.
    """

    root: Path
    kind: str | None = None
    split: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Loaded:
    """The sequences of one source, with what its reader reported."""

    dataset: str
    kind: str
    split: str | None
    sequences: tuple[Sequence, ...]
    report: ReadReport
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Watched:
    """The views the online score looks at: their cache rows and what is known of them."""

    rows: Indices
    views: MonitoredViews


def load_source(source: Source, fps: float) -> Loaded:
    """Read all records of a source at about ``fps`` frames a second. Raises DataError."""
    reader = open_reader(source.root, source.kind, fps=fps, **source.options)
    sequences = tuple(reader.sequences(source.split))
    return Loaded(
        reader.dataset, reader.kind, source.split, sequences, reader.report, source.options
    )


class TrainingData:
    """What a run trains on. ``cache`` holds the crops; ``pairs`` gives cache rows by head;
    ``watched`` is None where nothing is held out.
    """

    def __init__(
        self,
        loaded: Iterable[Loaded],
        recipe: Recipe,
        folder: Path,
        progress: Progress,
        replace: bool = True,
    ) -> None:
        """Cut all crops. DataError without a pair, or over other crops without ``replace``."""
        self._recipe = recipe
        self._loaded = tuple(loaded)
        sequences = [sequence for source in self._loaded for sequence in source.sequences]
        held_out = choose_held_out(len(sequences), recipe.data.heldout, recipe.run.seed)
        self._train = [s for i, s in enumerate(sequences) if i not in held_out]
        self._held_out = [s for i, s in enumerate(sequences) if i in held_out]
        self._samplers = {
            name: PairSampler(
                self._train,
                _STRATEGIES[head.pairing],
                seed=recipe.run.seed,
                delta_s=recipe.data.delta_s,
                negative_s=recipe.data.negative_s,
            )
            for name, head in recipe.heads.items()
        }
        # Windows of a first frame on another are cut before training, so partners are fixed.
        self._drawn = {name: self._partner_sets(name) for name in self._samplers}
        partners = [np.empty((0, 2), np.int64)]
        for name, sampler in self._samplers.items():
            for rows in map(sampler.pairs, range(self._drawn[name])):
                partners += [rows[:, [0, side]] for side in range(1, rows.shape[1])]
        plan, self._base, self._partner = plan_crops(
            [*self._train, *self._held_out],
            np.concatenate(partners),
            round(recipe.network.size * CACHE_SCALE),
            recipe.data.margin,
        )
        self._fingerprint = plan.fingerprint()
        self.cache: CropCache = build_cache(folder, plan, progress, replace=replace)
        self._usable = np.ones(len(self.cache), bool)
        self._usable[list(self.cache.failed)] = False
        for name in self._samplers if recipe.optimise.epochs else ():
            found = len(self.pairs(name, 0))
            if found >= 2:
                continue
            raise DataError(
                f"{len(sequences)} sequences give {found} {recipe.heads[name].pairing} pairs; "
                "at least 2 are needed.",
                "Check the dataset, its split, and data.delta_s of the recipe.",
            )
        self.watched = self._watch(recipe.run.monitored_views)

    def _partner_sets(self, head: str) -> int:
        pairing = self._recipe.heads[head].pairing
        if self._recipe.data.crop == "own" or pairing == "same-frame":
            return 0
        return 1 if pairing == "nearby" else self._recipe.data.partners

    def pairs(self, head: str, epoch: int) -> Indices:
        """(N, 2) cache rows of a head's pairs in this epoch's order; (N, 3) for triplets.

        A function of seed and epoch; ``optimise.pairs_per_epoch`` bounds N.
        """
        sampler, drawn = self._samplers[head], self._drawn[head]
        if drawn:
            views = sampler.pairs(epoch % drawn)
            order = np.random.default_rng((self._recipe.run.seed, 1, epoch))
            views = views[order.permutation(len(views))]
            keys = views[:, :1] * len(self._base) + views[:, 1:]
            at = np.searchsorted(self._partner[0], keys)
            rows = np.hstack([self._base[views[:, :1]], self._partner[1][at]])
        else:
            rows = self._base[sampler.pairs(epoch)]
        return rows[self._usable[rows].all(axis=1)][: self._recipe.optimise.pairs_per_epoch]

    def sample_rows(self, limit: int) -> Indices:
        """Cache rows of at most ``limit`` training views, spread evenly over them."""
        count = sum(len(sequence.views) for sequence in self._train)
        rows = self._base[:count]
        return _spread(rows[self._usable[rows]], limit)

    def steps_per_epoch(self, batch_size: int) -> int:
        """Full batches in an epoch; an epoch smaller than one batch is one step."""
        return max(1, self.pairs_per_epoch // batch_size)

    @cached_property
    def pairs_per_epoch(self) -> int:
        """Pairs a head sees in an epoch: as many as the head with the fewest has."""
        return min(len(self.pairs(name, 0)) for name in self._samplers)

    def describe(self) -> dict[str, Any]:
        """Counts and the fingerprint of the data, for encoder.json; no paths."""
        return {
            "sources": [
                {
                    "dataset": source.dataset,
                    "kind": source.kind,
                    "split": source.split,
                    **source.options,
                    "sequences": len(source.sequences),
                    "views": sum(len(s.views) for s in source.sequences),
                    "skipped": len(source.report.skipped),
                }
                for source in self._loaded
            ],
            "pairs": self.pairs_per_epoch,
            "heldout_sequences": len(self._held_out),
            "crops": len(self.cache),
            "crops_failed": len(self.cache.failed),
            "fingerprint": self._fingerprint,
        }

    def _watch(self, limit: int) -> Watched | None:
        if not self._held_out:
            return None
        count = sum(len(sequence.views) for sequence in self._train)
        pool = [
            _spread(rows[self._usable[self._base[rows]]], limit // 2)
            for rows in (np.arange(count, len(self._base)), np.arange(count))
        ]
        chosen = np.concatenate(pool)
        known = [
            (view.category, view.instance, f"{s.dataset}/{s.id}", place, CLOSED_RING in s.flags)
            for s in (*self._train, *self._held_out)
            for view, place in zip(s.views, _places(s), strict=True)
        ]
        category, instance, sequence, place, ring = zip(*(known[i] for i in chosen), strict=True)
        return Watched(
            rows=self._base[chosen],
            views=MonitoredViews(
                categories=category,
                instances=instance,
                sequences=sequence,
                position=np.array(place),
                closed=np.array(ring),
                is_query=chosen >= count,
            ),
        )


def choose_held_out(sequences: int, share: float, seed: int) -> frozenset[int]:
    """Which sequences are held out: ``share`` of them by seed, at least one of four or more."""
    count = round(sequences * share)
    if share > 0 and sequences >= 4:
        count = max(1, count)
    order = np.random.default_rng((seed, 2)).permutation(sequences)
    return frozenset(order[:count].tolist())


def plan_crops(
    sequences: list[Sequence], partners: Indices, size: int, margin: float
) -> tuple[CropPlan, Indices, tuple[Indices, Indices]]:
    """Lay out the cache: every view with its own box, and partner frames cut by another's box.

    ``partners`` (M, 2) are view indices over all sequences: row (i, j) asks for the frame of j
    cut by the box of i. Gives the plan, the row of every view's own crop, and the sorted keys
    i·V + j with their rows, V being the number of views.
    """
    views = [view for sequence in sequences for view in sequence.views]
    count = len(views)
    keys = np.unique(partners[:, 0] * count + partners[:, 1])
    of_view: dict[int, list[int]] = {}
    for key in keys.tolist():
        of_view.setdefault(key % count, []).append(key // count)
    base = np.empty(count, np.int64)
    partner_row: dict[int, int] = {}
    groups: list[list[View]] = []
    row = index = 0
    for sequence in sequences:
        group: list[View] = []
        for view in sequence.views:
            base[index] = row
            group.append(view)
            row += 1
            for anchor in of_view.get(index, ()):
                if anchor == index:
                    partner_row[anchor * count + index] = int(base[index])
                    continue
                group.append(_windowed(view, views[anchor]))
                partner_row[anchor * count + index] = row
                row += 1
            index += 1
        groups.append(group)
    rows = np.array([partner_row[key] for key in keys.tolist()], np.int64)
    return CropPlan(groups, size, margin), base, (keys, rows)


def _windowed(view: View, first: View) -> View:
    return View(view.image, first.bbox_xyxy, view.instance, view.category, view.frame)


def _places(sequence: Sequence) -> list[float]:
    frames = [view.frame for view in sequence.views]
    first, span = min(frames), max(frames) - min(frames) + 1
    return [(frame - first) / span for frame in frames]


def _spread(rows: Indices, limit: int) -> Indices:
    """At most ``limit`` of ``rows``, evenly spread over them."""
    if len(rows) <= limit:
        return rows
    return rows[np.linspace(0, len(rows) - 1, limit).astype(np.int64)]
