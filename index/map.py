"""A flat map of an index: its embeddings along the two directions in which they differ most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from index.filters import NO_FILTERS, Filters
from index.gallery import Gallery
from index.store.stored_view import StoredView

PROBES: Final = 32
ROUNDS: Final = 4
"""Of the subspace iteration; of embeddings, explained variances come out right to 0.1 %."""


@dataclass(frozen=True, slots=True, eq=False)
class ViewMap:
    """n views and where they lie: ``xy`` (n, 2); ``explained`` (2,) as ``principal_plane``'s.

    ``total`` is how many views there are; of more than were asked for, evenly spread ones.
    """

    head: str
    views: tuple[StoredView, ...]
    xy: NDArray[np.float64]
    explained: NDArray[np.float64]
    total: int


def draw_map(gallery: Gallery, head: str, limit: int, filters: Filters = NO_FILTERS) -> ViewMap:
    """At most ``limit`` of the views that the filters leave; no other has a part in the map.

    Raises QueryError where the gallery has no such head.
    """
    head, _ = gallery.resolve_head(head)
    rows = gallery.rows(filters)
    total = len(rows)
    if total > limit:
        rows = rows[np.linspace(0, total - 1, limit).astype(np.int64)]
    views = gallery.views(rows)
    rows = rows[[int(row) in views for row in rows]]
    xy, explained = principal_plane(gallery.vectors(rows, head))
    return ViewMap(head, tuple(views[int(row)] for row in rows), xy, explained, total)


def principal_plane(vectors: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coordinates (n, 2) of vectors (n, dim) on their first two principal components, and the share
    (2,) of the variance along each.

    Each axis points so that its largest loading is positive. What has no variance left is 0. Exact
    for up to PROBES dimensions or vectors; above, by subspace iteration (Halko, Martinsson, Tropp
    2011, algorithm 4.4) in time linear in both.
    """
    centred = np.asarray(vectors, dtype=np.float64)
    centred = centred - (centred.mean(axis=0) if len(centred) else 0.0)
    basis = _leading_subspace(centred)
    _, sizes, axes = np.linalg.svd(centred @ basis, full_matrices=False)
    axes = (basis @ axes.T)[:, :2]
    largest = axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])]
    xy, explained = np.zeros((len(centred), 2)), np.zeros(2)
    found = axes.shape[1]
    xy[:, :found] = centred @ (axes * np.sign(largest))
    total = np.einsum("nd,nd->", centred, centred)
    if total > np.finfo(np.float64).eps * len(centred):
        explained[:found] = sizes[:2] ** 2 / total
    return xy, explained


def _leading_subspace(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """(dim, at most PROBES) orthonormal columns that span what the vectors differ in most."""
    width = min(PROBES, *vectors.shape)
    basis = np.random.default_rng(0).standard_normal((vectors.shape[1], width))
    for _ in range(ROUNDS):
        basis, _ = np.linalg.qr(vectors.T @ (vectors @ basis))
    return basis
