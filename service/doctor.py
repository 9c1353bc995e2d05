"""`posebank doctor`: what is installed, what will be used, what is wrong and how to mend it."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Literal

from pydantic import BaseModel, computed_field

from service.settings import Settings
from service.version import VERSION
from training.errors import PosebankError

CORE = [
    "numpy",
    "scipy",
    "opencv-python-headless",
    "onnxruntime",
    "protobuf",
    "fastapi",
    "uvicorn",
    "python-multipart",
    "pydantic",
    "pydantic-settings",
    "SQLAlchemy",
    "alembic",
    "httpx",
    "typer",
    "rich",
    "safetensors",
]
EXTRAS = {
    "train": ("torch", "torchvision", "lightning", "onnx", "onnxscript"),
    "render": ("moderngl",),
    "postgres": ("psycopg",),
}
FAISS = ("faiss-cpu", "faiss-gpu", "faiss-gpu-cuvs")
MIN_FREE_BYTES = 1_000_000_000

State = Literal["ok", "note", "wrong"]


class Finding(BaseModel):
    """One thing looked at. ``note`` can be lived with; ``wrong`` keeps Posebank from serving."""

    what: str
    state: State
    detail: str
    remedy: str | None = None


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
    looks: list[Callable[[Settings], Iterator[Finding]]] = [
        _python,
        _packages,
        _extras,
        _accelerator,
        _renderer,
        _home,
        _indexes,
        _port,
    ]
    findings: list[Finding] = []
    for look in looks:
        try:
            findings.extend(look(settings))
        except Exception as error:  # a doctor that faints helps nobody
            findings.append(
                Finding(
                    what=look.__name__.strip("_"),
                    state="wrong",
                    detail=f"could not be examined: {type(error).__name__}: {error}",
                    remedy="Repair the environment: make serve, or pip install posebank anew.",
                )
            )
    return Report(posebank=VERSION, findings=findings)


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _python(_: Settings) -> Iterator[Finding]:
    enough = sys.version_info >= (3, 11)
    yield Finding(
        what="python",
        state="ok" if enough else "wrong",
        detail=f"{platform.python_version()} on {platform.machine()}, {os.cpu_count()} cores",
        remedy=None if enough else "Use Python 3.11 or newer.",
    )


def _packages(_: Settings) -> Iterator[Finding]:
    found = {package: _installed(package) for package in CORE}
    missing = [package for package, number in found.items() if number is None]
    yield Finding(
        what="packages",
        state="wrong" if missing else "ok",
        detail="missing: " + ", ".join(missing)
        if missing
        else ", ".join(f"{package} {number}" for package, number in found.items()),
        remedy="pip install -c constraints.txt -e ." if missing else None,
    )
    wheels = {package: number for package in FAISS if (number := _installed(package))}
    remedy = None
    if len(wheels) != 1:
        remedy = "Install exactly one: pip install faiss-cpu" + (
            f", after pip uninstall {' '.join(wheels)}" if wheels else ""
        )
    yield Finding(
        what="faiss",
        state="ok" if len(wheels) == 1 else "wrong",
        detail=", ".join(f"{name} {number}" for name, number in wheels.items()) or "missing",
        remedy=remedy,
    )


def _extras(_: Settings) -> Iterator[Finding]:
    for extra, packages in EXTRAS.items():
        found = {package: _installed(package) for package in packages}
        missing = [package for package, number in found.items() if number is None]
        yield Finding(
            what=f"extra {extra}",
            state="note" if missing else "ok",
            detail="not installed: " + ", ".join(missing)
            if missing
            else ", ".join(f"{package} {number}" for package, number in found.items()),
            remedy=f"Only if wanted: pip install -c constraints.txt -e '.[{extra}]'"
            if missing
            else None,
        )


def _accelerator(_: Settings) -> Iterator[Finding]:
    import onnxruntime

    driver = any(os.path.exists(path) for path in ("/dev/nvidiactl", "/proc/driver/nvidia/version"))
    providers = onnxruntime.get_available_providers()
    if not driver:
        yield Finding(
            what="accelerator",
            state="ok",
            detail=f"no NVIDIA driver: ONNX Runtime {onnxruntime.__version__} on the CPU",
        )
        return
    if "CUDAExecutionProvider" in providers:
        yield Finding(what="accelerator", state="ok", detail="ONNX Runtime on CUDA")
        return
    if find_spec("torch") is not None:
        torch = import_module("torch")  # heavy, and only here is it worth its seconds
        if torch.cuda.is_available():
            name = torch.cuda.get_device_name()
            yield Finding(what="accelerator", state="ok", detail=f"torch on {name}")
            return
    yield Finding(
        what="accelerator",
        state="note",
        detail="an NVIDIA driver is here, but neither torch nor ONNX Runtime can use it; "
        "the CPU will be used",
        remedy="Install a CUDA build of torch, or onnxruntime-gpu in place of onnxruntime.",
    )


def _renderer(_: Settings) -> Iterator[Finding]:
    if _installed("moderngl") is None:
        return
    import moderngl

    try:
        context = moderngl.create_standalone_context(backend="egl")  # type: ignore[arg-type]
    except Exception as error:  # the driver stack raises bare Exceptions of many kinds
        yield Finding(
            what="renderer",
            state="note",
            detail=f"no off-screen OpenGL: {error}",
            remedy="Only to render sequences, on Debian: apt-get install libegl1 libgl1 "
            "libgl1-mesa-dri libegl-mesa0",
        )
        return
    yield Finding(what="renderer", state="ok", detail=f"OpenGL on {context.info['GL_RENDERER']}")
    context.release()


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
    from service.listen import ListenError, listen

    try:
        listen(settings.host, settings.port).close()
    except ListenError as error:
        yield Finding(what="port", state="note", detail=error.message, remedy=error.remedy)
        return
    yield Finding(what="port", state="ok", detail=f"{settings.host}:{settings.port} is free")


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
