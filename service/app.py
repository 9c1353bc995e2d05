"""The application: settings in, routes out, and the task that keeps the indexes fresh."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator

from fastapi import FastAPI

from index.catalog import WAIT_PER_SECOND_TRIED
from index.enrolment import Rewritten
from service.desk import Desk
from service.key_ring import KeyRing
from service.maps import Maps
from service.metrics import Metrics
from service.middleware import FORM_OVERHEAD_BYTES, BodyLimit, RequestFrame
from service.openapi import install_openapi
from service.problems import RefusedError, install_problem_handlers
from service.request_log import RequestLog
from service.routes import (
    enrolment,
    health,
    indexes,
    listing,
    map,
    metrics,
    page,
    questions,
    samples,
    views,
)
from service.serving import Serving
from service.settings import Settings
from service.version import TITLE, VERSION
from service.workers import abandonable
from service.writer import Writer

log = logging.getLogger("posebank")

ERASURE_RETRY_SECONDS = 5.0
"""Between tries to complete a deletion that could not be finished, at least."""

DESCRIPTION = (
    "Ask one crop of an image: which annotated views look like it, what 9-DoF box follows from "
    "them, which known instance is it. Errors are RFC 9457 problem+json with a `remedy`."
)


def create_app(settings: Settings, url: str | None = None) -> FastAPI:
    """The service. ``url`` is where it will be reached, for the line that says it is ready."""
    app = FastAPI(
        title=TITLE,
        version=VERSION,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
    )
    app.state.settings = settings
    app.state.url = url
    app.state.key_ring = KeyRing(settings)
    app.state.serving = Serving(settings)
    app.state.metrics = Metrics(app.state.serving)
    app.state.desk = Desk(settings, app.state.metrics)
    app.state.writer = Writer(app.state.serving)
    app.state.maps = Maps()
    for module in (
        *(questions, enrolment, indexes, listing, views, map),
        *(samples, health, metrics, page),
    ):
        app.include_router(module.router)
    page.mount_web(app)
    # The last added is the outermost.
    app.add_middleware(BodyLimit, max_bytes=settings.max_image_bytes + FORM_OVERHEAD_BYTES)
    app.add_middleware(RequestFrame, admission=app.state.desk.admission)
    app.add_middleware(RequestLog, metrics=app.state.metrics)
    install_problem_handlers(app)
    install_openapi(app)
    return app


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(task(app)) for task in (_keep_fresh, _finish_erasures)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.to_thread(app.state.desk.close)
        await asyncio.to_thread(app.state.writer.close)


async def _keep_fresh(app: FastAPI) -> None:
    """Looks for promoted versions again and again; says what is served when that changes.

    What other servers enrolled and deleted is taken in also while a new version is being read.
    """
    serving: Serving = app.state.serving
    pause = app.state.settings.refresh_seconds
    told: str | None = ""
    while True:
        refreshing = asyncio.create_task(abandonable(serving.refresh))
        while not (await asyncio.wait({refreshing}, timeout=pause))[0]:
            await asyncio.to_thread(serving.follow)
        try:
            changed = refreshing.result()
        except Exception:
            log.exception("refreshing the indexes failed; the ones served stay")
            changed = ()
        waits_for = None if serving.not_ready is None else serving.not_ready.message
        if changed or waits_for != told:
            log.info(_status(app))
            told = waits_for
        await asyncio.sleep(pause)


async def _finish_erasures(app: FastAPI) -> None:
    """Completes what a killed server or a full disk left of a deletion, until it is done."""
    writer: Writer = app.state.writer
    tried = 0.0
    told = ""

    def finish() -> tuple[Rewritten, ...]:
        nonlocal tried
        began = time.monotonic()
        try:
            return app.state.serving.finish_erasures()
        finally:
            tried = time.monotonic() - began

    while True:
        writer.failed.clear()
        try:
            rewritten = await writer.run(finish)
        except RefusedError as error:
            if error.slug in ("not-written", "storage-full") and error.message != told:
                log.warning("an erasure waits: %s %s", error.message, error.remedy)
                told = error.message
        except Exception:
            log.exception("finishing erasures failed")
        else:
            told = ""
            for one in rewritten:
                log.info("finished erasing from %s: %s became %s", one.name, one.old, one.new)
            await writer.failed.wait()
            continue
        await asyncio.sleep(max(ERASURE_RETRY_SECONDS, WAIT_PER_SECOND_TRIED * tried))


def _status(app: FastAPI) -> str:
    serving: Serving = app.state.serving
    reason = serving.not_ready
    where = f"at {app.state.url}" if app.state.url else ""
    if reason is not None:
        return f"Posebank listens {where} and waits: {reason.message} {reason.remedy}"
    served = ", ".join(
        f"{name} {one.gallery.version} ({one.gallery.size} views, encoder on {one.encoder.device})"
        for name, one in sorted(serving.served.items())
    )
    return f"Posebank is ready {where} serving {served}"
