"""An erasure that cannot be completed is told once, and tried a tenth of the time at most."""

from __future__ import annotations

import asyncio
import logging
import time
from types import SimpleNamespace
from typing import Any, cast

import pytest
from fastapi import FastAPI

from index.enrolment import Rewritten
from service import app as application
from service.serving import Serving
from service.writer import Writer
from training.errors import GalleryError


class Damaged:
    """A Serving whose index has a damaged version, dropped before the fourth try."""

    def __init__(self) -> None:
        self.tries = 0

    def finish_erasures(self) -> tuple[Rewritten, ...]:
        self.tries += 1
        time.sleep(0.02)
        if self.tries < 4:
            raise GalleryError("Version a of 'toys' is damaged.", "Drop it.")
        return (Rewritten("toys", "b", "c"),)

    def follow(self) -> None:
        pass


def test_it_is_told_once_and_seldom_tried(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(application, "ERASURE_RETRY_SECONDS", 0.0)
    caplog.set_level(logging.INFO, "posebank")
    serving = Damaged()

    async def test() -> float:
        state = SimpleNamespace(serving=serving, writer=Writer(cast(Serving, serving)))
        began = time.monotonic()
        task = asyncio.create_task(
            application._finish_erasures(cast(FastAPI, cast(Any, SimpleNamespace(state=state))))
        )
        while serving.tries < 4:
            await asyncio.sleep(0.005)
        spent = time.monotonic() - began
        while "became" not in caplog.text:
            await asyncio.sleep(0.005)
        task.cancel()
        return spent

    assert asyncio.run(test()) >= 3 * 10 * 0.02
    assert caplog.messages == [
        "an erasure waits: Version a of 'toys' is damaged. Drop it.",
        "finished erasing from toys: b became c",
    ]
