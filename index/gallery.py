"""An opened index version: crop embeddings in, annotated neighbours out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from index.canary import check_canary
from index.confidence import Confidence, read_confidence
from index.filters import NO_FILTERS, Filters
from index.home import Home
from index.manifest import Counts, Manifest, row_order
from index.stopwatch import Stopwatch
from index.store.columns import Columns, load_columns
from index.store.database import reading
from index.store.migrate import migrate
from index.store.stored_view import StoredView
from index.store.versions import VersionRecord, find_version, list_versions, row_view_ids
from index.store.views import fetch_thumbnail, fetch_views
from index.vectors import VectorIndex, read_flat
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
    """One version of an index, read into memory. Safe for any number of reading threads.

    ``confidence`` calibrates its answers, None where the version cannot. It keeps answering after
    another version was promoted or this one was dropped.
    """

    def __init__(
        self,
        home: Home,
        manifest: Manifest,
        vectors: Mapping[str, VectorIndex],
        view_ids: NDArray[np.int64],
        columns: Columns,
        confidence: Confidence | None = None,
    ) -> None:
        self.home = home
        self.name = manifest.name
        self.version = manifest.version
        self.manifest = manifest
        self.heads = {head: index.dim for head, index in vectors.items()}
        self.size = len(view_ids)
        self.confidence = confidence
        self._vectors = vectors
        self._view_ids = view_ids
        self._columns = columns
        self._alive = columns.known.copy()

    @classmethod
    def open(
        cls, home: Home, name: str, version: str | None = None, threads: int | None = None
    ) -> Gallery:
        """Open a version of an index, the current one by default.

        Checks every file against the manifest first. ``threads`` bounds the cores one search
        uses. Raises GalleryError if the index is unknown, damaged or differs from the database.
        """
        folder = home.index_folder(name)
        migrate(home)
        with reading(home) as connection:
            record = find_version(connection, name, version)
            if record is None:
                known = [found.name for found in list_versions(connection) if found.current]
                raise unknown_index(name, version, known)
            view_ids = row_view_ids(connection, record.id)
            columns = load_columns(connection, record.id, len(view_ids))
        manifest = Manifest.read(folder / record.version)
        _check(manifest, record, view_ids)
        return cls(
            home,
            manifest,
            _read_heads(folder / record.version, manifest, threads),
            view_ids,
            columns,
            read_confidence(folder / record.version, manifest.confidence_sha256),
        )

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
        texts, codes = self._columns.text[column].values, self._columns.text[column].codes
        left = codes[filters.mask(self._columns) & self._alive]
        there = np.bincount(left, minlength=len(texts)) > 0
        return tuple(sorted(texts[code] for code in np.flatnonzero(there)))

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
            [
                Neighbour(float(value), views[int(row)])
                for value, row in zip(*ranked, strict=True)
                if row >= 0
            ]
            for ranked in zip(similarity, rows, strict=True)
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
        index = self._vectors.get(head)
        if index is None:
            raise QueryError(
                f"Index {self.name!r} has no head {head!r}.", f"Use one of {sorted(self.heads)}."
            )
        queries = _checked_queries(vectors, index.dim, k)
        mask = filters.mask(self._columns) & self._alive
        similarity, rows = index.search(queries, k, None if mask.all() else mask)
        return np.clip(similarity, -1.0, 1.0), rows

    def views(self, rows: NDArray[np.int64]) -> dict[int, StoredView]:
        """Row → view. Rows whose view was deleted are absent, and later searches avoid them."""
        wanted = {int(row): int(self._view_ids[row]) for row in rows}
        with reading(self.home) as connection:
            views = fetch_views(connection, sorted(set(wanted.values())))
        gone = [row for row, identity in wanted.items() if identity not in views]
        # Written by any thread at any time: a row only ever goes from alive to gone.
        self._alive[gone] = False
        return {row: views[identity] for row, identity in wanted.items() if identity in views}

    def instance_codes(self, rows: NDArray[np.int64]) -> list[tuple[int, int]]:
        """A pair of numbers per row, equal where dataset and instance are."""
        text = self._columns.text
        pairs = zip(text["dataset"].codes[rows], text["instance"].codes[rows], strict=True)
        return [(int(dataset), int(instance)) for dataset, instance in pairs]

    def count_instances(self, filters: Filters = NO_FILTERS) -> int:
        """How many instances the filters leave."""
        return self._distinct("instance", filters.mask(self._columns) & self._alive)

    def counts(self, filters: Filters = NO_FILTERS) -> Counts:
        """How much the filters leave."""
        left = filters.mask(self._columns) & self._alive
        return Counts(
            views=int(left.sum()),
            sequences=self._distinct("sequence", left),
            instances=self._distinct("instance", left),
            categories=len(np.unique(self._columns.text["category"].codes[left])),
            annotated=int((left & self._columns.has_box9).sum()),
        )

    def _distinct(self, name: str, left: NDArray[np.bool_]) -> int:
        """How many pairs of dataset and column ``name`` the rows ``left`` (N,) bool hold."""
        dataset, named = (self._columns.text[text].codes[left] for text in ("dataset", name))
        return len(np.unique(dataset.astype(np.int64) << 32 | named))

    def view(self, view_id: int) -> StoredView | None:
        """The view with this id if the store knows it."""
        with reading(self.home) as connection:
            return fetch_views(connection, [view_id]).get(view_id)

    def thumbnail(self, view_id: int) -> bytes | None:
        """The JPEG of a view's crop, longest side at most 160 px, or None."""
        with reading(self.home) as connection:
            return fetch_thumbnail(connection, view_id)


def unknown_index(name: str, version: str | None, known: list[str]) -> GalleryError:
    """The error for an index or version that is not there, naming those that are."""
    what = f"Index {name!r}" + (f" has no version {version!r}." if version else " does not exist.")
    if known:
        return GalleryError(what, f"Indexes with a current version: {', '.join(known)}.")
    return GalleryError(what, "Build one with `index build NAME --data ROOT --encoder DIR`.")


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


def _read_heads(folder: Path, manifest: Manifest, threads: int | None) -> dict[str, VectorIndex]:
    count = manifest.counts.views
    return {
        head: read_flat(folder / stored.file, stored.sha256, stored.dim, count, threads)
        for head, stored in manifest.heads.items()
    }


def _check(manifest: Manifest, record: VersionRecord, view_ids: NDArray[np.int64]) -> None:
    remedy = "Run `index verify`, then build the index again or promote another version."
    if manifest.version != record.version:
        raise GalleryError(
            f"The manifest of {record.name} {record.version} hashes to {manifest.version}.", remedy
        )
    if row_order(view_ids) != manifest.row_order_sha256:
        raise GalleryError(
            f"The database holds the {len(view_ids)} rows of {record.name} {record.version} in "
            "another order than its manifest.",
            remedy,
        )
