"""`posebank serve`: takes the port, runs the app under uvicorn, stops without losing a request."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from types import FrameType
from typing import Final

import uvicorn

from service.app import create_app
from service.desk import Desk
from service.exposure import check_exposure
from service.listen import listen, url_of
from service.logs import set_up_logging
from service.sample_index import prepare_sample
from service.settings import Settings
from service.writer import Writer

GRACE_SECONDS: Final = 0.5
"""For what was on its way when the server was told to stop: it is answered, if only with 503."""

LAST_SECONDS: Final = 2
"""For the last bytes of answers, once every request is answered."""


class DrainingServer(uvicorn.Server):
    """At the first SIGTERM or Ctrl+C takes no more requests, at a second waits for none."""

    def __init__(
        self, config: uvicorn.Config, desk: Desk, writer: Writer, drain_seconds: float
    ) -> None:
        super().__init__(config)
        self._desk = desk
        self._writer = writer
        self._drain_seconds = drain_seconds
        self._told_at: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begins to drain. The signal is not raised again, so that the process ends with 0."""
        if self._told_at is None and self.started:
            self._desk.admission.drain()
            self._told_at = time.monotonic()
        else:
            self.should_exit = True

    async def on_tick(self, counter: int) -> bool:
        """Called ten times a second: ends when every request is answered or time is up."""
        if self._told_at is not None:
            passed = time.monotonic() - self._told_at
            held = self._desk.held + self._writer.held
            done = passed > GRACE_SECONDS and not held
            self.should_exit |= done or passed > self._drain_seconds
        return await super().on_tick(counter)


def serve(settings: Settings, sample: Path | None = None) -> None:
    """Serves until stopped; one line says when the default index answers.

    ``sample`` is a folder like ``examples/``: its index is built first where the home has none.
    Raises PosebankError where the port is taken, others could reach it and there is no key, or
    the sample cannot be built.
    """
    set_up_logging(settings.log_format)
    taken = listen(settings.host, settings.port)
    check_exposure(settings, taken.getsockname()[0])
    if sample is not None:
        prepare_sample(settings, sample)
    host, port = taken.getsockname()[:2]
    app = create_app(settings, url=url_of(host, port))
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="on",
        timeout_graceful_shutdown=LAST_SECONDS,
    )
    with contextlib.suppress(KeyboardInterrupt):  # Ctrl+C is how one stops a server
        server = DrainingServer(config, app.state.desk, app.state.writer, settings.drain_seconds)
        server.run(sockets=[taken])
