"""The body of every error (RFC 9457)."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class FieldError(BaseModel):
    """One field that was wrong."""

    where: str = Field(description="Dotted place in the request, such as `bbox.2`.")
    message: str = Field(description="What is wrong with it.")


class Problem(BaseModel):
    """An error, with what to do about it."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "type": "urn:posebank:problem:invalid-request",
                "title": "The request is not as documented",
                "status": 422,
                "detail": "k: is 5000, above the limit of 200",
                "remedy": "Ask for 1 to 200 neighbours.",
                "instance": "urn:posebank:request:5b0c6cbd-54ec-4ff5-a2c5-6ad8b0f6b46a",
                "errors": [{"where": "k", "message": "is 5000, above the limit of 200"}],
            }
        }
    )

    type: str = Field(description="The kind of problem, `urn:posebank:problem:<slug>`.")
    title: str = Field(description="The kind in words; the same for every problem of this type.")
    status: int = Field(description="The HTTP status, again.")
    detail: str = Field(description="What was wrong this time, with the value and the limit.")
    remedy: str = Field(description="What to do about it, in one line.")
    instance: str = Field(description="This request; the server's log names it too.")
    errors: list[FieldError] | None = Field(
        default=None, description="Each wrong field of the request, where fields were wrong."
    )
