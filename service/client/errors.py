"""What a client raises: the server refused, or there was no answer."""

from __future__ import annotations

import httpx

from service.schemas.problem import Problem
from training.errors import PosebankError


class ProblemError(PosebankError):
    """The server refused; ``problem`` is what it said."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail, problem.remedy)
        self.problem = problem

    @classmethod
    def of(cls, answer: httpx.Response) -> ProblemError:
        """The problem an answer holds, or one saying that it holds none."""
        try:
            return cls(Problem.model_validate_json(answer.content))
        except ValueError:
            return cls(
                Problem(
                    type="about:blank",
                    title=answer.reason_phrase or "Unknown",
                    status=answer.status_code,
                    detail=f"{answer.url} answered {answer.status_code} with "
                    f"{answer.headers.get('content-type', 'no type')}, as Posebank never does.",
                    remedy="See whether a proxy answers in place of Posebank.",
                    instance="",
                )
            )


class UnreachableError(PosebankError):
    """No answer came: nothing listens, the connection broke, or the time ran out."""
