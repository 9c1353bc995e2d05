"""An opened index version and what was enrolled since: crop embeddings in, annotated views out."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from index.canary import check_canary
from index.filters import NO_FILTERS, Filters
from index.home import Home
from index.manifest import Counts
from index.opening import OpenedVersion, open_version
from index.part import Part, best_of, count_rows, gather
from index.stopwatch import Stopwatch
from index.store.database import reading
from index.store.enrolled import changes_after, enrolled_rows
from index.store.published import published_thumbnail, published_view
from index.store.stored_view import StoredView
from index.store.view_cache import ViewCache
from training.errors import GalleryError, QueryError

FALLBACK = {"identity": "pose", "pose": "identity"}


@dataclass(frozen=True, slots=True, eq=False)
class Neighbour:
    """One view of the gallery and its cosine similarity to the query, in [−1, 1]."""

    similarity: float
    view: StoredView

    @property
    def view_id(self) -> int:
        """The view's 63-bit id."""
        return self.view.id


class Gallery:
    """One version of an index, read into memory, and the views enrolled into the index since.

    Safe for any number of threads. ``confidence`` calibrates its answers, None where the version
    cannot. It keeps answering after another version was promoted or this one was dropped, and
    never with a view that was erased. Rows are counted through the snapshot and on through what
    was enrolled; a row always stays the same view's.
    """

    def __init__(self, home: Home, opened: OpenedVersion) -> None:
        self.home = home
        self.manifest = opened.manifest
        self.name = opened.manifest.name
        self.version = opened.manifest.version
        self.heads = {head: stored.dim for head, stored in opened.manifest.heads.items()}
        self.confidence = opened.confidence
        self._parts: tuple[Part, Part] = (opened.snapshot, opened.tail)
        self._growing = opened.growing
        self._seen = opened.seen
        self._following = threading.Lock()
        self._read = ViewCache()

    @classmethod
    def open(
        cls, home: Home, name: str, version: str | None = None, threads: int | None = None
    ) -> Gallery:
        """Open a version of an index, the current one by default.

        Checks every file against the manifest first. ``threads`` bounds the cores one search
        uses. Raises GalleryError if the index is unknown, damaged or differs from the database.
        """
        return cls(home, open_version(home, name, version, threads))

    @property
    def size(self) -> int:
        """How many views there are to be found."""
        return sum(int(np.count_nonzero(part.alive)) for part in self._parts)

    @property
    def seen(self) -> int:
        """The last change of the database that it knows; see ``follow``."""
        return self._seen

    def follow(self, connection: sa.Connection) -> None:
        """Take in what was enrolled and erased since, by whichever process.

        A view is found once, also where it was enrolled again after its index had another encoder:
        what the snapshot holds stays as it is, and a row of the tail gives way to the new one.
        """
        with self._following:
            changes = changes_after(connection, self._seen)
            if not changes:
                return
            snapshot, tail = self._parts
            erased = [change.view_id for change in changes if change.erased]
            self._read.forget(erased)
            snapshot.alive[snapshot.places(erased)] = False
            gone = tail.places(erased)
            tail.alive[gone] = False
            told = sorted({change.view_id for change in changes})
            held = snapshot.places(told)
            found = set(snapshot.view_ids[held[snapshot.alive[held]]].tolist())
            new = enrolled_rows(
                connection,
                self.name,
                self.manifest.encoder.identity,
                self.heads,
                among=[key for key in told if key not in found],
            )
            for head, index in self._growing.items():
                index.wipe(gone)
                index.append(new.vectors[head])
            extended = tail.extended(new.view_ids, new.texts, new.has_box9)
            extended.alive[tail.places(new.view_ids.tolist())] = False
            # Before the parts: ``views`` takes a row for erased if that was after what is seen.
            self._seen = changes[-1].id
            self._parts = (snapshot, extended)

    def check_encoder(self, identity: str) -> None:
        """Raises GalleryError unless the encoder of the queries is the one of the gallery."""
        mine = self.manifest.encoder.identity
        if identity != mine:
            raise GalleryError(
                f"Index {self.name!r} was built with encoder {mine[:12]}…, "
                f"but the queries come from {identity[:12]}….",
                f"Use the encoder the index was built with (then at "
                f"{self.manifest.hints.encoder_folder}), or build the index again.",
            )

    def check_canary(self, embeddings: Mapping[str, NDArray[np.float32]]) -> None:
        """Raises GalleryError where the fixed image is not embedded as when this was built.

        ``embeddings`` are ``index.canary.embed_canary``'s; a version built before there was one is
        taken as it is.
        """
        check_canary(self.name, self.manifest.canary or {}, embeddings)

    def resolve_head(self, wanted: str) -> tuple[str, str | None]:
        """The head that answers for ``wanted``, and a note where it is not the wanted one.

        Raises QueryError if there is none.
        """
        if wanted in self.heads:
            return wanted, None
        other = FALLBACK.get(wanted)
        if other in self.heads:
            return other, (
                f"index {self.name!r} has no {wanted!r} head; its {other!r} head was used instead"
            )
        raise QueryError(
            f"Index {self.name!r} has no head {wanted!r}.", f"Use one of {sorted(self.heads)}."
        )

    def values(self, column: str, filters: Filters = NO_FILTERS) -> tuple[str, ...]:
        """The distinct values of dataset, split, sequence, instance or category, sorted.

        Those of the views that the filters leave.
        """
        found: set[str] = set()
        for part in self._parts:
            held = part.columns.text[column]
            texts = held.values
            found |= {texts[code] for code in np.unique(held.codes[part.left(filters)])}
        return tuple(sorted(found))

    def search(
        self,
        vectors: NDArray[np.float32],
        head: str = "pose",
        k: int = 10,
        filters: Filters = NO_FILTERS,
        watch: Stopwatch | None = None,
    ) -> list[list[Neighbour]]:
        """The ``k`` nearest views of every query, best first; fewer where the filters leave fewer.

        ``vectors`` (Q, dim) or (dim,) float32, L2-normalised. Filters apply before ranking, and a
        view whose metadata was deleted is replaced by the next one. ``watch`` gets the stages
        search and fetch. Raises QueryError.
        """
        watch = watch or Stopwatch()
        while True:
            with watch.stage("search"):
                similarity, rows = self.rank(vectors, head, k, filters)
            found = rows[rows >= 0]
            with watch.stage("fetch"):
                views = self.views(found)
            if len(views) == len(set(found.tolist())):
                break
        return [
            [Neighbour(value, views[row]) for value, row in zip(*ranked, strict=True) if row >= 0]
            for ranked in zip(similarity.tolist(), rows.tolist(), strict=True)
        ]

    def rank(
        self,
        vectors: NDArray[np.float32],
        head: str,
        k: int,
        filters: Filters = NO_FILTERS,
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Similarities (Q, k) in [−1, 1] and rows (Q, k), −1 where there are no more.

        Without the database: a row may be of a view deleted since; ``views`` tells. Raises
        QueryError.
        """
        if head not in self.heads:
            raise QueryError(
                f"Index {self.name!r} has no head {head!r}.", f"Use one of {sorted(self.heads)}."
            )
        queries = _checked_queries(vectors, self.heads[head], k)
        similarity, rows = best_of(
            [part.rank(queries, head, k, filters) for part in self._parts], k
        )
        return np.clip(similarity, -1.0, 1.0), rows

    def views(self, rows: NDArray[np.int64]) -> dict[int, StoredView]:
        """Row → view. Rows whose view was erased are absent, and later searches avoid them."""
        seen = self._seen
        keys = gather(self._parts, rows, lambda part, at: part.view_ids[at])
        wanted = dict(zip(rows.tolist(), keys.tolist(), strict=True))
        ids = sorted(set(wanted.values()))
        with reading(self.home) as connection:
            views = self._read.fetch(connection, ids, seen)
        # Written by any thread at any time: a row only ever goes from alive to gone.
        for part in self._parts:
            here = [row for row in wanted if part.first <= row < part.end]
            gone = [row - part.first for row in here if wanted[row] not in views]
            part.alive[gone] = False
        alive = gather(self._parts, rows, lambda part, at: part.alive[at])
        return {row: views[wanted[row]] for row in rows[alive].tolist()}

    def vectors(self, rows: NDArray[np.int64], head: str) -> NDArray[np.float32]:
        """(n, dim) float32, the embeddings of these rows by one head."""
        return gather(self._parts, rows, lambda part, at: part.vectors[head].vectors(at))

    def rows(self, filters: Filters = NO_FILTERS) -> NDArray[np.int64]:
        """The rows that the filters leave, ascending."""
        return np.concatenate(
            [np.flatnonzero(part.left(filters)) + part.first for part in self._parts]
        )

    def instance_codes(self, rows: NDArray[np.int64]) -> list[tuple[int, int]]:
        """A pair of numbers per row, equal where dataset and instance are."""
        dataset = gather(self._parts, rows, lambda p, at: p.columns.text["dataset"].codes[at])
        instance = gather(self._parts, rows, lambda p, at: p.columns.text["instance"].codes[at])
        return list(zip(dataset.tolist(), instance.tolist(), strict=True))

    def count_instances(self, filters: Filters = NO_FILTERS) -> int:
        """How many instances the filters leave."""
        return self.counts(filters).instances

    def counts(self, filters: Filters = NO_FILTERS) -> Counts:
        """How much the filters leave."""
        return count_rows([(part.columns, part.left(filters)) for part in self._parts])

    def view(self, view_id: int) -> StoredView | None:
        """The view with this id, whichever index it is in; None while a build is writing it."""
        with reading(self.home) as connection:
            return published_view(connection, view_id)

    def thumbnail(self, view_id: int) -> bytes | None:
        """The JPEG of a view's crop, longest side at most 160 px, or None."""
        with reading(self.home) as connection:
            return published_thumbnail(connection, view_id)


def _checked_queries(vectors: NDArray[np.float32], dim: int, k: int) -> NDArray[np.float32]:
    if k < 1:
        raise QueryError(f"k is {k}.", "Ask for at least one neighbour.")
    queries = np.atleast_2d(np.asarray(vectors, dtype=np.float32))
    if queries.ndim != 2 or queries.shape[1] != dim:
        raise QueryError(
            f"The query vectors have shape {queries.shape}; the index holds {dim} dimensions.",
            "Encode the query with the encoder of the index.",
        )
    if not np.isfinite(queries).all():
        raise QueryError("A query vector has values that are not finite.", "Check the crop.")
    return queries
