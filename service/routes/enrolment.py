"""Views put into an index while it is served, and taken out of it for good."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel

from index.enrolment import Erased, enrol, erase_instance, erase_views
from index.search import parse_view_key
from service.enrolment import new_views, refusal_of
from service.forms import Enrolment, read_batch, read_enrolment
from service.openapi import BATCH_FORM, ENROL_FORM, ENROL_PROBLEMS, problems
from service.problems import RefusedError
from service.routes.views import ViewId, unknown_view
from service.schemas.catalog import ViewOut
from service.schemas.enrolment import DatasetName, Deleted, EnrolledBatch, Rewritten, StoredName
from service.security import Caller, Enroller
from service.serving import ServedIndex, Serving
from service.settings import Settings
from service.shapes import view_out
from service.visible import pick
from training.errors import EnrolmentError

router = APIRouter(tags=["enrolment"])
PATIENCE_S = 2.0
"""How long a deletion waits for a build to leave the files; all other changes wait with it."""

REFUSALS = (
    "invalid-request",
    "busy",
    "deadline",
    "draining",
    "not-written",
    "not-ready",
    "storage-full",
)


@router.post(
    "/views",
    status_code=201,
    summary="Put an annotated view into an index",
    response_model=ViewOut,
    openapi_extra=ENROL_FORM,
    responses=ENROL_PROBLEMS,
)
async def enrol_view(request: Request, caller: Enroller) -> Response:
    """Answered once it is on the disk and found by questions. The very same view again is answered
    in the same way and stored once."""
    (view,) = await _enrol(request, caller, read_enrolment)
    return _created(view, {"Location": f"/views/{view.id}"})


@router.post(
    "/views:batch",
    status_code=201,
    summary="Put many annotated views into an index, all or none",
    response_model=EnrolledBatch,
    openapi_extra=BATCH_FORM,
    responses=ENROL_PROBLEMS,
)
async def enrol_batch(request: Request, caller: Enroller) -> Response:
    """As one view; a refusal names what is wrong by position, such as `views.3`."""
    return _created(EnrolledBatch(views=await _enrol(request, caller, read_batch)))


@router.delete(
    "/views/{view_id}", summary="Delete a view", responses=problems("unknown-view", *REFUSALS)
)
async def delete_view(request: Request, caller: Enroller, view_id: ViewId) -> Deleted:
    """Its row, its thumbnail, and its vector in the database and in the files of every version."""
    number = parse_view_key(view_id)
    state = request.app.state
    catalog = state.serving.catalog()
    view = None
    if number is not None:
        view = await state.desk.look_up(request, lambda: catalog.view(number))
    if view is None or not caller.may_see(view.dataset):
        raise unknown_view(view_id)
    erased = await state.writer.run(lambda: erase_views(catalog.home, [view.id], PATIENCE_S))
    if not erased.views:
        raise unknown_view(view_id)
    return _deleted(erased)


@router.delete(
    "/instances/{instance:path}",
    summary="Delete all views of an instance",
    responses=problems("unknown-instance", *REFUSALS),
)
async def delete_instance(
    request: Request,
    caller: Enroller,
    instance: Annotated[StoredName, Path(examples=["drill-7"])],
    dataset: Annotated[DatasetName, Query(examples=["workshop"])],
) -> Deleted:
    """Whichever index they are in; see the deletion of a view for what goes."""
    _check_datasets(caller, dataset)
    state = request.app.state
    state.desk.admission.check_open()
    home = state.serving.catalog().home
    erased = await state.writer.run(lambda: erase_instance(home, dataset, instance, PATIENCE_S))
    if not erased.views:
        raise RefusedError(
            "unknown-instance",
            f"Dataset {dataset!r} has no view of an instance {instance!r}.",
            "Take both from GET /views; it may have been deleted before.",
        )
    return _deleted(erased)


async def _enrol(
    request: Request,
    caller: Caller,
    read: Callable[[Request, Settings], Awaitable[Enrolment]],
) -> list[ViewOut]:
    state = request.app.state
    state.desk.admission.check()  # before megabytes are read that could not be taken
    enrolment = await read(request, state.settings)
    _check_datasets(caller, *(view.dataset for view in enrolment.request.views))
    served = _index(state.serving, enrolment.request.index, caller)
    async with state.desk.take(request, len(enrolment.images)) as turn:
        views = await new_views(turn, served, enrolment)
    home, name, identity = served.gallery.home, served.gallery.name, served.encoder.identity
    try:
        stored = await state.writer.run(lambda: enrol(home, name, identity, views))
    except EnrolmentError as error:
        raise refusal_of(error, len(views)) from error
    return [view_out(view) for view in stored]


def _index(serving: Serving, name: str | None, caller: Caller) -> ServedIndex:
    """The index to join: also one that holds nothing yet of what the caller may see."""
    found = serving.served.get(name or serving.default_name or "")
    return found or pick(serving, name, caller)


def _check_datasets(caller: Caller, *datasets: str) -> None:
    for dataset in datasets:
        if not caller.may_see(dataset):
            raise RefusedError(
                "forbidden",
                f"The key {caller.name!r} may not change dataset {dataset!r}.",
                "Use a key for that dataset, or for all.",
            )


def _created(answer: BaseModel, headers: dict[str, str] | None = None) -> Response:
    return Response(
        answer.model_dump_json(), status_code=201, headers=headers, media_type="application/json"
    )


def _deleted(erased: Erased) -> Deleted:
    return Deleted(
        views=erased.views,
        versions=[
            Rewritten(index=one.name, before=one.old, after=one.new) for one in erased.versions
        ],
    )
