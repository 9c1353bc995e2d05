"""Re-identification and category of any reader's dataset by ranking its views.

Protocol ``reid``. Every view is a query and all views are the gallery, less the query's own
frame (so never the query itself), and less the frames of its own sequence within
``exclude_seconds``. Positives are the views of the query's instance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from index.evaluation.embeddings import EmbeddedViews
from index.evaluation.material import Material, Ranking
from index.evaluation.metrics import by_category, mean_or_none
from index.evaluation.neighbours import PairMask, Rows, nearest, rank_gallery
from index.evaluation.sampling import sample_rows
from index.evaluation.views import ViewTable

Vectors = NDArray[np.float32]

ALL_FRAMES = "all other frames"
OTHER_SEQUENCES = "other sequences"
"""The two galleries of the protocol, as its table and its report call them."""


@dataclass(frozen=True)
class ReidScores:
    """How well an instance's other views are found; None where no query has another view.

    ``reid_map`` and ``rank1`` are means over the ``n_queries`` queries with at least one positive
    left; ``reid_map_by_category`` has their mean within each category and the macro ``mean``.
    """

    reid_map: float | None
    rank1: float | None
    reid_map_by_category: dict[str, float | None]
    n_queries: int


@dataclass(frozen=True)
class ReidResult:
    """The whole protocol.

    ``class_accuracy`` is the share of queries whose nearest view is of their category, averaged
    within categories and then over them (paper); ``class_accuracy_micro`` over queries (released
    code). ``without_own_sequence`` repeats the scores with the query's whole sequence removed,
    over the instances that several sequences show; None where there is none.
    """

    reid_map: float | None
    rank1: float | None
    class_accuracy: float | None
    class_accuracy_micro: float | None
    reid_map_by_category: dict[str, float | None]
    without_own_sequence: ReidScores | None
    class_accuracy_other_sequences: float | None
    n_queries: int
    n_gallery: int
    exclude_seconds: float | None


def evaluate_reid(
    embedded: EmbeddedViews,
    identity_head: str,
    exclude_seconds: float | None = None,
    max_queries: int | None = None,
    seed: int = 0,
    material: Material | None = None,
) -> ReidResult:
    """Rank all views for each query. ``exclude_seconds`` needs sequences with a clock."""
    table, vectors = embedded.table, embedded.vectors[identity_head]
    rng = np.random.default_rng(seed)
    queries = sample_rows(np.arange(len(table)), max_queries, rng)
    near = adjacent_frames(table, queries, exclude_seconds)
    own = same_label(table.sequence, queries)

    def in_reach(rows: Rows) -> NDArray[np.bool_]:
        return ~near(rows)

    def elsewhere(rows: Rows) -> NDArray[np.bool_]:
        return ~own(rows)

    scores = score_reid(table, vectors, queries, in_reach, material, ALL_FRAMES)
    apart = score_reid(table, vectors, queries, elsewhere, material, OTHER_SEQUENCES)
    accuracy = class_hits(table, vectors, queries, in_reach)
    categories = table.category[queries]
    return ReidResult(
        reid_map=scores.reid_map,
        rank1=scores.rank1,
        class_accuracy=by_category(accuracy, categories)["mean"],
        class_accuracy_micro=mean_or_none(accuracy),
        reid_map_by_category=scores.reid_map_by_category,
        without_own_sequence=apart if apart.n_queries else None,
        class_accuracy_other_sequences=by_category(
            class_hits(table, vectors, queries, elsewhere), categories
        )["mean"],
        n_queries=scores.n_queries,
        n_gallery=len(table),
        exclude_seconds=exclude_seconds,
    )


def score_reid(
    table: ViewTable,
    vectors: Vectors,
    queries: Rows,
    allowed: PairMask,
    material: Material | None = None,
    heading: str = ALL_FRAMES,
) -> ReidScores:
    """Re-ID scores of these query rows of the table against the allowed rows of all of it.

    ``material`` keeps the ranking under ``heading``.
    """
    positive = same_label(table.instance, queries)
    precision, rank1 = rank_gallery(vectors[queries], vectors, positive, allowed)
    if material is not None:
        material.rankings[heading] = Ranking(table, vectors, queries, allowed, precision, rank1)
    answered = ~np.isnan(precision)
    return ReidScores(
        reid_map=mean_or_none(precision),
        rank1=mean_or_none(rank1),
        reid_map_by_category=by_category(precision[answered], table.category[queries][answered]),
        n_queries=int(answered.sum()),
    )


def class_hits(
    table: ViewTable, vectors: Vectors, queries: Rows, allowed: PairMask
) -> NDArray[np.float64]:
    """(q,) 1 where the nearest allowed view is of the query's category, 0 where it is of another.

    NaN where no view is allowed.
    """
    best = nearest(vectors[queries], vectors, allowed)
    hits = (table.category[best] == table.category[queries]).astype(np.float64)
    return np.where(best >= 0, hits, np.nan)


def same_label(labels: NDArray[np.str_], queries: Rows) -> PairMask:
    """The pairs of a query and a row of the table that share a label."""
    codes = np.unique(labels, return_inverse=True)[1]
    return lambda rows: codes[queries[rows], None] == codes[None, :]


def adjacent_frames(table: ViewTable, queries: Rows, seconds: float | None = None) -> PairMask:
    """The pairs from the same frame, or from the same sequence within ``seconds``.

    Sequences without a clock have no seconds: only the query's own frame is removed there.
    """
    codes = np.unique(table.sequence, return_inverse=True)[1]
    frame, time_s, clock = table.frame, table.time_s, table.has_clock

    def mask(rows: Rows) -> NDArray[np.bool_]:
        chosen = queries[rows]
        close = frame[chosen, None] == frame[None, :]
        if seconds is not None:
            apart_s = np.abs(time_s[chosen, None] - time_s[None, :])
            close |= clock[chosen, None] & (apart_s <= seconds)
        return close & (codes[chosen, None] == codes[None, :])

    return mask
