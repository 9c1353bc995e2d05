"""What the doctor says about one thing."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

State = Literal["ok", "note", "wrong"]


class Finding(BaseModel):
    """One thing looked at. ``note`` can be lived with; ``wrong`` keeps Posebank from serving."""

    what: str
    state: State
    detail: str
    remedy: str | None = None
