"""Clients that do everything a server takes, at random; used by soak.py and follow.py."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

DATASET = "soak"
HELD = 60
"""Views that the load keeps enrolled: above it deletes more than it enrols."""

CLIP = 32
FILLS = 5

FINE = {200, 201, 404, 409, 413, 415, 422, 429, 503}
"""404 and 409: two clients take the same view; 429 and 503: refused politely."""


class Load:
    """``run`` keeps clients busy; ``counts`` says what was answered, ``unexpected`` how much of
    that should not have been."""

    def __init__(self, url: str, queries: Path, seed: int = 0) -> None:
        self.counts: Counter[str] = Counter()
        self.unexpected = 0
        self._url = url
        self._draw = random.Random(seed)
        self._number = itertools.count()
        self._ids: list[str] = []
        self._seen: list[str] = []
        self._images = [(path, path.read_bytes()) for path in sorted(queries.glob("*.jpg"))]
        self._actions: list[tuple[int, Callable[[httpx.AsyncClient], Awaitable[int]]]] = [
            (30, self.pose),
            (8, self.reid),
            (3, self.actions),
            (8, self.page),
            (24, self.thumbnail),
            (3, self.map),
            (3, self.told),
            (8, self.enrol),
            (2, self.enrol_batch),
            (6, self.delete),
            (1, self.delete_instance),
            (5, self.refused),
            (4, self.hang_up),
            (3, self.new_connection),
        ]

    async def run(self, clients: int, seconds: float) -> None:
        """``clients`` that each do one thing after the other."""
        end = time.monotonic() + seconds
        weights, actions = zip(*self._actions, strict=True)

        async def client() -> None:
            async with httpx.AsyncClient(base_url=self._url, timeout=60) as http:
                while time.monotonic() < end:
                    (action,) = self._draw.choices(actions, weights)
                    try:
                        status = await action(http)
                    except (httpx.TransportError, OSError) as error:
                        self._count(action.__name__, type(error).__name__, False)
                        continue
                    self._count(action.__name__, str(status), status in FINE)
                    if status in (429, 503):
                        await asyncio.sleep(self._draw.uniform(0.2, 1.0))

        await asyncio.gather(*(client() for _ in range(clients)))

    async def fill(self) -> None:
        """The largest batches there are: the encoder keeps the memory that its largest took."""
        images = [data for _, data in itertools.islice(itertools.cycle(self._images), CLIP)]
        async with httpx.AsyncClient(base_url=self._url, timeout=60) as http:
            for _ in range(FILLS):
                asked = [http.post("/actions/search", **form(images, {"k": 5})) for _ in range(4)]
                await asyncio.gather(*asked)

    def _count(self, action: str, outcome: str, fine: bool) -> None:
        self.counts[f"{action} {outcome}"] += 1
        self.unexpected += not fine

    def _question(self, **more: object) -> dict[str, Any]:
        path, data = self._draw.choice(self._images)
        told = json.loads(path.with_suffix(".json").read_text("utf-8"))
        asked = {key: told[key] for key in ("bbox", "camera", "plane") if told.get(key)}
        return form([data], {**asked, "k": self._draw.randint(1, 50), **more})

    async def pose(self, http: httpx.AsyncClient) -> int:
        more = {"reid": True} if self._draw.random() < 0.5 else {}
        return (await http.post("/pose/estimate", **self._question(**more))).status_code

    async def reid(self, http: httpx.AsyncClient) -> int:
        return (await http.post("/reid/search", **self._question())).status_code

    async def actions(self, http: httpx.AsyncClient) -> int:
        images = [data for _, data in self._images]
        return (await http.post("/actions/search", **form(images, {"k": 5}))).status_code

    async def page(self, http: httpx.AsyncClient) -> int:
        answer = await http.get("/views", params={"limit": 50})
        if answer.status_code == 200:
            for _ in range(self._draw.randint(0, 3)):
                after = answer.json()["next"]
                if after is None:
                    break
                answer = await http.get("/views", params={"limit": 50, "after": after})
                if answer.status_code != 200:
                    break
            else:
                self._seen = [view["id"] for view in answer.json()["views"]]
        return answer.status_code

    async def thumbnail(self, http: httpx.AsyncClient) -> int:
        known = self._seen + self._ids or ["0" * 16]
        return (await http.get(f"/views/{self._draw.choice(known)}/thumbnail")).status_code

    async def map(self, http: httpx.AsyncClient) -> int:
        return (await http.get("/map")).status_code

    async def told(self, http: httpx.AsyncClient) -> int:
        path = self._draw.choice(["/metrics", "/version", "/indexes", "/samples", "/readyz"])
        return (await http.get(path)).status_code

    def _view(self) -> dict[str, Any]:
        number = next(self._number)
        return {
            "dataset": DATASET,
            "instance": f"thing-{number % 20}",
            "category": "thing",
            "sequence": f"take-{number // 20}",
            "frame": number % 20,
            "bbox": [40 + number % 50, 80, 400, 500],
        }

    async def enrol(self, http: httpx.AsyncClient) -> int:
        _, data = self._draw.choice(self._images)
        answer = await http.post("/views", **form([data], self._view()))
        if answer.status_code == 201:
            self._ids.append(answer.json()["id"])
        return answer.status_code

    async def enrol_batch(self, http: httpx.AsyncClient) -> int:
        images = [data for _, data in self._images]
        views = {"views": [self._view() for _ in images]}
        answer = await http.post("/views:batch", **form(images, views))
        if answer.status_code == 201:
            self._ids += [view["id"] for view in answer.json()["views"]]
        return answer.status_code

    async def delete(self, http: httpx.AsyncClient) -> int:
        status = 404
        for _ in range(1 + 5 * (len(self._ids) > HELD)):
            if not self._ids:
                break
            key = self._ids.pop(self._draw.randrange(len(self._ids)))
            status = (await http.delete(f"/views/{key}")).status_code
        return status

    async def delete_instance(self, http: httpx.AsyncClient) -> int:
        name = quote(f"thing-{self._draw.randrange(20)}")
        answer = await http.delete(f"/instances/{name}", params={"dataset": DATASET})
        return answer.status_code

    async def refused(self, http: httpx.AsyncClient) -> int:
        _, data = self._draw.choice(self._images)
        bomb = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + 2 * b"\0\1\0\0" + b"\x08\2\0\0\0"
        broken = self._draw.choice([b"", b"no image", data[: len(data) // 2], bomb])
        return (await http.post("/pose/estimate", **form([broken], {}))).status_code

    async def hang_up(self, http: httpx.AsyncClient) -> int:
        """Goes away in the middle of a question, or before its answer; counted as 200."""
        request = http.build_request("POST", "/pose/estimate", **self._question())
        body = await request.aread()
        head = f"POST {request.url.path} HTTP/1.1\r\n" + "".join(
            f"{name}: {value}\r\n" for name, value in request.headers.items()
        )
        wire = head.encode() + b"\r\n" + body
        _, writer = await asyncio.open_connection(request.url.host, request.url.port)
        writer.write(wire[: self._draw.choice([len(wire) // 2, len(wire)])])
        await writer.drain()
        await asyncio.sleep(self._draw.uniform(0, 0.02))
        writer.transport.abort()
        return 200

    async def new_connection(self, http: httpx.AsyncClient) -> int:
        async with httpx.AsyncClient(base_url=self._url, timeout=60) as fresh:
            return (await fresh.post("/pose/estimate", **self._question())).status_code


def form(images: list[bytes], request: dict[str, Any]) -> dict[str, Any]:
    """The keywords of httpx for a form of images and a request."""
    files = [("image", (f"{place}.jpg", data)) for place, data in enumerate(images)]
    return {"files": files, "data": {"request": json.dumps(request)}}
