"""How many cores this process may use: its affinity, and the CPU quota of its control groups."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

PROCESS = Path("/proc/self/cgroup")
MOUNT = Path("/sys/fs/cgroup")


def available_cores(process: Path = PROCESS, mount: Path = MOUNT) -> int:
    """Whole cores this process may keep busy, at least 1.

    A quota of 2.5 cores counts as 2: what a third thread uses is taken from all of them by
    throttling, and a request waits for the end of the period.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    quota = cpu_quota(process, mount)
    return max(1, int(min(cores or 1, quota if quota is not None else float("inf"))))


def cpu_quota(process: Path = PROCESS, mount: Path = MOUNT) -> float | None:
    """Cores that the control groups (v2 or v1) grant this process, or None where none limits it.

    The tightest quota from the process's own group up to the root holds. A group that cannot be
    seen from here, as inside a container, is passed over for the nearest one above it that can.
    """
    try:
        lines = process.read_text("utf-8").splitlines()
    except OSError:  # no Linux
        return None
    quotas = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            quotas += [
                quota
                for root in (mount, mount / "unified")
                for group in _upwards(root, path)
                if (quota := _quota_v2(group)) is not None
            ]
        elif "cpu" in controllers.split(","):
            quotas += [
                quota
                for root in (mount / controllers, mount / "cpu")
                for group in _upwards(root, path)
                if (quota := _quota_v1(group)) is not None
            ]
    return min(quotas, default=None)


def _upwards(root: Path, path: str) -> Iterator[Path]:
    """The group's folder and those above it, ``root`` included."""
    group = root / path.strip("/")
    yield group
    if group != root:
        yield from (parent for parent in group.parents if parent.is_relative_to(root))


def _quota_v2(group: Path) -> float | None:
    match _read(group / "cpu.max").split():
        case [quota, period] if quota != "max":
            return int(quota) / int(period)
    return None


def _quota_v1(group: Path) -> float | None:
    quota, period = (_read(group / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
    if not quota or not period or int(quota) < 0:
        return None
    return int(quota) / int(period)


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8").strip()
    except OSError:
        return ""
