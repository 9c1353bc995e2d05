"""Figure 2 of the paper for each head: a map of all, and single trajectories from close by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from index.evaluation.embeddings import EmbeddedViews
from index.evaluation.report.charts import map_chart, map_colours, trajectory_chart, viridis
from index.evaluation.report.maps import (
    Track,
    all_tracks,
    neighbour_map,
    principal_components,
    rows_of,
    sample_tracks,
)
from index.evaluation.report.pictures import Picture, Pictures
from index.evaluation.report.sampling import sample_by_turns

TRACKS_SHOWN = 8
STRIP = 5
MIN_POINTS = 10


@dataclass(frozen=True)
class HeadMap:
    """The t-SNE and the PCA of all sampled trajectories of one head."""

    head: str
    neighbours: Picture
    components: Picture
    variance: str


@dataclass(frozen=True)
class HeadTrajectory:
    """One trajectory on its own two principal components."""

    head: str
    picture: Picture
    variance: str


@dataclass(frozen=True)
class Trajectory:
    """One thing in one sequence: crops along it with their colours on the scale, and its charts."""

    instance: str
    category: str
    strip: tuple[tuple[Picture, str], ...]
    charts: tuple[HeadTrajectory, ...]


@dataclass(frozen=True)
class Maps:
    """The section: how many trajectories there are and are shown, with how many views; ``legend``
    has categories and their colours."""

    heads: tuple[HeadMap, ...]
    trajectories: tuple[Trajectory, ...]
    n_tracks: int
    n_tracks_shown: int
    n_points: int
    legend: tuple[tuple[str, str], ...]


def show_maps(embedded: EmbeddedViews, pictures: Pictures, seed: int, stream: int) -> Maps | None:
    """Maps of every head; None where there are too few views in sequences."""
    rng = np.random.default_rng([seed, stream])
    tracks = all_tracks(embedded.table)
    sampled = sample_tracks(tracks, rng) if tracks else []
    rows = rows_of(sampled) if sampled else np.array([], dtype=np.int64)
    if len(rows) < MIN_POINTS:
        return None
    heads = []
    for head, vectors in embedded.vectors.items():
        points, share = principal_components(vectors[rows])
        nearby = neighbour_map(vectors[rows], seed)
        told = f"of {len(sampled)} trajectories by the head {head}"
        near = map_chart(nearby, sampled, labelled=True)
        wide = map_chart(points, sampled, labelled=False)
        heads.append(
            HeadMap(
                head,
                pictures.chart(near, 640, 560, f"t-SNE {told}"),
                pictures.chart(wide, 640, 560, f"PCA {told}"),
                f"{share:.0%}",
            )
        )
    labels = np.array([track.category for track in sampled], dtype=np.str_)
    single = [sampled[at] for at in sample_by_turns(labels, TRACKS_SHOWN, rng)]
    return Maps(
        tuple(heads),
        tuple(_trajectory(embedded, track, pictures) for track in single),
        len(tracks),
        len(sampled),
        len(rows),
        tuple(map_colours(sampled).items()),
    )


def _trajectory(embedded: EmbeddedViews, track: Track, pictures: Pictures) -> Trajectory:
    last = len(track.rows) - 1
    at = np.unique(np.linspace(0, last, min(STRIP, last + 1)).round().astype(int))
    colours = viridis(len(track.rows))
    charts = []
    for head, vectors in embedded.vectors.items():
        points, share = principal_components(vectors[track.rows])
        alt = f"PCA of the {len(track.rows)} views of {track.label} by the head {head}"
        picture = pictures.chart(trajectory_chart(points, track.closed), 260, 230, alt)
        charts.append(HeadTrajectory(head, picture, f"{share:.0%}"))
    return Trajectory(
        track.label,
        track.category,
        tuple((pictures.crop(embedded.table.views[track.rows[one]]), colours[one]) for one in at),
        tuple(charts),
    )
