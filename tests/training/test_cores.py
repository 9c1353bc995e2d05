"""The cores a process may use: control groups as the kernel writes them, and this machine's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from training.cores import available_cores, cpu_quota


def cgroup(tmp_path: Path, process: str, files: dict[str, str]) -> tuple[Path, Path]:
    """A /proc/self/cgroup and a /sys/fs/cgroup with such contents."""
    mount = tmp_path / "cgroup"
    for name, text in files.items():
        file = mount / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n", "utf-8")
    table = tmp_path / "self"
    table.write_text(process + "\n", "utf-8")
    return table, mount


V2 = "0::/user.slice/posebank.service"
V1 = "4:memory:/docker/1f\n3:cpu,cpuacct:/docker/1f"
HYBRID = "1:cpu:/\n0::/"


@pytest.mark.parametrize(
    ("process", "files", "quota"),
    [
        ("0::/", {"cpu.max": "150000 100000"}, 1.5),
        ("0::/", {"cpu.max": "max 100000"}, None),
        (V2, {"user.slice/posebank.service/cpu.max": "400000 100000"}, 4.0),
        (
            V2,
            {
                "user.slice/posebank.service/cpu.max": "max 100000",
                "user.slice/cpu.max": "50000 100000",
            },
            0.5,
        ),
        (V2, {"cpu.max": "300000 100000"}, 3.0),
        (
            V1,
            {
                "cpu,cpuacct/docker/1f/cpu.cfs_quota_us": "250000",
                "cpu,cpuacct/docker/1f/cpu.cfs_period_us": "100000",
            },
            2.5,
        ),
        (V1, {"cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "50000"}, 2.0),
        (HYBRID, {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
        (HYBRID, {"unified/cpu.max": "70000 35000"}, 2.0),
        ("0::/", {}, None),
    ],
)
def test_the_tightest_quota_holds(
    tmp_path: Path, process: str, files: dict[str, str], quota: float | None
) -> None:
    assert cpu_quota(*cgroup(tmp_path, process, files)) == quota


@pytest.mark.parametrize(("quota", "cores"), [("25000", 1), ("250000", 2), ("6400000", 9)])
def test_whole_cores_at_least_one_at_most_the_affinity(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: str, cores: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(9)), raising=False)
    assert available_cores(*cgroup(tmp_path, "0::/", {"cpu.max": f"{quota} 100000"})) == cores


def test_without_control_groups_the_affinity_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = (tmp_path / "none", tmp_path / "nowhere")
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3, 5}, raising=False)
    assert available_cores(*nowhere) == 2
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert available_cores(*nowhere) == 1


def test_this_machine() -> None:
    assert 1 <= available_cores() <= (os.cpu_count() or 1)
