"""A flat map of an index: its embeddings along the two directions in which they differ most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from index.filters import NO_FILTERS, Filters
from index.gallery import Gallery
from index.store.stored_view import StoredView


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

    Each axis points so that its largest loading is positive. What has no variance left is 0.
    """
    centred = np.asarray(vectors, dtype=np.float64)
    centred = centred - (centred.mean(axis=0) if len(centred) else 0.0)
    variance, axes = np.linalg.eigh(centred.T @ centred)
    axes = axes[:, ::-1][:, :2]
    largest = axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])]
    xy, explained = np.zeros((len(centred), 2)), np.zeros(2)
    found = axes.shape[1]
    xy[:, :found] = centred @ (axes * np.sign(largest))
    total = variance.sum()
    if total > np.finfo(np.float64).eps * len(centred):
        explained[:found] = np.clip(variance[::-1][:2], 0.0, None) / total
    return xy, explained
