"""The questions about a crop, what is its pose and which known instance is it, and the question
about a clip, which action does it show."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from fastapi import APIRouter, Request, Response

from index.search import Filters
from service.actions import search_actions
from service.desk import Turn
from service.forms import Clip, Question, read_clip, read_question
from service.openapi import CLIP_FORM, QUESTION_FORM, QUESTION_PROBLEMS
from service.questions import estimate_pose, filters_of, search_reid
from service.schemas.actions import ActionAnswer
from service.schemas.answers import PoseAnswer, ReidAnswer
from service.security import Asker, Caller
from service.serving import ServedIndex
from service.settings import Settings
from service.visible import pick

router = APIRouter(tags=["questions"])
DOCUMENTED: dict[str, Any] = {"openapi_extra": QUESTION_FORM, "responses": QUESTION_PROBLEMS}

Q = TypeVar("Q", Question, Clip)


@router.post(
    "/pose/estimate",
    summary="Nearest annotated views and the 9-DoF box that follows",
    response_model=PoseAnswer,
    **DOCUMENTED,
)
async def estimate(request: Request, caller: Asker) -> Response:
    """The crop's nearest views by the `pose` head; each annotated one is fitted to the query."""
    return await _answer(request, caller, read_question, estimate_pose)


@router.post(
    "/reid/search",
    summary="Known instances that the crop may be",
    response_model=ReidAnswer,
    **DOCUMENTED,
)
async def search(request: Request, caller: Asker) -> Response:
    """Instances by their nearest view under the `identity` head, or `pose` where it is missing."""
    return await _answer(request, caller, read_question, search_reid)


@router.post(
    "/actions/search",
    summary="The action that the images of a clip show",
    response_model=ActionAnswer,
    openapi_extra=CLIP_FORM,
    responses=QUESTION_PROBLEMS,
)
async def actions(request: Request, caller: Asker) -> Response:
    """Each image's nearest views by the `pose` head share its vote for their categories."""
    return await _answer(request, caller, read_clip, search_actions)


async def _answer(
    request: Request,
    caller: Caller,
    read: Callable[[Request, Settings], Awaitable[Q]],
    ask: Callable[[Turn, ServedIndex, Q, Filters], Awaitable[str]],
) -> Response:
    state = request.app.state
    state.desk.admission.check()  # before megabytes are read that could not be answered
    question = await read(request, state.settings)
    served = pick(state.serving, question.query.index, caller)
    filters = caller.limit(filters_of(question.query.filters))
    images = len(question.images) if isinstance(question, Clip) else 1
    async with state.desk.take(request, images) as turn:
        return Response(await ask(turn, served, question, filters), media_type="application/json")
