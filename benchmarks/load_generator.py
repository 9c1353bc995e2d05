"""Questions over HTTP as fast as they are answered, or at a rate of their own; used by load.py.

The bytes of a question are made once and answers are not parsed: little of a core goes on asking.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np


@dataclass(frozen=True)
class Target:
    """Where a question goes, and its bytes on the wire."""

    host: str
    port: int
    wire: bytes

    @classmethod
    def of(cls, url: str, route: str, image: Path) -> Target:
        """The question about a sample image by the ``.json`` beside it."""
        told = json.loads(image.with_suffix(".json").read_text("utf-8"))
        asked = {key: told[key] for key in ("bbox", "camera", "plane") if told.get(key)}
        request = httpx.Request(
            "POST",
            url + route,
            files={"image": (image.name, image.read_bytes())},
            data={"request": json.dumps(asked)},
        )
        body = request.read()
        lines = [f"POST {route} HTTP/1.1", *(f"{k}: {v}" for k, v in request.headers.items())]
        head = "\r\n".join(lines) + "\r\n\r\n"
        assert request.url.port is not None
        return cls(request.url.host, request.url.port, head.encode() + body)


class Connections:
    """Keep-alive connections, as many as are in use at once."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def ask(self) -> tuple[int, float]:
        """The status of one answer, read to its end, and the seconds of its Retry-After, or 0.

        The status is 0 where the connection failed.
        """
        try:
            target = self._target
            reader, writer = (
                self._idle.pop()
                if self._idle
                else await asyncio.open_connection(target.host, target.port)
            )
            writer.write(target.wire)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            await reader.readexactly(int(_field(head, b"content-length")))
        except (OSError, asyncio.IncompleteReadError):
            return 0, 0.0
        if b"connection: close" in head:
            writer.close()
        else:
            self._idle.append((reader, writer))
        return int(head.split(b" ", 2)[1]), float(_field(head, b"retry-after") or 0)


def _field(head: bytes, name: bytes) -> bytes:
    """The value of a field of a head in small letters, empty where it has none."""
    return head.partition(b"\r\n" + name + b":")[2].split(b"\r\n")[0]


def closed_loop(target: Target, clients: int, seconds: float) -> float:
    """Answers per second to ``clients`` that each ask again once answered.

    One that is refused comes back when the server said it should.
    """

    async def run() -> float:
        connections, answered = Connections(target), 0
        start = time.perf_counter()

        async def client() -> None:
            nonlocal answered
            while time.perf_counter() - start < seconds:
                status, wait = await connections.ask()
                if status == 200:
                    answered += 1
                else:
                    left = start + seconds - time.perf_counter()
                    await asyncio.sleep(max(0.0, min(wait or 0.1, left)))

        await asyncio.gather(*(client() for _ in range(clients)))
        return answered / (time.perf_counter() - start)

    return asyncio.run(run())


def open_loop(target: Target, rate: float, seconds: float) -> dict[str, Any]:
    """Questions due at random times, ``rate`` a second; what came of them and when."""

    async def run() -> dict[str, Any]:
        connections, draw = Connections(target), random.Random(0)
        told: Counter[int] = Counter()
        accepted: list[float] = []

        async def ask(due: float) -> None:
            status, _ = await connections.ask()
            told[status] += 1
            if status == 200:
                accepted.append(time.perf_counter() - due)

        tasks, start, cpu = [], time.perf_counter(), time.process_time()
        due = start
        while (due := due + draw.expovariate(rate)) < start + seconds:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            tasks.append(asyncio.create_task(ask(due)))
        await asyncio.gather(*tasks)
        passed = time.perf_counter() - start
        return {
            "asked_per_s": len(tasks) / seconds,
            "answered_per_s": told[200] / passed,
            "statuses": dict(sorted(told.items())),
            "p50_ms": 1000 * float(np.percentile(accepted, 50)),
            "p99_ms": 1000 * float(np.percentile(accepted, 99)),
            "load_generator_cpu": (time.process_time() - cpu) / passed,
        }

    return asyncio.run(run())
