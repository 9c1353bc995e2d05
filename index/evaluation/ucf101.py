"""UCF101: does the nearest known frame, or video, show the same action?

Queries are the test clips of a fold, the gallery its training clips; a hit at k is a query that
has a view, or video, of its class among its k nearest (the paper's "R@k", as in Han et al. 2020 and
Dave et al. 2021). How the paper goes from frames to that figure it does not say, so three ways
stand side by side:

- ``frame_top_k``: every frame of a test clip is a query of its own, the gallery is every frame of
  the training clips;
- ``video_top_k``: a clip is the mean of its frames' embeddings, scaled back to length 1; test clips
  ask training clips;
- ``video_vote_top_k`` (ours): the answer of ``answer_action``, where the frames' nearest training
  frames vote; here k counts classes of the vote, not neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from index.answers.action import TEMPERATURE, neighbour_weights
from index.evaluation.embeddings import EmbeddedViews
from index.evaluation.metrics import Floats, by_category, mean_or_none, top_k_hits
from index.evaluation.neighbours import Vectors, similarity_chunks
from index.evaluation.sampling import sample_rows
from index.evaluation.views import Texts

TOP_K = (1, 5, 10, 20)
VOTE_NEIGHBOURS = 10
"""Nearest training frames that share a frame's vote, the default of /actions/search."""

TopK = dict[str, float | None]


@dataclass(frozen=True)
class Ucf101Result:
    """Shares of hits by k, over all query frames or all query videos.

    ``video_top_1_by_category`` is the share at k = 1 within each class, with the macro ``mean``.
    ``groups_in_both`` counts the groups (instances) that query and gallery share, 0 in the
    official folds: where it is not, the figures measure memory. ``n_queries_without_class`` videos
    are of a class that the gallery lacks; they are misses.
    """

    frame_top_k: TopK
    video_top_k: TopK
    video_vote_top_k: TopK
    video_top_1_by_category: TopK
    vote_neighbours: int
    vote_temperature: float
    n_query_frames: int
    n_query_videos: int
    n_gallery_frames: int
    n_gallery_videos: int
    n_queries_without_class: int
    groups_in_both: int


@dataclass(frozen=True, eq=False)
class _Videos:
    """``of_row`` (N,) each view's video; ``vectors`` (V, dim), ``category`` (V,) the videos'."""

    of_row: NDArray[np.int64]
    vectors: Vectors
    category: Texts


def evaluate_ucf101(
    queries: EmbeddedViews,
    gallery: EmbeddedViews,
    head: str,
    max_queries: int | None = None,
    seed: int = 0,
) -> Ucf101Result:
    """The three figures; ``max_queries`` draws so many query videos, each with all its frames."""
    rng = np.random.default_rng(seed)
    names = np.unique(queries.table.sequence)
    drawn = names[sample_rows(np.arange(len(names)), max_queries, rng)]
    queries = queries.take(np.isin(queries.table.sequence, drawn))
    asked, known = _videos(queries, head), _videos(gallery, head)

    frame_hits, votes, classes = _ask_frames(queries, gallery, asked, head)
    own = asked.category[:, None] == classes[None, :]
    vote_hits = top_k_hits(votes, own & (votes > 0), TOP_K)
    video_hits = np.concatenate(
        [
            top_k_hits(similarity, asked.category[rows, None] == known.category, TOP_K)
            for rows, similarity in similarity_chunks(asked.vectors, known.vectors)
        ],
        axis=1,
    )
    return Ucf101Result(
        frame_top_k=_shares(frame_hits),
        video_top_k=_shares(video_hits),
        video_vote_top_k=_shares(vote_hits),
        video_top_1_by_category=by_category(video_hits[0], asked.category),
        vote_neighbours=VOTE_NEIGHBOURS,
        vote_temperature=TEMPERATURE,
        n_query_frames=len(queries),
        n_query_videos=len(asked.vectors),
        n_gallery_frames=len(gallery),
        n_gallery_videos=len(known.vectors),
        n_queries_without_class=int((~own.any(axis=1)).sum()),
        groups_in_both=len(np.intersect1d(queries.table.instance, gallery.table.instance)),
    )


def _ask_frames(
    queries: EmbeddedViews, gallery: EmbeddedViews, asked: _Videos, head: str
) -> tuple[Floats, Floats, Texts]:
    """Hits of the frames (len(TOP_K), N), votes of the videos (V, C), and the C classes."""
    classes, code = np.unique(gallery.table.category, return_inverse=True)
    category = queries.table.category
    votes = np.zeros((len(asked.vectors), len(classes)))
    hits = np.zeros((len(TOP_K), len(queries)))
    k = min(VOTE_NEIGHBOURS, len(gallery))
    for rows, similarity in similarity_chunks(queries.vectors[head], gallery.vectors[head]):
        positive = category[rows, None] == classes[None, :]
        hits[:, rows] = top_k_hits(similarity, positive[:, code], TOP_K)
        nearest = np.argpartition(-similarity, k - 1, axis=1)[:, :k]
        weights = neighbour_weights(np.take_along_axis(similarity, nearest, axis=1))
        np.add.at(votes, (asked.of_row[rows, None], code[nearest]), weights)
    return hits, votes, classes


def _videos(embedded: EmbeddedViews, head: str) -> _Videos:
    names, first, of_row = np.unique(
        embedded.table.sequence, return_index=True, return_inverse=True
    )
    vectors = embedded.vectors[head]
    sums = np.zeros((len(names), vectors.shape[1]), np.float64)
    np.add.at(sums, of_row, vectors)
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    means = (sums / np.maximum(lengths, np.finfo(np.float64).tiny)).astype(np.float32)
    return _Videos(of_row.astype(np.int64), means, embedded.table.category[first])


def _shares(hits: Floats) -> TopK:
    return {str(k): mean_or_none(row) for k, row in zip(TOP_K, hits, strict=True)}
