"""`posebank serve`: takes the port, then runs the app under uvicorn."""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path

import uvicorn

from service.app import create_app
from service.listen import listen
from service.sample_index import prepare_sample
from service.settings import Settings

log = logging.getLogger("posebank")


def serve(settings: Settings, sample: Path | None = None) -> None:
    """Serves until stopped; one line says when the default index answers.

    ``sample`` is a folder like ``examples/``: its index is built first where the home has none.
    Raises PosebankError where the port is taken or the sample cannot be built.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    for library in ("uvicorn.error", "alembic"):
        logging.getLogger(library).setLevel(logging.WARNING)
    taken = listen(settings.host, settings.port)
    if sample is not None:
        prepare_sample(settings, sample)
    host, port = taken.getsockname()[:2]
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host
    url = f"http://[{shown}]:{port}/" if ":" in shown else f"http://{shown}:{port}/"
    app = create_app(settings, url=url)
    config = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="on", timeout_graceful_shutdown=10
    )
    with contextlib.suppress(KeyboardInterrupt):  # Ctrl+C is how one stops a server
        uvicorn.Server(config).run(sockets=[taken])
