"""Records of the gallery → schemas. No numbers are made here, only put into JSON's shape."""

from __future__ import annotations

import numpy as np

from index.answers import Consensus, FittedBox, FittedNeighbour, InstanceMatch, ReidAnswer
from index.search import StoredView
from service.schemas import answers
from service.schemas.answers import (
    Box,
    CameraOut,
    MatchedView,
    PlaneOut,
    PoseNeighbour,
    Recognised,
    ViewRef,
)
from service.schemas.catalog import KeypointOut, StoredBox, ViewOut
from training.data.records import Camera, Keypoints, Plane


def view_ref(view: StoredView) -> ViewRef:
    """A view as answers name it."""
    return ViewRef(
        id=view.key,
        dataset=view.dataset,
        sequence=view.sequence,
        frame=view.frame,
        instance=view.instance,
        category=view.category,
        split=view.split,
        thumbnail_url=f"/views/{view.key}/thumbnail",
    )


def view_out(view: StoredView) -> ViewOut:
    """A view with everything known about it."""
    box = view.box9
    x0, y0, x1, y1 = (float(value) for value in view.bbox_xyxy)
    return ViewOut(
        **view_ref(view).model_dump(),
        time_s=view.time_s,
        bbox=(x0, y0, x1, y1),
        image=view.image_reference,
        image_width=view.image_width,
        image_height=view.image_height,
        visibility=view.visibility,
        camera=None if view.camera is None else camera_out(view.camera),
        plane=None if view.plane is None else plane_out(view.plane),
        box=None
        if box is None
        else StoredBox(
            rotation=box.rotation.tolist(),
            translation_m=box.translation.tolist(),
            scale_m=box.scale.tolist(),
        ),
        keypoints=None if view.keypoints is None else keypoints_out(view.keypoints),
        attributes=dict(view.attributes),
    )


def keypoints_out(keypoints: Keypoints) -> list[KeypointOut]:
    """The landmarks that were annotated."""
    xyz = keypoints.xyz
    return [
        KeypointOut(
            name=keypoints.names[i],
            xy=tuple(keypoints.xy[i].tolist()),
            xyz_m=None if xyz is None or np.isnan(xyz[i]).any() else tuple(xyz[i].tolist()),
            visible=bool(keypoints.visible[i]),
        )
        for i in np.flatnonzero(keypoints.valid)
    ]


def camera_out(camera: Camera) -> CameraOut:
    """A camera without the size of its image."""
    return CameraOut(
        fx=float(camera.fx), fy=float(camera.fy), cx=float(camera.cx), cy=float(camera.cy)
    )


def plane_out(plane: Plane) -> PlaneOut:
    """A ground plane in JSON's shape."""
    return PlaneOut(center=tuple(plane.center.tolist()), normal=tuple(plane.normal.tolist()))


def box_out(box: FittedBox | None) -> Box | None:
    """A fitted box in JSON's shape."""
    if box is None:
        return None
    return Box(
        rotation=box.rotation.tolist(),
        translation_m=box.translation.tolist(),
        scale_m=box.scale.tolist(),
        vertices_m=box.vertices.tolist(),
        vertices_px=box.vertices_px.tolist(),
    )


def neighbour_out(found: FittedNeighbour) -> PoseNeighbour:
    """A neighbour with its box, or why it has none."""
    return PoseNeighbour(
        view=view_ref(found.neighbour.view),
        similarity=found.neighbour.similarity,
        box=box_out(found.box),
        reason=None if found.box is not None else found.reason,
    )


def consensus_out(consensus: Consensus) -> answers.Consensus:
    """What the neighbours say together."""
    symmetry = consensus.symmetry
    return answers.Consensus(
        box=box_out(consensus.box),
        hypothesis=box_out(consensus.hypothesis),
        confidence=consensus.confidence,
        agreement=consensus.agreement,
        members=list(consensus.members),
        symmetry=None
        if symmetry is None
        else answers.Symmetry(axis=symmetry.axis, fold=symmetry.fold, note=symmetry.note),
        reason=consensus.reason,
    )


def recognised(answer: ReidAnswer) -> Recognised:
    """The instances of a re-ID answer."""
    return Recognised(
        head=answer.head,
        note=answer.note,
        matches=[_match_out(match) for match in answer.matches],
    )


def _match_out(match: InstanceMatch) -> answers.InstanceMatch:
    return answers.InstanceMatch(
        dataset=match.dataset,
        instance=match.instance,
        category=match.category,
        similarity=match.similarity,
        count=match.count,
        views=[
            MatchedView(view=view_ref(found.view), similarity=found.similarity)
            for found in match.views
        ],
    )
