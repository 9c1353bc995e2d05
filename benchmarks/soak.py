"""Ten minutes of everything at once: do memory and file descriptors of the server stay flat?

    python benchmarks/soak.py [--seconds 600] [--clients 8] [--database URL] [--samples FILE.csv]

Starts `posebank serve` on the sample's index and keeps it busy: questions of all kinds, pages,
thumbnails and maps, enrolments and deletions, refused images, clients that hang up; once a minute
another version is built and promoted, the one before is promoted again, and what was enrolled is
compacted. Looks at the process each second and prints one JSON object.

Flat is: in the last third the median of the resident memory is at most 5 % above that of the second
third, and the number of open files at most FILES_MORE; at rest, with no client connected, the
process has at most FILES_MORE more open files after than before. The exit code is 1 where it is
not flat, where a request failed as none should, and where the log has a stack trace.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import csv
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import theilslopes
from serving import Server, built_sample, posebank, sample_options, serving
from soak_load import Load

MEMORY_RATIO = 1.05
FILES_MORE = 4
"""A pooled connection of SQLite has two open files; two more or less is chance."""
WARM_SECONDS = 20.0
REST_SECONDS = 3.0
SWAP_EVERY = 60.0
FIELDS = ("seconds", "rss_mb", "peak_mb", "threads", "files", "wal_mb", "folder_mb")


def look(server: Server) -> tuple[float, ...]:
    """What the process and its folder hold now, as FIELDS without the first."""
    status = Path(f"/proc/{server.pid}/status").read_text()
    threads = re.search(r"^Threads:\s+(\d+)", status, re.MULTILINE)
    assert threads is not None
    wal = server.home / "posebank.sqlite-wal"
    return (
        server.memory_mb("VmRSS"),
        server.memory_mb("VmHWM"),
        int(threads[1]),
        len(os.listdir(f"/proc/{server.pid}/fd")),
        wal.stat().st_size / 1e6 if wal.exists() else 0.0,
        _folder_bytes(server.home) / 1e6,
    )


def _folder_bytes(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            total += path.stat().st_size
    return total


async def sample(server: Server, seconds: float, rows: list[tuple[float, ...]]) -> None:
    """Appends a row of FIELDS each second."""
    start = time.monotonic()
    while (passed := time.monotonic() - start) < seconds:
        rows.append((passed, *look(server)))
        await asyncio.sleep(1.0)


async def swap(server: Server, arguments: argparse.Namespace, counts: dict[str, int]) -> None:
    """Again and again: build and promote another version, promote the old one, compact, clean up.

    Each takes its turn a quarter of SWAP_EVERY after the one before.
    """
    build = ("build", "sample", "--data", arguments.sample / "sequences")
    build = (*build, "--encoder", arguments.encoder)
    stride = 1
    while True:
        await asyncio.sleep(SWAP_EVERY / 4)
        stride = 3 - stride
        before = await _versions(server)
        await _index(server, counts, *build, "--stride", stride)
        await asyncio.sleep(SWAP_EVERY / 4)
        after = await _versions(server)
        old = next((name for name in before if name in after and not after[name]), None)
        if old is not None:
            await _index(server, counts, "promote", "sample", old)
        await asyncio.sleep(SWAP_EVERY / 4)
        await _index(server, counts, "compact", "sample")
        await asyncio.sleep(SWAP_EVERY / 4)
        for name, current in (await _versions(server)).items():
            if not current:
                await _index(server, counts, "drop", "sample", name)


async def _versions(server: Server) -> dict[str, bool]:
    """Version → whether it is current."""
    listed = json.loads(await _index(server, {}, "list", "--json"))
    return {one["version"]: one["current"] for one in listed["indexes"]}


async def _index(server: Server, counts: dict[str, int], *words: object) -> bytes:
    command = posebank("index.cli", *words, "--home", server.home)
    process = await asyncio.create_subprocess_exec(
        *command, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    out, err = await process.communicate()
    told = f"index {words[0]} {process.returncode}"
    counts[told] = counts.get(told, 0) + 1
    if process.returncode:
        print(told, err.decode()[-300:], file=sys.stderr)
    return out


async def soak(server: Server, arguments: argparse.Namespace) -> dict[str, Any]:
    """The load, the changes of version and the samples, then what came of it."""
    load = Load(server.url, arguments.sample / "queries")
    await load.fill()
    await load.run(arguments.clients, WARM_SECONDS)
    await asyncio.sleep(REST_SECONDS)
    at_rest = look(server)
    changes: dict[str, int] = {}
    rows: list[tuple[float, ...]] = []
    swapping = asyncio.create_task(swap(server, arguments, changes))
    await asyncio.gather(
        load.run(arguments.clients, arguments.seconds), sample(server, arguments.seconds, rows)
    )
    swapping.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await swapping
    await asyncio.sleep(REST_SECONDS)
    after = look(server)
    if arguments.samples:
        with arguments.samples.open("w", newline="") as file:
            csv.writer(file).writerows([FIELDS, *rows])
    return {
        "seconds": arguments.seconds,
        "database": arguments.database or "sqlite",
        "requests": dict(sorted(load.counts.items())),
        "changes": dict(sorted(changes.items())),
        "unexpected": load.unexpected,
        "stack_traces": server.crashes(),
        **judged(np.array(rows), at_rest, after),
    }


def judged(rows: Any, at_rest: tuple[float, ...], after: tuple[float, ...]) -> dict[str, Any]:
    """Samples (N, FIELDS) → medians of thirds, the slope of the last three quarters, verdict."""
    first, second, last = np.array_split(rows, 3)
    late = rows[len(rows) // 4 :]
    told: dict[str, Any] = {}
    for column, field in enumerate(FIELDS[1:], start=1):
        slope, _, low, high = theilslopes(late[:, column], late[:, 0] / 60)
        told[field] = {
            "at_rest": at_rest[column - 1],
            "first_third": float(np.median(first[:, column])),
            "second_third": float(np.median(second[:, column])),
            "last_third": float(np.median(last[:, column])),
            "at_rest_after": after[column - 1],
            "per_minute": [float(slope), float(low), float(high)],
        }
    memory, files = told["rss_mb"], told["files"]
    told["flat"] = {
        "memory": memory["last_third"] <= MEMORY_RATIO * memory["second_third"],
        "files": files["last_third"] <= files["second_third"] + FILES_MORE
        and files["at_rest_after"] <= files["at_rest"] + FILES_MORE,
    }
    return told


def main() -> int:
    parser = sample_options(__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--samples", type=Path, help="write what was seen each second here")
    arguments = parser.parse_args()
    with built_sample(arguments) as home, serving(home) as server:
        told = asyncio.run(soak(server, arguments))
    print(json.dumps(told, indent=1))
    return 0 if all(told["flat"].values()) and not told["unexpected"] + told["stack_traces"] else 1


if __name__ == "__main__":
    sys.exit(main())
