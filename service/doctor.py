"""`posebank doctor`: what is installed, what will be used, what is wrong and how to mend it."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from functools import partial

from pydantic import BaseModel, computed_field

from service.finding import Finding, State
from service.machine import accelerator, extras, packages, python, renderer
from service.settings import Settings
from service.version import TITLE, VERSION
from training.errors import PosebankError

MIN_FREE_BYTES = 1_000_000_000

ASK_SECONDS = 2.0
"""How long who listens at the port may take to answer."""


class Report(BaseModel):
    """Everything looked at, in the order of what depends on what."""

    posebank: str
    findings: list[Finding]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def ok(self) -> bool:
        """Whether nothing required is wrong."""
        return all(finding.state != "wrong" for finding in self.findings)


def examine(settings: Settings) -> Report:
    """Looks at this machine as `posebank serve` with these settings would find it."""
    looks: list[Callable[[], Iterator[Finding]]] = [
        python,
        packages,
        extras,
        accelerator,
        renderer,
        partial(_home, settings),
        partial(_indexes, settings),
        partial(_port, settings),
    ]
    findings: list[Finding] = []
    for look in looks:
        try:
            findings.extend(look())
        except Exception as error:  # a doctor that faints helps nobody
            findings.append(
                Finding(
                    what="doctor",
                    state="wrong",
                    detail=f"could not be examined: {type(error).__name__}: {error}",
                    remedy="Repair the environment: make serve, or pip install posebank anew.",
                )
            )
    return Report(posebank=VERSION, findings=findings)


def _home(settings: Settings) -> Iterator[Finding]:
    path = settings.home.expanduser().absolute()
    there = path
    while not there.exists():
        there = there.parent
    if there != path and there.is_dir() and os.access(there, os.W_OK):
        state: State = "ok"
        detail, remedy = f"{path} does not exist yet and can be made", None
    elif path.is_dir() and os.access(path, os.W_OK):
        state, detail, remedy = "ok", str(path), None
    else:
        state, detail = "wrong", f"{path} cannot be written"
        remedy = "Set POSEBANK_HOME to a folder you may write."
    yield Finding(what="home", state=state, detail=detail, remedy=remedy)
    free = shutil.disk_usage(there).free
    little = free < MIN_FREE_BYTES
    yield Finding(
        what="disk",
        state="note" if little else "ok",
        detail=f"{free / 1e9:.1f} GB free at {there}",
        remedy="Make room before building an index." if little else None,
    )


def _indexes(settings: Settings) -> Iterator[Finding]:
    from service.serving import Serving

    url = settings.database_url or f"SQLite inside {settings.home}"
    database = re.sub(r"://([^:/@]+):[^@]+@", r"://\1:…@", url)
    if settings.database_url is None and not settings.home.exists():
        yield Finding(what="database", state="ok", detail=f"{database}, not made yet")
        yield _no_index()
        return
    serving = Serving(settings)
    serving.refresh()
    try:
        serving.catalog()
    except PosebankError as error:
        yield Finding(
            what="database",
            state="wrong",
            detail=f"{database}: {error.message}",
            remedy=error.remedy,
        )
        return
    yield Finding(what="database", state="ok", detail=database)
    for name, one in sorted(serving.served.items()):
        default = ", the default" if name == serving.default_name else ""
        yield Finding(
            what=f"index {name}",
            state="ok",
            detail=f"version {one.gallery.version}, {one.gallery.size} views{default}; encoder "
            f"{one.encoder.identity[:12]} by {one.encoder.backend} on {one.encoder.device}",
        )
    for name, reason in sorted(serving.unserved.items()):
        yield Finding(
            what=f"index {name}", state="wrong", detail=reason.message, remedy=reason.remedy
        )
    if not serving.served and not serving.unserved:
        yield _no_index()
    elif serving.served and serving.not_ready is not None:
        reason = serving.not_ready
        yield Finding(
            what="index asked by default",
            state="wrong",
            detail=reason.message,
            remedy=reason.remedy,
        )


def _no_index() -> Finding:
    return Finding(
        what="index",
        state="note",
        detail="there is none yet",
        remedy="make serve builds the bundled sample; your own: posebank index build --help",
    )


def _port(settings: Settings) -> Iterator[Finding]:
    from service.listen import ListenError, PortInUseError, listen, url_of

    try:
        listen(settings.host, settings.port).close()
    except ListenError as error:
        url = url_of(settings.host, settings.port)
        running = _running(url) if isinstance(error, PortInUseError) else None
        if running is None:
            yield Finding(what="port", state="note", detail=error.message, remedy=error.remedy)
        else:
            told = f"a Posebank is already running there: {running} at {url}"
            yield Finding(what="port", state="ok", detail=told)
        return
    yield Finding(what="port", state="ok", detail=f"{settings.host}:{settings.port} is free")


def _running(url: str) -> str | None:
    """The version of the Posebank that answers there; None where something else does, or nothing.

    Asked without a key, and by no proxy that the environment names.
    """
    import httpx

    try:
        with httpx.Client(base_url=url, timeout=ASK_SECONDS, trust_env=False) as client:
            client.get("/healthz").raise_for_status()
            told = client.get("/openapi.json").raise_for_status().json()["info"]
            return str(told["version"]) if told["title"] == TITLE else None
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return None


def show(report: Report) -> None:
    """Prints the report for people."""
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
    signs = {"ok": "[green]ok   [/]", "note": "[yellow]note [/]", "wrong": "[red]WRONG[/]"}
    console.print(f"Posebank {report.posebank}")
    for finding in report.findings:
        console.print(f"{signs[finding.state]} {escape(finding.what)}: {escape(finding.detail)}")
        if finding.remedy:
            console.print(f"      remedy: {escape(finding.remedy)}")
    console.print("Ready to serve." if report.ok else "[red]Something required is wrong.[/]")
