"""What a build will do: which sequences, in which order, in which shards; and its hash.

The hash covers the annotations, the size and time of every image file, the encoder and the
options, so that shards of an earlier build are used again only if nothing changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from index.manifest import Options, Skipped
from index.store.stored_view import fingerprint, sequence_row, view_id, view_key, view_row
from training.data.images import file_states
from training.data.readers import ReadReport, subsample
from training.data.records import Sequence, View
from training.errors import GalleryError

SHARD_FORMAT = 2
SHARD_VIEWS = 256
"""A shard is closed when it holds this many views: what a killed build loses at most, nearly."""


class Source(Protocol):
    """A reader of ``training.data.readers``."""

    @property
    def root(self) -> Path:
        """The folder or file that is read."""
        ...

    @property
    def report(self) -> ReadReport:
        """What was skipped, complete once ``sequences`` is exhausted."""
        ...

    @property
    def dataset(self) -> str:
        """The dataset named in every record."""
        ...

    def sequences(self, split: str | None = None) -> Iterator[Sequence]:
        """The readable sequences."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """``sequences`` thinned and in row order; ``shards`` are runs of positions in them."""

    sequences: tuple[Sequence, ...]
    shards: tuple[range, ...]
    digest: str
    skipped: tuple[Skipped, ...]
    notes: tuple[str, ...]
    roots: tuple[str, ...]

    @property
    def views(self) -> int:
        """Number of views planned."""
        return sum(len(sequence.views) for sequence in self.sequences)

    def view_id(self, position: int, number: int) -> int:
        """The identity of view ``number`` of the sequence at ``position``."""
        sequence = self.sequences[position]
        view = sequence.views[number]
        return view_id(sequence.dataset, sequence.id, view.frame, view.instance)


def make_plan(sources: Iterable[Source], encoder_identity: str, options: Options) -> Plan:
    """Read all annotations and plan the build.

    Raises GalleryError where two sources give one sequence or two views share an id, and
    DataError from a reader that finds nothing.
    """
    sequences: list[Sequence] = []
    skipped: list[Skipped] = []
    notes: list[str] = []
    roots: list[str] = []
    identities = _Identities()
    parts: list[object] = [SHARD_FORMAT, SHARD_VIEWS, encoder_identity, options.model_dump()]
    for source in sources:
        roots.append(str(source.root))
        for sequence in source.sequences(options.split):
            thinned = _thinned(sequence, options)
            twice = identities.repeated(thinned)
            if twice is not None:
                reason = f"frame {twice.frame} shows instance {twice.instance!r} twice"
                skipped.append(_skip(source, sequence.id, reason))
                continue
            sequences.append(thinned)
            parts.append(_digest(thinned))
        skipped += [_skip(source, item.sequence, item.reason) for item in source.report.skipped]
        notes += [relative(note, source.root) for note in source.report.notes]
    if not sequences:
        first = f" The first reason: {skipped[0].reason}" if skipped else ""
        raise GalleryError(
            f"No sequence of {', '.join(roots)} can be used.{first}",
            "Correct the data, or check --reader and --split.",
        )
    return Plan(
        tuple(sequences),
        tuple(_shards(sequences)),
        fingerprint(parts),
        tuple(skipped),
        tuple(notes),
        tuple(roots),
    )


class _Identities:
    """Finds views and sequences that claim one identity."""

    def __init__(self) -> None:
        self._views: dict[int, tuple[str, str, int, str]] = {}
        self._sequences: set[tuple[str, str]] = set()

    def repeated(self, sequence: Sequence) -> View | None:
        """A view that occurs twice in the sequence, or None."""
        name = (sequence.dataset, sequence.id)
        if name in self._sequences:
            raise GalleryError(
                f"Sequence {sequence.id!r} of dataset {sequence.dataset!r} comes twice.",
                "Give one of the two sources its own name with --dataset.",
            )
        self._sequences.add(name)
        seen: set[tuple[int, str]] = set()
        for view in sequence.views:
            if (view.frame, view.instance) in seen:
                return view
            seen.add((view.frame, view.instance))
        for view in sequence.views:
            identity = view_id(*name, view.frame, view.instance)
            key = (*name, view.frame, view.instance)
            if self._views.setdefault(identity, key) != key:
                raise GalleryError(
                    f"Two different views share the id {view_key(identity)}: {key} and "
                    f"{self._views[identity]}.",
                    "Rename one of the two sequences or instances.",
                )
        return None


def _thinned(sequence: Sequence, options: Options) -> Sequence:
    if options.fps is not None:
        sequence = subsample(sequence, options.fps)
    if options.stride > 1:
        frames = sorted({view.frame for view in sequence.views})
        kept = set(frames[:: options.stride])
        views = tuple(view for view in sequence.views if view.frame in kept)
        sequence = replace(sequence, views=views)
    return sequence


def _digest(sequence: Sequence) -> str:
    rows = [view_row(sequence, view, 0, 0) for view in sequence.views]
    return fingerprint([sequence_row(sequence), rows, file_states(sequence.views)])


def _shards(sequences: list[Sequence]) -> Iterator[range]:
    start = views = 0
    for position, sequence in enumerate(sequences):
        views += len(sequence.views)
        if views >= SHARD_VIEWS or position == len(sequences) - 1:
            yield range(start, position + 1)
            start, views = position + 1, 0


def _skip(source: Source, sequence: str, reason: str) -> Skipped:
    return Skipped(
        dataset=source.dataset,
        sequence=sequence,
        views=None,
        reason=relative(reason, source.root),
    )


def relative(text: str, root: Path) -> str:
    """``text`` without the root's path: a manifest must not depend on where its data lay."""
    for path in (root, root.resolve()):
        text = text.replace(f"{path}/", "").replace(str(path), root.name)
    return text
