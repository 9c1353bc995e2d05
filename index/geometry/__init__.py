"""Pure functions on float64 arrays: cameras, planes, 9-DoF boxes, exact 3-D IoU, the box fit.

OpenCV camera frame (x right, y down, z forward), metres, pixel centres at integers.
NumPy and SciPy only; docs/conventions.md draws every frame.
"""

from index.geometry.box import (
    UNIT_BOX,
    box_vertices,
    clip_bbox,
    fit_axes_to_vertices,
    fit_box_to_vertices,
    projected_bbox,
)
from index.geometry.camera import project, rays
from index.geometry.fit import fit_boxes
from index.geometry.iou import (
    affine_iou_3d,
    affine_iou_3d_pairs,
    iou_3d,
    iou_3d_pairs,
    symmetric_iou,
)
from index.geometry.plane import intersect_rays, rotation_between, signed_distance
from index.geometry.rotation import rotation_defect
from index.geometry.views import OK, REASONS, FittedBoxes, QueryView, ReferenceViews

__all__ = [
    "OK",
    "REASONS",
    "UNIT_BOX",
    "FittedBoxes",
    "QueryView",
    "ReferenceViews",
    "affine_iou_3d",
    "affine_iou_3d_pairs",
    "box_vertices",
    "clip_bbox",
    "fit_axes_to_vertices",
    "fit_box_to_vertices",
    "fit_boxes",
    "intersect_rays",
    "iou_3d",
    "iou_3d_pairs",
    "project",
    "projected_bbox",
    "rays",
    "rotation_between",
    "rotation_defect",
    "signed_distance",
    "symmetric_iou",
]
