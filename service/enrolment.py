"""Views with their images → views to store: every crop embedded by the encoder of the index, its
annotations checked against the image."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence

import numpy as np

from index.enrolment import NewView
from index.geometry import box_vertices, projected_bbox
from service.desk import Turn
from service.forms import Enrolment
from service.problems import KINDS, RefusedError, slug_of
from service.questions import Embedded, embed
from service.records import box_of, camera_of, keypoints_of, plane_of
from service.schemas.enrolment import ViewIn
from service.schemas.problem import FieldError
from service.serving import ServedIndex
from training.data.records import Box9, Camera
from training.errors import EnrolmentError, PosebankError, ViewExistsError

TRANSIENT = (429, 503)


async def new_views(turn: Turn, served: ServedIndex, enrolment: Enrolment) -> list[NewView]:
    """The views of an enrolment, in their order.

    Raises RefusedError, which of several names each that cannot be used by its position.
    """
    views = enrolment.request.views
    made = await asyncio.gather(
        *(
            _new_view(turn, served, image, view)
            for image, view in zip(enrolment.images, views, strict=True)
        ),
        return_exceptions=True,
    )
    _raise_refusals(made)
    return [view for view in made if isinstance(view, NewView)]


async def _new_view(turn: Turn, served: ServedIndex, image: bytes, view: ViewIn) -> NewView:
    crop = await embed(turn, served, image, view.bbox, with_thumbnail=True)
    assert crop.thumbnail is not None
    camera, box = camera_of(view.camera, crop.width, crop.height), box_of(view.box)
    if camera is not None and box is not None:
        _check_box_in_crop(camera, box, crop)
    digest = await turn.run(lambda: hashlib.sha256(image).hexdigest()[:16])
    return NewView(
        dataset=view.dataset,
        instance=view.instance,
        category=view.category,
        sequence=view.sequence or digest,
        frame=view.frame,
        time_s=view.time_s,
        split=view.split,
        image_reference=f"sha256:{digest}",
        image_width=crop.width,
        image_height=crop.height,
        bbox_xyxy=np.array(crop.bbox),
        camera=camera,
        plane=plane_of(view.plane),
        box9=box,
        keypoints=keypoints_of(view.keypoints),
        attributes=view.attributes,
        vectors=crop.embeddings,
        thumbnail=crop.thumbnail,
    )


def _check_box_in_crop(camera: Camera, box: Box9, crop: Embedded) -> None:
    """Refuses a box that is seen elsewhere than the crop: of another frame, unit or camera."""
    vertices = box_vertices(box.rotation, box.translation, box.scale)
    seen = projected_bbox(camera.matrix, vertices)
    x0, y0 = np.maximum(seen[:2], crop.bbox[:2])
    x1, y1 = np.minimum(seen[2:], crop.bbox[2:])
    if x0 >= x1 or y0 >= y1:
        shown, asked = (", ".join(f"{side:.4g}" for side in sides) for sides in (seen, crop.bbox))
        raise RefusedError(
            "invalid-request",
            f"The camera sees the box at [{shown}], which has no pixel of the bbox [{asked}].",
            "Give the box in the camera frame (x right, y down, z forward, metres) and the camera "
            "in pixels of the upright image.",
        )


def refusal_of(error: EnrolmentError, count: int) -> RefusedError:
    """What the store says against one of ``count`` views, as a refusal."""
    slug = "view-exists" if isinstance(error, ViewExistsError) else "invalid-request"
    errors = []
    if count > 1 and error.position is not None:
        errors = [FieldError(where=f"views.{error.position}", message=str(error))]
    return RefusedError(slug, error.message, error.remedy, errors)


def _raise_refusals(made: Sequence[NewView | BaseException]) -> None:
    """Raises what the first of several raised, with the reasons of all in ``errors``."""
    found = {i: error for i, error in enumerate(made) if isinstance(error, BaseException)}
    for error in found.values():
        if not isinstance(error, PosebankError) or KINDS[slug_of(error)][0] in TRANSIENT:
            raise error
    if not found:
        return
    first = next(iter(found.values()))
    assert isinstance(first, PosebankError)
    if len(made) == 1:
        raise first
    errors = [FieldError(where=f"views.{i}", message=str(error)) for i, error in found.items()]
    raise RefusedError(
        slug_of(first),
        f"{len(found)} of {len(made)} views cannot be enrolled, so none was: "
        + "; ".join(f"{error.where}: {error.message}" for error in errors),
        "Correct the views named under errors, counted from 0, and send all again.",
        errors,
    ) from first
