"""Which known instance is the thing in this crop."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from service.forms import read_question
from service.openapi import QUESTION_FORM, QUESTION_PROBLEMS
from service.questions import search_reid
from service.schemas.answers import ReidAnswer

router = APIRouter(prefix="/reid", tags=["questions"])


@router.post(
    "/search",
    summary="Known instances that the crop may be",
    response_model=ReidAnswer,
    openapi_extra=QUESTION_FORM,
    responses=QUESTION_PROBLEMS,
)
async def search(request: Request) -> Response:
    """Instances by their nearest view under the `identity` head, or `pose` where it is missing."""
    state = request.app.state
    question = await read_question(request, state.settings)
    served = state.serving.pick(question.query.index)

    def work() -> str:
        return search_reid(served, question, state.settings).model_dump_json()

    return Response(await state.workers.run(work), media_type="application/json")
