"""The 9-DoF fit: annotated neighbours' boxes carried into the query's image, all N at once.

The zero-shot fit of "Pose-informed embeddings" as its released code has it: the centre keeps its
place in the 2-D box, the box turns by the smallest rotation between the plane normals and stands
at the neighbour's height on the query's plane, then is scaled and set down again a few times.
Where a plane is missing, ours: turn with the viewing ray, keep the size, move along the ray.
"""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
from numpy.typing import NDArray

from index.geometry.box import UNIT_BOX, clip_bbox
from index.geometry.camera import project, rays
from index.geometry.placement import HangingBoxes, move_to_size, scale_and_snap
from index.geometry.plane import PARALLEL_BELOW, rotation_between, signed_distance
from index.geometry.views import (
    BOX_BEHIND_CAMERA,
    BOX_OUTSIDE_IMAGE,
    DEGENERATE_QUERY,
    DEGENERATE_REFERENCE,
    OK,
    OPPOSITE_NORMALS,
    PLANE_BEHIND_CAMERA,
    RAY_PARALLEL_TO_PLANE,
    FittedBoxes,
    QueryView,
    ReferenceViews,
)

Array = NDArray[np.float64]
Rows = NDArray[np.bool_]


def fit_boxes(
    query: QueryView, references: ReferenceViews, steps: int = 4, clip_to_image: bool = True
) -> FittedBoxes:
    """Each neighbour's box as the query shows it, or the reason why there is none.

    ``steps`` rounds of scale and snap (4: released code, which is the paper's n = 3 after a first
    one); ``clip_to_image`` clips all 2-D boxes to their images before their sizes are compared
    (released code). Never NaN: see FittedBoxes. Raises ValueError for arrays of other shapes.
    """
    r = _float_arrays(references)
    q = _query_rows(query, len(r.translation))
    if clip_to_image:
        q = replace(q, bbox_xyxy=clip_bbox(q.bbox_xyxy, q.image_size))
        r = replace(r, bbox_xyxy=clip_bbox(r.bbox_xyxy, r.image_size))
    count = len(r.translation)
    fitted = FittedBoxes(
        rotation=np.zeros((count, 3, 3)),
        translation=np.zeros((count, 3)),
        scale=np.zeros((count, 3)),
        reason=np.where(_sound_references(r), OK, DEGENERATE_REFERENCE),
        grounded=np.zeros(count, dtype=np.bool_),
    )
    fitted.reason[~_sound_queries(q)] = DEGENERATE_QUERY
    rows = np.nonzero(fitted.reason == OK)[0]
    if rows.size:
        _fit_sound_rows(
            fitted, rows, _take_query(q, rows), _take_references(r, rows), steps, clip_to_image
        )
    return fitted


def _fit_sound_rows(
    fitted: FittedBoxes,
    rows: NDArray[np.intp],
    q: QueryView,
    r: ReferenceViews,
    steps: int,
    clip_to_image: bool,
) -> None:
    """Writes rows of ``fitted``; q and r hold those rows alone."""
    ray = _centre_ray(q, r)
    turn_from, turn_to = r.translation, ray
    grounded = np.zeros(len(rows), dtype=np.bool_)
    if q.plane_center is not None and q.plane_normal is not None:
        grounded = _is_plane(r.plane_center, r.plane_normal)
        turn_from = np.where(grounded[:, None], r.plane_normal, turn_from)
        turn_to = np.where(grounded[:, None], q.plane_normal, turn_to)
    turn, opposite = rotation_between(turn_from, turn_to)
    rotation = turn @ r.rotation
    corners = (UNIT_BOX[1:] * r.scale[:, None]) @ rotation.transpose(0, 2, 1)
    boxes = HangingBoxes.of(corners, ray, q.K, q.image_size if clip_to_image else None)
    crop_diagonal = _diagonal(q.bbox_xyxy)
    factor, depth = np.ones(len(rows)), np.ones(len(rows))
    reason = np.where(opposite, OPPOSITE_NORMALS, OK)
    at = np.nonzero(grounded)[0]
    if at.size:
        assert q.plane_center is not None
        assert q.plane_normal is not None
        up = q.plane_normal[at] / np.linalg.norm(q.plane_normal[at], axis=1, keepdims=True)
        height = np.abs(signed_distance(r.translation[at], r.plane_center[at], r.plane_normal[at]))
        ray_up = np.einsum("ni,ni->n", ray[at], up)
        parallel = np.abs(ray_up) < PARALLEL_BELOW * np.linalg.norm(ray[at], axis=1)
        factor[at], depth[at] = scale_and_snap(
            boxes.at(at),
            crop_diagonal[at],
            np.einsum("ni,ni->n", q.plane_center[at], up),
            np.where(parallel, 1.0, ray_up),
            height,
            steps,
        )
        reason[at[parallel]] = RAY_PARALLEL_TO_PLANE
    at = np.nonzero(~grounded)[0]
    if at.size:
        # Similar triangles, by focal lengths and by the diagonals of the two crops.
        guess = r.translation[at, 2] * (_diagonal(r.bbox_xyxy[at]) / crop_diagonal[at])
        guess *= q.K[at, 1, 1] / r.K[at, 1, 1]
        depth[at] = move_to_size(boxes.at(at), crop_diagonal[at], guess, steps)
    _, in_front, in_image = boxes.diagonal(factor, depth)
    for wrong, code in (
        (depth <= 0.0, PLANE_BEHIND_CAMERA),
        (~in_front, BOX_BEHIND_CAMERA),
        (~in_image, BOX_OUTSIDE_IMAGE),
    ):
        reason[(reason == OK) & wrong] = code
    done = reason == OK
    fitted.reason[rows] = reason
    fitted.rotation[rows[done]] = rotation[done]
    fitted.translation[rows[done]] = ray[done] * depth[done, None]
    fitted.scale[rows[done]] = r.scale[done] * factor[done, None]
    fitted.grounded[rows[done]] = grounded[done]


def _centre_ray(q: QueryView, r: ReferenceViews) -> Array:
    """(N, 3), z = 1: through where the query's crop has its centre as the neighbour's crop has."""
    centre_r = project(r.K, r.translation[:, None])[:, 0]
    low_r, low_q = r.bbox_xyxy[:, :2], q.bbox_xyxy[:, :2]
    size_r, size_q = r.bbox_xyxy[:, 2:] - low_r, q.bbox_xyxy[:, 2:] - low_q
    offset = (centre_r - (low_r + size_r / 2.0)) / size_r
    return rays(q.K, low_q + size_q / 2.0 + offset * size_q)


def _sound_references(r: ReferenceViews) -> Rows:
    finite = np.isfinite(
        np.concatenate(
            [r.rotation.reshape(-1, 9), r.translation, r.scale, r.bbox_xyxy, r.K.reshape(-1, 9)],
            axis=1,
        )
    ).all(axis=1)
    with np.errstate(invalid="ignore"):
        return np.asarray(
            finite
            & (r.scale > 0.0).all(axis=1)
            & (r.translation[:, 2] > 0.0)
            & (r.bbox_xyxy[:, 2:] > r.bbox_xyxy[:, :2]).all(axis=1)
            & (r.K[:, 0, 0] > 0.0)
            & (r.K[:, 1, 1] > 0.0)
        )


def _sound_queries(q: QueryView) -> Rows:
    sound = (
        np.isfinite(q.bbox_xyxy).all(axis=1)
        & np.isfinite(q.K).all(axis=(1, 2))
        & (q.bbox_xyxy[:, 2:] > q.bbox_xyxy[:, :2]).all(axis=1)
        & (q.K[:, 0, 0] > 0.0)
        & (q.K[:, 1, 1] > 0.0)
    )
    if q.plane_center is not None and q.plane_normal is not None:
        sound &= _is_plane(q.plane_center, q.plane_normal)
    return np.asarray(sound)


def _is_plane(center: Array, normal: Array) -> Rows:
    finite = np.isfinite(center).all(axis=1) & np.isfinite(normal).all(axis=1)
    return np.asarray(finite & (np.abs(normal).max(axis=1) > 0.0))


def _diagonal(bbox_xyxy: Array) -> Array:
    return np.asarray(np.hypot(*(bbox_xyxy[:, 2:] - bbox_xyxy[:, :2]).T))


def _query_rows(query: QueryView, count: int) -> QueryView:
    def rows(values: Array, *shape: int) -> Array:
        return np.broadcast_to(np.asarray(values, dtype=np.float64), (count, *shape))

    center, normal = query.plane_center, query.plane_normal
    return QueryView(
        bbox_xyxy=rows(query.bbox_xyxy, 4),
        K=rows(query.K, 3, 3),
        image_size=rows(query.image_size, 2),
        plane_center=None if center is None or normal is None else rows(center, 3),
        plane_normal=None if center is None or normal is None else rows(normal, 3),
    )


def _float_arrays(references: ReferenceViews) -> ReferenceViews:
    arrays = {
        field.name: np.asarray(getattr(references, field.name), dtype=np.float64)
        for field in fields(references)
    }
    return ReferenceViews(**arrays)


def _take_query(q: QueryView, rows: NDArray[np.intp]) -> QueryView:
    return QueryView(
        q.bbox_xyxy[rows],
        q.K[rows],
        q.image_size[rows],
        None if q.plane_center is None else q.plane_center[rows],
        None if q.plane_normal is None else q.plane_normal[rows],
    )


def _take_references(r: ReferenceViews, rows: NDArray[np.intp]) -> ReferenceViews:
    return ReferenceViews(*(getattr(r, field.name)[rows] for field in fields(r)))
