"""Figure 2 of the paper: embeddings on a plane, the views of one thing in order as a trajectory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from index.evaluation.report.sampling import by_turns, track_names
from index.evaluation.views import ViewTable

MAX_POINTS = 1_500
MAX_TRACK_POINTS = 60
MIN_TRACK_POINTS = 3
PERPLEXITY = 30.0
LEVEL_DEG = 90.0

Rows = NDArray[np.int64]
Points = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Track:
    """Rows of one instance in one sequence, in order; ``closed``: the last neighbours the first."""

    rows: Rows
    label: str
    category: str
    closed: bool


def all_tracks(table: ViewTable) -> list[Track]:
    """Every trajectory, by sequence and instance; turntables give their level ring, closed."""
    keys = track_names(table)
    level = np.array(
        [float(view.attributes.get("polar_deg", LEVEL_DEG)) == LEVEL_DEG for view in table.views]
    )
    known = np.flatnonzero(level)
    codes = np.unique(keys[known], return_inverse=True)[1]
    order = np.lexsort((table.frame[known], codes))
    tracks = []
    for rows in np.split(known[order], np.flatnonzero(np.diff(codes[order])) + 1):
        if len(rows) < MIN_TRACK_POINTS:
            continue
        keep = np.linspace(0, len(rows) - 1, min(len(rows), MAX_TRACK_POINTS)).round().astype(int)
        view = table.views[rows[0]]
        tracks.append(
            Track(rows[keep], view.instance, view.category, "azimuth_deg" in view.attributes)
        )
    return tracks


def sample_tracks(tracks: list[Track], rng: np.random.Generator) -> list[Track]:
    """Whole trajectories of each category in turn, up to MAX_POINTS points."""
    chosen: list[int] = []
    points = 0
    for position in by_turns(np.array([track.category for track in tracks], dtype=np.str_), rng):
        points += len(tracks[position].rows)
        if points > MAX_POINTS:
            break
        chosen.append(int(position))
    return [tracks[position] for position in sorted(chosen)]


def principal_components(vectors: NDArray[np.float32]) -> tuple[Points, float]:
    """(n, 2) projection of (n, dim) on their two widest directions; the share of variance there."""
    from sklearn.decomposition import PCA
    from threadpoolctl import threadpool_limits

    pca = PCA(n_components=2, svd_solver="full")
    # One thread adds in one order; all alike have no variance to share.
    with threadpool_limits(1), np.errstate(invalid="ignore"):
        points = pca.fit_transform(vectors.astype(np.float64))
        share = float(np.nan_to_num(pca.explained_variance_ratio_).sum())
    return np.asarray(points, np.float64), share


def neighbour_map(vectors: NDArray[np.float32], seed: int) -> Points:
    """(n, 2) t-SNE of (n, dim) embeddings by their cosine similarity; started from the PCA."""
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    embedding = TSNE(
        n_components=2,
        perplexity=min(PERPLEXITY, (len(vectors) - 1) / 3),
        init=_started(vectors),
        max_iter=750,
        random_state=seed,
        n_jobs=1,
    )
    with threadpool_limits(1):
        return np.asarray(embedding.fit_transform(vectors.astype(np.float64)), np.float64)


def _started(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    points = principal_components(vectors)[0]
    width = float(points[:, 0].std())
    return (points / width * 1e-4 if width > 0 else points).astype(np.float32)


def rows_of(tracks: list[Track]) -> Rows:
    """The rows of all tracks, one after the other."""
    return np.concatenate([track.rows for track in tracks])
