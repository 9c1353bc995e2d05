"""A small typed client of the service: the routes as methods, problems as exceptions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from service.schemas.actions import ActionAnswer, ActionRequest
from service.schemas.answers import PoseAnswer, ReidAnswer
from service.schemas.catalog import IndexList, IndexOut, ViewOut
from service.schemas.problem import Problem
from service.schemas.query import QueryRequest
from training.errors import PosebankError

Image = bytes | Path
Question = QueryRequest | Mapping[str, Any] | None
ClipQuestion = ActionRequest | Mapping[str, Any] | None


class ProblemError(PosebankError):
    """The server refused; ``problem`` is what it said."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail, problem.remedy)
        self.problem = problem


class Client:
    """Asks the server at ``url``. Close it, or use it in a ``with`` block."""

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        timeout: float = 30.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._http = httpx.Client(base_url=url, timeout=timeout, transport=transport)

    def estimate_pose(self, image: Image, request: Question = None) -> PoseAnswer:
        """Nearest annotated views of a crop and its 9-DoF box. Raises ProblemError."""
        return PoseAnswer.model_validate_json(self._ask("/pose/estimate", [image], request).content)

    def search_reid(self, image: Image, request: Question = None) -> ReidAnswer:
        """Known instances that a crop may be. Raises ProblemError."""
        return ReidAnswer.model_validate_json(self._ask("/reid/search", [image], request).content)

    def search_actions(self, images: Sequence[Image], request: ClipQuestion = None) -> ActionAnswer:
        """The action that the images of a clip, in order of time, show. Raises ProblemError.

        ``service.clips.clip_images`` takes the images from a video file.
        """
        answer = self._ask("/actions/search", images, request)
        return ActionAnswer.model_validate_json(answer.content)

    def indexes(self) -> list[IndexOut]:
        """The indexes of the server's home."""
        return IndexList.model_validate_json(self._send("GET", "/indexes").content).indexes

    def view(self, view_id: str) -> ViewOut:
        """Everything known about a view. Raises ProblemError where there is none."""
        return ViewOut.model_validate_json(self._send("GET", f"/views/{view_id}").content)

    def thumbnail(self, view_id: str) -> bytes:
        """The JPEG of a view's crop. Raises ProblemError where there is none."""
        return self._send("GET", f"/views/{view_id}/thumbnail").content

    def close(self) -> None:
        """Gives the connections back."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _ask(
        self, route: str, images: Sequence[Image], request: Question | ClipQuestion
    ) -> httpx.Response:
        files = [
            ("image", (image.name, image.read_bytes()))
            if isinstance(image, Path)
            else ("image", ("image", image))
            for image in images
        ]
        if isinstance(request, QueryRequest | ActionRequest):
            text = request.model_dump_json(exclude_none=True)
        else:
            text = json.dumps(dict(request or {}))
        form = {"request": text}
        return self._send("POST", route, files=files, data=form)

    def _send(self, method: str, route: str, **content: Any) -> httpx.Response:
        answer = self._http.request(method, route, **content)
        if answer.is_success:
            return answer
        try:
            problem = Problem.model_validate_json(answer.content)
        except ValueError:
            problem = Problem(
                type="about:blank",
                title=answer.reason_phrase,
                status=answer.status_code,
                detail=f"{answer.url} answered {answer.status_code} without a problem.",
                remedy="See whether a proxy answers in place of Posebank.",
                instance="",
            )
        raise ProblemError(problem)
