"""What of this machine Posebank runs on: Python, packages, accelerator, renderer."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from service.finding import Finding
from training.cores import available_cores

CORE = [
    "numpy",
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
    "report": ("jinja2", "matplotlib", "scikit-learn"),
}
NVIDIA = ("/dev/nvidiactl", "/dev/dxg", "/proc/driver/nvidia/version")
FAISS = ("faiss-cpu", "faiss-gpu", "faiss-gpu-cuvs")


def installed_version(package: str) -> str | None:
    """The version of a package, or None where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def python() -> Iterator[Finding]:
    """Whether this Python is new enough."""
    enough = sys.version_info >= (3, 11)
    yield Finding(
        what="python",
        state="ok" if enough else "wrong",
        detail=f"{platform.python_version()} on {platform.machine()}, "
        f"{available_cores()} of {os.cpu_count()} cores",
        remedy=None if enough else "Use Python 3.11 or newer.",
    )


def packages() -> Iterator[Finding]:
    """Whether everything that serving needs is installed, and one FAISS."""
    found = {package: installed_version(package) for package in CORE}
    missing = [package for package, number in found.items() if number is None]
    yield Finding(
        what="packages",
        state="wrong" if missing else "ok",
        detail="missing: " + ", ".join(missing)
        if missing
        else ", ".join(f"{package} {number}" for package, number in found.items()),
        remedy="pip install -c constraints.txt -e ." if missing else None,
    )
    wheels = {package: number for package in FAISS if (number := installed_version(package))}
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


def extras() -> Iterator[Finding]:
    """Which of the optional parts are installed."""
    for extra, packages in EXTRAS.items():
        found = {package: installed_version(package) for package in packages}
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


def accelerator() -> Iterator[Finding]:
    """What will encode: the CPU, or which GPU."""
    import onnxruntime

    if not any(os.path.exists(path) for path in NVIDIA):
        detail = f"no NVIDIA driver: ONNX Runtime {onnxruntime.__version__} on the CPU"
        yield Finding(what="accelerator", state="ok", detail=detail)
        return
    if find_spec("torch") is not None:
        torch = import_module("torch")  # heavy, and only here is it worth its seconds
        if torch.cuda.is_available():
            name = torch.cuda.get_device_name()
            yield Finding(what="accelerator", state="ok", detail=f"torch on {name}")
            return
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        yield Finding(what="accelerator", state="ok", detail="ONNX Runtime on CUDA")
        return
    yield Finding(
        what="accelerator",
        state="note",
        detail="an NVIDIA driver is here, but neither torch nor ONNX Runtime can use it; "
        "the CPU will be used",
        remedy="Install a CUDA build of torch, or onnxruntime-gpu in place of onnxruntime.",
    )


def renderer() -> Iterator[Finding]:
    """Whether sequences can be rendered."""
    if installed_version("moderngl") is None:
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
