"""LM-O: real things on a table, partly hidden; rotation of the nearest view, re-ID, PnP refits.

Views with a visible fraction of 0.6 or more are used, cut from the box of what is visible, grown
by 1.2. Re-ID: each view asks all others. Rotation: the nearest other view of the query's object,
and the angle between the two rotations to the camera; objects 10 and 11 look alike after half a
turn and are left out. Refit, without any embedding: the nine keypoints of each box, with pixel
noise, are solved for the pose again (PnP, the true size given) and the two boxes compared.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from index.evaluation.embeddings import EmbeddedViews
from index.evaluation.material import Angles, Material
from index.evaluation.metrics import by_category, mean_or_none, median_or_none
from index.evaluation.neighbours import Rows, nearest
from index.evaluation.objectron import HIT_IOU
from index.evaluation.reid import same_label, score_reid
from index.evaluation.sampling import sample_rows
from index.evaluation.views import ViewTable
from index.geometry import box_vertices, iou_3d_pairs, project
from training.data.records import View
from training.errors import DataError

Floats = NDArray[np.float64]

LEAST_VISIBLE = 0.6
CROP_MARGIN = 1.2
HALF_TURN_OBJECTS = (10, 11)
"""Eggbox and glue: a rotation error of 180° cannot be seen."""

FAILED_DEG = 30.0
"""Neighbours turned by more than this are shown among the failures of a report."""

NOISES_PX = (0.0, 1.0, 2.0, 5.0)
"""Standard deviations of the noise on each coordinate of a keypoint."""


@dataclass(frozen=True)
class Refit:
    """Boxes from PnP on noisy keypoints against the true ones, over all visible views."""

    noise_px: float
    mean_iou: float | None
    hit_rate: float | None
    rotation_error_mean_deg: float | None


@dataclass(frozen=True)
class LmoResult:
    """Rotation errors over ``n_queries`` views, re-ID over ``n_reid_queries``.

    ``best_possible_rotation_error_deg`` takes the best-turned view of the object for each query,
    ``random_rotation_error_deg`` is the expectation of a view of the object drawn at random.
    """

    rotation_error_mean_deg: float | None
    rotation_error_median_deg: float | None
    best_possible_rotation_error_deg: float | None
    random_rotation_error_deg: float | None
    reid_map: float | None
    rank1: float | None
    n_queries: int
    n_reid_queries: int
    rotation_error_mean_deg_by_category: dict[str, float | None]
    reid_map_by_category: dict[str, float | None]
    refit: tuple[Refit, ...]


def visible_crops(table: ViewTable) -> ViewTable:
    """The views that are visible enough, their boxes grown. Raises DataError where none is."""
    seen = [row for row, view in enumerate(table.views) if view.visibility >= LEAST_VISIBLE]
    if not seen:
        raise DataError(
            f"No view is visible to {LEAST_VISIBLE:.0%}.", "Point --root at a folder of LM-O."
        )
    kept = table.take(np.array(seen))
    return replace(kept, views=tuple(map(_grown, kept.views)))


def evaluate_lmo(
    embedded: EmbeddedViews,
    pose_head: str,
    identity_head: str,
    max_queries: int | None = None,
    seed: int = 0,
    material: Material | None = None,
) -> LmoResult:
    """All parts of the protocol on ``visible_crops``; views carry ``obj_id``, camera and box.

    Raises DataError where a view has no box or no camera.
    """
    rng = np.random.default_rng(seed)
    table = embedded.table
    rotation = np.array([_pose(view)[0] for view in table.views])
    turned = ~np.isin(table.attribute("obj_id"), HALF_TURN_OBJECTS)
    queries = sample_rows(np.flatnonzero(turned), max_queries, rng)
    angle, candidate = _angles(table, rotation, queries)
    best = nearest(
        embedded.vectors[pose_head][queries],
        embedded.vectors[pose_head],
        lambda rows: candidate[rows],
    )
    error = np.where(best >= 0, angle[np.arange(len(queries)), best], np.nan)
    answered = best >= 0
    if material is not None:
        material.angles = Angles(table, queries, best, error, "rotation", FAILED_DEG)

    reid_queries = sample_rows(np.arange(len(table)), max_queries, rng)
    reid = score_reid(
        table,
        embedded.vectors[identity_head],
        reid_queries,
        lambda rows: reid_queries[rows][:, None] != np.arange(len(table))[None, :],
        material,
    )
    reachable = np.where(candidate, angle, np.nan)[answered]
    return LmoResult(
        rotation_error_mean_deg=mean_or_none(error),
        rotation_error_median_deg=median_or_none(error),
        best_possible_rotation_error_deg=mean_or_none(np.nanmin(reachable, axis=1)),
        random_rotation_error_deg=mean_or_none(np.nanmean(reachable, axis=1)),
        reid_map=reid.reid_map,
        rank1=reid.rank1,
        n_queries=int(answered.sum()),
        n_reid_queries=reid.n_queries,
        rotation_error_mean_deg_by_category=by_category(error, table.category[queries]),
        reid_map_by_category=reid.reid_map_by_category,
        refit=tuple(refit(table, noise, rng) for noise in NOISES_PX),
    )


def refit(table: ViewTable, noise_px: float, rng: np.random.Generator) -> Refit:
    """Each box found again from its nine keypoints, every coordinate off by N(0, ``noise_px``)."""
    rotation, translation, scale = map(np.array, zip(*map(_pose, table.views), strict=True))
    found = [_solved(view, noise_px, rng) for view in table.views]
    again, moved = (np.array(part) for part in zip(*found, strict=True))
    iou = iou_3d_pairs(rotation, translation, scale, again, moved, scale)
    return Refit(
        noise_px=noise_px,
        mean_iou=mean_or_none(iou),
        hit_rate=mean_or_none((iou > HIT_IOU).astype(np.float64)),
        rotation_error_mean_deg=mean_or_none(rotation_angle_deg(rotation, again)),
    )


def rotation_angle_deg(a: Floats, b: Floats) -> Floats:
    """Angle in degrees, 0 to 180, of the rotation between (…, 3, 3) rotations; broadcasts."""
    # The norm of the difference tells small angles apart where the cosine cannot.
    apart = np.linalg.norm(a - b, axis=(-2, -1))
    return np.degrees(2.0 * np.arcsin(np.clip(apart / np.sqrt(8.0), 0.0, 1.0)))


def _angles(table: ViewTable, rotation: Floats, queries: Rows) -> tuple[Floats, NDArray[np.bool_]]:
    """(Q, N) degrees between rotations, and whether the row is another view of the object."""
    angle = np.stack([rotation_angle_deg(rotation[row], rotation) for row in queries])
    same = same_label(table.category, queries)(np.arange(len(queries)))
    return angle, same & (queries[:, None] != np.arange(len(table))[None, :])


def _solved(view: View, noise_px: float, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Rotation (3, 3) and translation (3,) in metres by PnP from the view's noisy keypoints."""
    rotation, translation, scale = _pose(view)
    assert view.camera is not None  # _pose has looked
    points = box_vertices(np.eye(3), np.zeros(3), scale)
    pixels = project(view.camera.matrix, box_vertices(rotation, translation, scale))
    noisy = pixels + rng.normal(0.0, 1.0, pixels.shape) * noise_px
    # SQPnP finds the global optimum of an algebraic error; from there to the least pixel error.
    camera = view.camera.matrix
    _, turn, moved = cv2.solvePnP(points, noisy, camera, None, flags=cv2.SOLVEPNP_SQPNP)
    turn, moved = cv2.solvePnPRefineLM(points, noisy, camera, None, turn, moved)
    return np.asarray(cv2.Rodrigues(turn)[0], np.float64), np.asarray(moved, np.float64).ravel()


def _pose(view: View) -> tuple[Floats, Floats, Floats]:
    if view.box9 is None or view.camera is None:
        raise DataError(
            f"The view {view.image.reference} has no box or no camera.",
            "Point --root at a folder of LM-O in BOP's layout.",
        )
    return view.box9.rotation, view.box9.translation, view.box9.scale


def _grown(view: View) -> View:
    centre = (view.bbox_xyxy[:2] + view.bbox_xyxy[2:]) / 2
    half = (view.bbox_xyxy[2:] - view.bbox_xyxy[:2]) / 2 * CROP_MARGIN
    return replace(view, bbox_xyxy=np.concatenate([centre - half, centre + half]))
