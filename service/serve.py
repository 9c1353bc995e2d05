"""`posebank serve`: takes the port, runs the app under uvicorn, stops without losing a request."""

from __future__ import annotations

import contextlib
import logging
import time
from pathlib import Path
from types import FrameType
from typing import Final

import uvicorn
from fastapi import FastAPI

from service.app import create_app
from service.exposure import check_exposure
from service.listen import listen
from service.sample_index import prepare_sample
from service.settings import Settings

log = logging.getLogger("posebank")

LAST_SECONDS: Final = 2
"""For the last bytes of answers, once every question is answered."""


class DrainingServer(uvicorn.Server):
    """At the first SIGTERM or Ctrl+C takes no more questions, at a second waits for none."""

    def __init__(self, config: uvicorn.Config, app: FastAPI, drain_seconds: float) -> None:
        super().__init__(config)
        self._app = app
        self._drain_seconds = drain_seconds
        self._stop_at: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begins to drain. The signal is not raised again, so that the process ends with 0."""
        if self._stop_at is None and self.started:
            self._app.state.desk.admission.drain()
            self._stop_at = time.monotonic() + self._drain_seconds
        else:
            self.should_exit = True

    async def on_tick(self, counter: int) -> bool:
        """Called ten times a second: ends when every question is answered or time is up."""
        if self._stop_at is not None:
            idle = not self._app.state.desk.admission.held
            self.should_exit |= idle or time.monotonic() > self._stop_at
        return await super().on_tick(counter)


def serve(settings: Settings, sample: Path | None = None) -> None:
    """Serves until stopped; one line says when the default index answers.

    ``sample`` is a folder like ``examples/``: its index is built first where the home has none.
    Raises PosebankError where the port is taken, others could reach it and there is no key, or
    the sample cannot be built.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    for library in ("uvicorn.error", "alembic"):
        logging.getLogger(library).setLevel(logging.WARNING)
    taken = listen(settings.host, settings.port)
    check_exposure(settings, taken.getsockname()[0])
    if sample is not None:
        prepare_sample(settings, sample)
    host, port = taken.getsockname()[:2]
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host
    url = f"http://[{shown}]:{port}/" if ":" in shown else f"http://{shown}:{port}/"
    app = create_app(settings, url=url)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="on",
        timeout_graceful_shutdown=LAST_SECONDS,
    )
    with contextlib.suppress(KeyboardInterrupt):  # Ctrl+C is how one stops a server
        DrainingServer(config, app, settings.drain_seconds).run(sockets=[taken])
