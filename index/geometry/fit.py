"""The 9-DoF fit: annotated neighbours' boxes carried into the query's image, all N at once.

The zero-shot fit of "Pose-informed embeddings" as its released code has it: the centre keeps its
place in the 2-D box, the box turns by the smallest rotation between the plane normals and stands
at the neighbour's height on the query's plane, then is scaled and set down again a few times.
Where a plane is missing, ours: turn with the viewing ray, keep the size, move along the ray.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from index.geometry.box import UNIT_BOX
from index.geometry.camera import project, rays
from index.geometry.pairs import Pairs, Rows
from index.geometry.placement import HangingBoxes, move_to_size, scale_and_snap
from index.geometry.plane import PARALLEL_BELOW, rotation_between, signed_distance
from index.geometry.views import (
    BOX_BEHIND_CAMERA,
    BOX_OUTSIDE_IMAGE,
    OK,
    OPPOSITE_NORMALS,
    PLANE_BEHIND_CAMERA,
    RAY_PARALLEL_TO_PLANE,
    FittedBoxes,
    QueryView,
    ReferenceViews,
)

Array = NDArray[np.float64]


def fit_boxes(
    query: QueryView, references: ReferenceViews, steps: int = 4, clip_to_image: bool = True
) -> FittedBoxes:
    """Each neighbour's box as the query shows it, or the reason why there is none.

    ``steps`` rounds of scale and snap (4: released code, which is the paper's n = 3 after a first
    one); ``clip_to_image`` clips all 2-D boxes to their images before their sizes are compared
    (released code). Never NaN: see FittedBoxes. Raises ValueError for arrays of other shapes.
    """
    pairs = Pairs.of(query, references, clip_to_image)
    reason = pairs.reasons(query_has_plane=query.plane_normal is not None)
    fitted = FittedBoxes.none(reason)
    rows = _where(reason == OK)
    if rows is not None:
        _fit_sound(fitted, rows, pairs.take(rows), steps, clip_to_image)
    return fitted


def _fit_sound(
    fitted: FittedBoxes, rows: Rows, pairs: Pairs, steps: int, clip_to_image: bool
) -> None:
    """Fills these rows of ``fitted``, which ``pairs`` holds alone."""
    ray = _centre_rays(pairs)
    grounded = pairs.have_planes()
    turn, opposite = rotation_between(
        np.where(grounded[:, None], pairs.plane_normal, pairs.translation),
        np.where(grounded[:, None], pairs.q_plane_normal, ray),
    )
    rotation = turn @ pairs.rotation
    boxes = HangingBoxes.of(
        (UNIT_BOX[1:] * pairs.scale[:, None]) @ rotation.transpose(0, 2, 1),
        ray,
        pairs.q_intrinsics,
        pairs.q_image_size if clip_to_image else None,
    )
    factor, depth = np.ones(len(ray)), np.ones(len(ray))
    reason = np.where(opposite, OPPOSITE_NORMALS, OK)
    on_plane, elsewhere = _where(grounded), _where(~grounded)
    if on_plane is not None:
        factor[on_plane], depth[on_plane], parallel = _stand(
            pairs.take(on_plane), ray[on_plane], boxes.take(on_plane), steps
        )
        reason[on_plane] = np.where(parallel, RAY_PARALLEL_TO_PLANE, reason[on_plane])
    if elsewhere is not None:
        depth[elsewhere] = _hang(pairs.take(elsewhere), boxes.take(elsewhere), steps)
    diagonal, in_front = boxes.diagonal(factor, depth)
    for wrong, code in (
        (depth <= 0.0, PLANE_BEHIND_CAMERA),
        (~in_front, BOX_BEHIND_CAMERA),
        (diagonal == 0.0, BOX_OUTSIDE_IMAGE),
    ):
        reason[wrong & (reason == OK)] = code
    done = reason == OK
    fitted.reason[rows] = reason
    fitted.grounded[rows] = grounded & done
    fitted.rotation[rows] = np.where(done[:, None, None], rotation, 0.0)
    fitted.translation[rows] = np.where(done[:, None], ray * depth[:, None], 0.0)
    fitted.scale[rows] = np.where(done[:, None], pairs.scale * factor[:, None], 0.0)


def _centre_rays(pairs: Pairs) -> Array:
    """(N, 3), z = 1: through the point that lies in the query's 2-D box as the neighbour's box
    centre lies in its own."""
    centre = project(pairs.intrinsics, pairs.translation[:, None])[:, 0]
    size, q_size = pairs.bbox[:, 2:] - pairs.bbox[:, :2], pairs.q_bbox[:, 2:] - pairs.q_bbox[:, :2]
    return rays(
        pairs.q_intrinsics, pairs.q_bbox[:, :2] + (centre - pairs.bbox[:, :2]) / size * q_size
    )


def _stand(
    pairs: Pairs, ray: Array, boxes: HangingBoxes, steps: int
) -> tuple[Array, Array, NDArray[np.bool_]]:
    """``(factor, depth, parallel)`` of boxes standing on the query's plane."""
    normal = pairs.q_plane_normal
    up = normal / np.sqrt(np.einsum("ni,ni->n", normal, normal))[:, None]
    ray_up = np.einsum("ni,ni->n", ray, up)
    parallel = np.abs(ray_up) < PARALLEL_BELOW * np.sqrt(np.einsum("ni,ni->n", ray, ray))
    factor, depth = scale_and_snap(
        boxes,
        _diagonal(pairs.q_bbox),
        np.einsum("ni,ni->n", pairs.q_plane_center, up),
        np.where(parallel, 1.0, ray_up),
        np.abs(signed_distance(pairs.translation, pairs.plane_center, pairs.plane_normal)),
        steps,
    )
    return factor, depth, parallel


def _hang(pairs: Pairs, boxes: HangingBoxes, steps: int) -> Array:
    """(N,) depth of boxes that keep their size."""
    diagonal = _diagonal(pairs.q_bbox)
    # The first guess is by similar triangles: focal lengths and the diagonals of the two crops.
    guess = pairs.translation[:, 2] * _diagonal(pairs.bbox) / diagonal
    return move_to_size(
        boxes, diagonal, guess * pairs.q_intrinsics[:, 1, 1] / pairs.intrinsics[:, 1, 1], steps
    )


def _diagonal(bbox_xyxy: Array) -> Array:
    return np.hypot(bbox_xyxy[:, 2] - bbox_xyxy[:, 0], bbox_xyxy[:, 3] - bbox_xyxy[:, 1])


def _where(mask: NDArray[np.bool_]) -> Rows | None:
    """The rows of a mask: None for none, a slice (no copies) for all."""
    if mask.all():
        return slice(None) if mask.size else None
    rows = np.nonzero(mask)[0]
    return rows if rows.size else None
