"""What is the pose of the thing in this crop."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from service.forms import read_question
from service.openapi import QUESTION_FORM, QUESTION_PROBLEMS
from service.questions import estimate_pose
from service.schemas.answers import PoseAnswer

router = APIRouter(prefix="/pose", tags=["questions"])


@router.post(
    "/estimate",
    summary="Nearest annotated views and the 9-DoF box that follows",
    response_model=PoseAnswer,
    openapi_extra=QUESTION_FORM,
    responses=QUESTION_PROBLEMS,
)
async def estimate(request: Request) -> Response:
    """The crop's nearest views by the `pose` head; each annotated one is fitted to the query."""
    state = request.app.state
    question = await read_question(request, state.settings)
    served = state.serving.pick(question.query.index)

    def work() -> str:
        return estimate_pose(served, question, state.settings).model_dump_json()

    return Response(await state.workers.run(work), media_type="application/json")
