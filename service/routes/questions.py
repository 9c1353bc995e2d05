"""The questions about a crop, what is its pose and which known instance is it, and the question
about a clip, which action does it show."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from service.actions import search_actions
from service.forms import Clip, Question, read_clip, read_question
from service.openapi import CLIP_FORM, QUESTION_FORM, QUESTION_PROBLEMS
from service.questions import estimate_pose, search_reid
from service.schemas.actions import ActionAnswer
from service.schemas.answers import PoseAnswer, ReidAnswer
from service.serving import ServedIndex
from service.settings import Settings

router = APIRouter(tags=["questions"])
DOCUMENTED: dict[str, Any] = {"openapi_extra": QUESTION_FORM, "responses": QUESTION_PROBLEMS}

Q = TypeVar("Q", Question, Clip)


@router.post(
    "/pose/estimate",
    summary="Nearest annotated views and the 9-DoF box that follows",
    response_model=PoseAnswer,
    **DOCUMENTED,
)
async def estimate(request: Request) -> Response:
    """The crop's nearest views by the `pose` head; each annotated one is fitted to the query."""
    return await _answer(request, read_question, estimate_pose)


@router.post(
    "/reid/search",
    summary="Known instances that the crop may be",
    response_model=ReidAnswer,
    **DOCUMENTED,
)
async def search(request: Request) -> Response:
    """Instances by their nearest view under the `identity` head, or `pose` where it is missing."""
    return await _answer(request, read_question, search_reid)


@router.post(
    "/actions/search",
    summary="The action that the images of a clip show",
    response_model=ActionAnswer,
    openapi_extra=CLIP_FORM,
    responses=QUESTION_PROBLEMS,
)
async def actions(request: Request) -> Response:
    """Each image's nearest views by the `pose` head share its vote for their categories."""
    return await _answer(request, read_clip, search_actions)


async def _answer(
    request: Request,
    read: Callable[[Request, Settings], Awaitable[Q]],
    ask: Callable[[ServedIndex, Q, Settings], BaseModel],
) -> Response:
    state = request.app.state
    question = await read(request, state.settings)
    served = state.serving.pick(question.query.index)

    def work() -> str:  # the JSON too is made in the worker, off the event loop
        return ask(served, question, state.settings).model_dump_json()

    return Response(await state.workers.run(work), media_type="application/json")
