"""Which gallery view each row of Objectron's table picks for each query."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from index.evaluation.embeddings import EmbeddedViews
from index.evaluation.neighbours import nearest
from index.evaluation.sampling import Rows, sequence_subset

SEQUENCE_SHARES = {"sequences_10_percent": 0.10, "sequences_1_percent": 0.01}


@dataclass(frozen=True)
class GallerySize:
    """How much of the gallery a row may pick from."""

    sequences: int
    views: int


def pick_views(
    posed: EmbeddedViews, references: EmbeddedViews, query_rows: Rows, pose_head: str, seed: int
) -> tuple[dict[str, Rows], dict[str, GallerySize]]:
    """The gallery row each row of the table picks for each query (-1: none), and its gallery."""
    rng = np.random.default_rng([seed, 0])
    vectors, table = references.vectors[pose_head], references.table
    asked = posed.vectors[pose_head][query_rows]
    whole = GallerySize(len(np.unique(table.sequence)), len(table))
    picks = {
        "nearest_neighbour": nearest(asked, vectors),
        "random_fit": rng.integers(len(table), size=len(query_rows)),
        "random_in_category_fit": random_in_category(
            posed.table.category[query_rows], table.category, rng
        ),
    }
    sizes = dict.fromkeys(picks, whole)
    for name, share in SEQUENCE_SHARES.items():
        kept = np.flatnonzero(sequence_subset(table.sequence, share, rng))
        picks[name] = kept[nearest(asked, vectors[kept])]
        sizes[name] = GallerySize(len(np.unique(table.sequence[kept])), len(kept))
    return picks, sizes


def random_in_category(
    asked: NDArray[np.str_], offered: NDArray[np.str_], rng: np.random.Generator
) -> Rows:
    """(Q,) a uniformly drawn row of ``offered`` with the asked category; -1 where it has none."""
    picks = np.full(len(asked), -1, dtype=np.int64)
    for category in np.unique(asked):
        rows = np.flatnonzero(offered == category)
        if rows.size:
            mine = asked == category
            picks[mine] = rng.choice(rows, size=int(mine.sum()))
    return picks


def nearest_rotation(
    asked: NDArray[np.float64],
    offered: NDArray[np.float64],
    asked_category: NDArray[np.str_],
    offered_category: NDArray[np.str_],
) -> Rows:
    """(Q,) the row of ``offered`` (G, 3, 3) of the category at the smallest angle; -1: none.

    The inner product of two flattened rotations is 1 + 2 cos of the angle between them.
    """
    return nearest(
        asked.reshape(-1, 9).astype(np.float32),
        offered.reshape(-1, 9).astype(np.float32),
        lambda rows: asked_category[rows, None] == offered_category[None, :],
    )
