"""The two questions about a crop: what is its pose, and which known instance is it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from service.forms import Question, read_question
from service.openapi import QUESTION_FORM, QUESTION_PROBLEMS
from service.questions import estimate_pose, search_reid
from service.schemas.answers import PoseAnswer, ReidAnswer
from service.serving import ServedIndex
from service.settings import Settings

router = APIRouter(tags=["questions"])
DOCUMENTED: dict[str, Any] = {"openapi_extra": QUESTION_FORM, "responses": QUESTION_PROBLEMS}


@router.post(
    "/pose/estimate",
    summary="Nearest annotated views and the 9-DoF box that follows",
    response_model=PoseAnswer,
    **DOCUMENTED,
)
async def estimate(request: Request) -> Response:
    """The crop's nearest views by the `pose` head; each annotated one is fitted to the query."""
    return await _answer(request, estimate_pose)


@router.post(
    "/reid/search",
    summary="Known instances that the crop may be",
    response_model=ReidAnswer,
    **DOCUMENTED,
)
async def search(request: Request) -> Response:
    """Instances by their nearest view under the `identity` head, or `pose` where it is missing."""
    return await _answer(request, search_reid)


async def _answer(
    request: Request, ask: Callable[[ServedIndex, Question, Settings], BaseModel]
) -> Response:
    state = request.app.state
    question = await read_question(request, state.settings)
    served = state.serving.pick(question.query.index)

    def work() -> str:  # the JSON too is made in the worker, off the event loop
        return ask(served, question, state.settings).model_dump_json()

    return Response(await state.workers.run(work), media_type="application/json")
