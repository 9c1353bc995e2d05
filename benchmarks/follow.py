"""How long until one server finds what was enrolled at another, and no longer what was deleted.

    python benchmarks/follow.py [--repetitions 100] [--load 3] [--database URL]

Starts two `posebank serve` on one home with the sample's index. Again and again a view is enrolled
at the first; from its 201 on the second is asked for that view by id, and by a question whose
nearest neighbour it is, until each answers with it; then it is deleted at the first, and from that
answer on the second is asked until neither answers with it. First with nothing else to do, then
with as many clients as --load at each server. Prints one JSON object: milliseconds until the first
question that was answered as it should be was asked, and until it was answered. The exit code is 1
where a question asked a second later was answered as before.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from serving import built_sample, sample_options, serving
from soak_load import Load, form

LIMIT_S = 1.0
PATIENCE_S = 30.0
SETTLE_SECONDS = 2.0
IMAGE = "unseen-cup.jpg"


class Pair:
    """Two servers: enrols and deletes at one, watches the other."""

    def __init__(self, one: httpx.AsyncClient, other: httpx.AsyncClient, queries: Path) -> None:
        self._one, self._other = one, other
        self._image = (queries / IMAGE).read_bytes()
        self._number = 0
        self.seconds: dict[str, list[float]] = {}

    async def repeat(self) -> None:
        """One view comes and goes."""
        self._number += 1
        # A crop of its own, so that the question about the same crop has it nearest.
        bbox = [60 + self._number % 97, 150 + self._number % 89, 430, 500]
        told = {"dataset": "follow", "instance": f"cup-{self._number}", "category": "cup"}
        known = {"sequence": "follow", "frame": self._number}
        view = form([self._image], {**told, **known, "bbox": bbox})
        answer = await patiently(lambda: self._one.post("/views", **view))
        assert answer.status_code == 201, answer.text
        acknowledged = time.perf_counter()
        key = answer.json()["id"]
        question = form([self._image], {"bbox": bbox, "k": 5})
        await self._both("enrolled", acknowledged, key, question, there=True)
        answer = await patiently(lambda: self._one.delete(f"/views/{key}"))
        assert answer.status_code == 200, answer.text
        acknowledged = time.perf_counter()
        await self._both("deleted", acknowledged, key, question, there=False)

    async def _both(
        self, what: str, since: float, key: str, question: dict[str, Any], there: bool
    ) -> None:
        async def by_id() -> bool | None:
            status = (await self._other.get(f"/views/{key}")).status_code
            return {200: True, 404: False}.get(status)

        async def by_search() -> bool | None:
            answer = await self._other.post("/pose/estimate", **question)
            if answer.status_code != 200:
                return None
            return any(one["view"]["id"] == key for one in answer.json()["neighbours"])

        await asyncio.gather(
            self._until(f"{what}: by id", since, by_id, there),
            self._until(f"{what}: by search", since, by_search, there),
        )

    async def _until(
        self, what: str, since: float, ask: Callable[[], Awaitable[bool | None]], wanted: bool
    ) -> None:
        """Ask until the answer is as wanted, and note the seconds; None is no answer."""
        while True:
            asked = time.perf_counter() - since
            if await ask() is wanted:
                break
            assert asked < PATIENCE_S, f"{what}: never"
            await asyncio.sleep(0.002)
        self.seconds.setdefault(f"{what}, asked", []).append(asked)
        self.seconds.setdefault(f"{what}, answered", []).append(time.perf_counter() - since)


async def patiently(ask: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
    """The answer, once the server is not too busy to give one."""
    while (answer := await ask()).status_code in (429, 503):
        await asyncio.sleep(0.05)
    return answer


def summary(seconds: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    """Milliseconds of each kind."""
    return {
        what: {
            "repetitions": len(took),
            "median_ms": 1000 * float(np.median(took)),
            "p99_ms": 1000 * float(np.percentile(took, 99)),
            "max_ms": 1000 * max(took),
        }
        for what, took in seconds.items()
    }


async def measure(urls: tuple[str, str], arguments: argparse.Namespace) -> dict[str, Any]:
    """Idle, then under load."""
    told: dict[str, Any] = {}
    queries = arguments.sample / "queries"
    for name, clients in {"idle": 0, "loaded": arguments.load}.items():
        loads = [Load(url, queries, seed) for seed, url in enumerate(urls)]
        busy = [asyncio.create_task(one.run(clients, float("inf"))) for one in loads]
        await asyncio.sleep(SETTLE_SECONDS)
        async with (
            httpx.AsyncClient(base_url=urls[0], timeout=60) as one,
            httpx.AsyncClient(base_url=urls[1], timeout=60) as other,
        ):
            pair = Pair(one, other, queries)
            for _ in range(arguments.repetitions):
                await pair.repeat()
        for task in busy:
            task.cancel()
        await asyncio.gather(*busy, return_exceptions=True)
        told[name] = {
            **summary(pair.seconds),
            "clients_at_each": clients,
            "requests_beside": sum(load.counts.total() for load in loads),
        }
    return told


def main() -> int:
    parser = sample_options(__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=100)
    parser.add_argument("--load", type=int, default=3, help="clients at each server")
    arguments = parser.parse_args()
    with built_sample(arguments) as home, serving(home) as one, serving(home) as other:
        told = asyncio.run(measure((one.url, other.url), arguments))
    print(json.dumps({"database": arguments.database or "sqlite", **told}, indent=1))
    late = [
        (what, one)
        for part in told.values()
        for what, one in part.items()
        if what.endswith("asked") and one["max_ms"] >= 1000 * LIMIT_S
    ]
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main())
