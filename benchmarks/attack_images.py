"""Images made to harm, at every route that takes one; used by attack_api.py."""

from __future__ import annotations

import io
import json
import random
import struct
import threading
import time
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
from PIL import Image
from serving import Server

SLOWEST_S = 5.0
"""No answer takes longer, alone or in a crowd: the deadline, 2 s, and room for a busy machine. The
largest pictures take 2 to 3 s of a core, and many come at once."""

MEMORY_MB = 1600
"""Less than what compose.yaml grants a server."""

OK, REFUSED = frozenset({200, 201}), frozenset({413, 415, 422})
LARGE = (8000, 5000)
"""Width and height of the largest picture allowed: 40 million pixels."""

ROUTES = {
    "/pose/estimate": 1,
    "/reid/search": 1,
    "/actions/search": 2,
    "/views": 1,
    "/views:batch": 2,
}
"""Images sent at once; where there are two, the first is good."""

VIEW = {"dataset": "fuzz", "instance": "fuzzed", "category": "thing"}


@dataclass(frozen=True)
class Attack:
    """An image and the statuses that it may be answered with."""

    group: str
    name: str
    data: bytes
    allowed: frozenset[int]


def encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


@cache
def photo() -> Image.Image:
    return Image.open(Path("examples/queries/known-chair.jpg")).convert("RGB")


@cache
def pictures() -> tuple[bytes, ...]:
    """A photo in the three types that are read, all large enough for the documented examples."""
    smaller = photo().resize((384, 512))
    return tuple(encoded(smaller, kind) for kind in ("JPEG", "PNG", "WEBP"))


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(head: tuple[int, ...], *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of (width, height, depth, colour) or, with interlace, five numbers."""
    width, height, depth, colour, *interlace = head
    size = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, *interlace or [0])
    parts = [(b"IHDR", size), *chunks, (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


@cache
def zeros(count: int) -> bytes:
    """That many zero bytes, deflated."""
    pack = zlib.compressobj(9)
    step = 1 << 24
    parts = [pack.compress(bytes(min(step, count - at))) for at in range(0, count, step)]
    return b"".join([*parts, pack.flush()])


def large_png(bits: int, colour: int) -> bytes:
    """The largest picture allowed, of ``bits`` a pixel, black."""
    width, height = LARGE
    depth = 16 if bits == 64 else 8
    return png((*LARGE, depth, colour), (b"IDAT", zeros(height * (1 + width * bits // 8))))


def large_jpeg(scans: int = 0) -> bytes:
    """The largest picture allowed; with ``scans``, progressive and its last one again and again."""
    black = np.zeros((LARGE[1], LARGE[0], 3), np.uint8)
    data = cv2.imencode(".jpg", black, [cv2.IMWRITE_JPEG_PROGRESSIVE, int(scans > 0)])[1].tobytes()
    if not scans:
        return data
    last, others = data.rindex(b"\xff\xda"), data.count(b"\xff\xda") - 1
    return data[:last] + data[last:-2] * (scans - others) + b"\xff\xd9"


def resized_jpeg(width: int, height: int) -> bytes:
    """A small JPEG whose header states another size."""
    data = bytearray(encoded(photo().resize((64, 48)), "JPEG"))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def canvas(width: int, height: int) -> bytes:
    """A WebP whose extended header states another size than its picture has."""
    inner = encoded(photo().resize((64, 48)), "WEBP", lossless=True)[12:]
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + sides + inner
    return b"RIFF" + struct.pack("<I", len(body)) + body


@cache
def seeds() -> dict[str, bytes]:
    """Good files of every kind that is read."""
    small = photo().resize((96, 128))
    more = {"save_all": True, "append_images": [small.rotate(turn) for turn in (90, 180)]}
    turned = Image.Exif()
    turned[0x0112] = 6
    return {
        "JPEG": encoded(small, "JPEG"),
        "progressive JPEG": encoded(small, "JPEG", progressive=True),
        "CMYK JPEG": encoded(small.convert("CMYK"), "JPEG"),
        "grey JPEG": encoded(small.convert("L"), "JPEG"),
        "turned JPEG": encoded(small, "JPEG", exif=turned),
        "PNG": encoded(small, "PNG"),
        "16-bit PNG": cv2.imencode(".png", np.full((60, 80), 40_000, np.uint16))[1].tobytes(),
        "16-bit PNG with alpha": cv2.imencode(".png", np.zeros((60, 80, 4), np.uint16))[
            1
        ].tobytes(),
        "palette PNG": encoded(small.convert("P"), "PNG"),
        "animated PNG": encoded(small, "PNG", **more),
        "turned PNG": encoded(small, "PNG", exif=turned),
        "WebP": encoded(small, "WEBP"),
        "lossless WebP": encoded(small, "WEBP", lossless=True),
        "animated WebP": encoded(small, "WEBP", **more),
        "turned WebP": encoded(small, "WEBP", exif=turned),
    }


def strange() -> Iterator[Attack]:
    """Whole files: those of kinds that are read are answered, others refused."""
    for name, data in seeds().items():
        yield Attack("strange", name, data, OK)
    for orientation in range(1, 10):
        meta = Image.Exif()
        meta[0x0112] = orientation
        data = encoded(photo().resize((60, 80)), "JPEG", exif=meta)
        yield Attack("strange", f"orientation {orientation}", data, OK)
    for kind in ("PNG", "JPEG", "WEBP"):
        yield Attack("strange", f"1 × 1 {kind}", encoded(Image.new("RGB", (1, 1)), kind), OK)
        wide = encoded(Image.new("RGB", (16_000, 2)), kind)
        yield Attack("strange", f"16000 × 2 {kind}", wide, OK)
    animated = {"save_all": True, "append_images": [photo().rotate(90)]}
    for kind, options in (("GIF", {}), ("GIF", animated), ("BMP", {}), ("TIFF", {}), ("PPM", {})):
        data = encoded(photo(), kind, **options)
        yield Attack("wrong type", f"{kind} {len(options)}", data, frozenset({415}))
    for data in (b"PK\x03\x04" + bytes(99), b"%PDF-1.7\n", b"<svg/>", b"\0" * 4096, b"hello"):
        yield Attack("wrong type", repr(data[:4]), data, frozenset({415}))
    yield Attack("empty", "0 bytes", b"", frozenset({422}))
    one = (b"IDAT", zeros(25 * 8))
    for head in ((0, 8, 8, 2), (8, 0, 8, 2), (0, 0, 8, 2)):
        yield Attack("empty", f"PNG {head}", png(head, one), frozenset({422}))
    for size in ((0, 48), (64, 0), (0, 0)):
        yield Attack("empty", f"JPEG {size}", resized_jpeg(*size), frozenset({422}))


def bombs() -> Iterator[Attack]:
    """Little that claims or unpacks to much, and much."""
    refused, too_large = frozenset({422}), frozenset({413})
    text = (b"zTXt", b"a\0\0" + zeros(7_900_000))
    one = (b"IDAT", zeros(25 * 8))
    for size in ((2**31 - 1, 2**31 - 1), (100_000, 100_000), (2, 30_000_000), (8001, 5000)):
        yield Attack("bomb", f"PNG of {size}", png((*size, 8, 2), one), too_large)
    yield Attack("bomb", "JPEG of 65500²", resized_jpeg(65_500, 65_500), too_large)
    yield Attack("bomb", "WebP of 2²⁴ × 200", canvas(2**24, 200), too_large)
    yield Attack("bomb", "WebP of another size", canvas(6000, 6000), refused)
    yield Attack("bomb", "JPEG cut by its size", resized_jpeg(6000, 6000), OK | {422, 503})
    yield Attack("bomb", "PNG of 1 GB", png((8, 8, 8, 2), (b"IDAT", zeros(10**9))), refused)
    yield Attack("bomb", "PNG with texts of 7 GB", png((8, 8, 8, 2), *[text] * 900, one), OK)
    yield Attack("bomb", "21 MB", pictures()[0] + bytes(21_000_000), too_large)
    yield Attack("bomb", "500 scans", large_jpeg(500), refused)


def large() -> Iterator[Attack]:
    """The most that is allowed; what takes longer than the deadline is answered 503, a clip of
    it and one more 413."""
    allowed = OK | {413, 503}
    yield Attack("largest", "PNG", large_png(24, 2), allowed)
    yield Attack("largest", "16-bit PNG with alpha", large_png(64, 6), allowed)
    yield Attack("largest", "JPEG", large_jpeg(), allowed)
    yield Attack("largest", "32 scans", large_jpeg(32), allowed)
    yield Attack("largest", "WebP", encoded(Image.new("RGB", LARGE), "WEBP"), allowed)
    yield Attack("largest", "bytes", pictures()[0] + bytes(19_900_000), allowed)


def damaged(draw: random.Random, times: int = 12) -> Iterator[Attack]:
    """Cut short; bits turned; bytes replaced, put in and taken out."""
    for name, data in seeds().items():
        for at in sorted({1, 2, 3, 12, 30, len(data) - 1, *draw.sample(range(len(data)), times)}):
            yield Attack("truncated", f"{name} at {at}", data[:at], REFUSED)
        for number in range(times):
            turned = bytearray(data)
            for _ in range(1 << number % 6):
                turned[draw.randrange(len(turned))] ^= 1 << draw.randrange(8)
            fixed = repaired(bytes(turned)) if number % 2 else bytes(turned)
            yield Attack("bits turned", f"{name} {number}", fixed, OK | REFUSED)
            at, much = draw.randrange(len(data)), draw.randrange(40)
            spliced = data[:at] + draw.randbytes(draw.randrange(40)) + data[at + much :]
            yield Attack("spliced", f"{name} {number}", repaired(spliced), OK | REFUSED)


def repaired(data: bytes) -> bytes:
    """A PNG whose chunks have the right checksums again, so that damage reaches the decoder."""
    at, parts = 8, [data[:8]]
    while data.startswith(b"\x89PNG") and at + 12 <= len(data):
        end = at + 8 + struct.unpack_from(">I", data, at)[0]
        if end + 4 > len(data):
            break
        parts += [data[at:end], struct.pack(">I", zlib.crc32(data[at + 4 : end]))]
        at = end + 4
    return b"".join([*parts, data[max(at, 8) :]])


@dataclass
class Outcome:
    """What came of the attacks; ``add`` may be called from several threads."""

    documented: dict[str, set[str]]
    sent: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    statuses: Counter[str] = field(default_factory=Counter)
    slowest: tuple[float, str] = (0.0, "")
    failures: list[str] = field(default_factory=list)
    enrolled: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, attack: Attack, path: str, answer: httpx.Response | str, seconds: float) -> None:
        """Counts one answer, or the reason why there is none."""
        what = f"{attack.group}, {attack.name}, at {path}"
        status = answer if isinstance(answer, str) else str(answer.status_code)
        with self.lock:
            self.sent[attack.group][status] += 1
            self.statuses[status] += 1
            self.slowest = max(self.slowest, (seconds, what))
            if seconds > SLOWEST_S:
                self.failures.append(f"{what}: {seconds:.1f} s")
            if isinstance(answer, str):
                self.failures.append(f"{what}: {answer}")
                return
            if answer.status_code == 201:
                self.enrolled += ROUTES[path]
            if answer.status_code not in attack.allowed or status not in self.documented[path]:
                self.failures.append(f"{what}: {status} {answer.text[:300]}")
            elif answer.status_code not in OK and not is_problem(answer):
                self.failures.append(f"{what}: no problem document: {answer.text[:300]}")


def is_problem(answer: httpx.Response) -> bool:
    """Whether a refusal is a problem document that says what to do."""
    if answer.headers["content-type"] != "application/problem+json":
        return False
    told = answer.json()
    return told["status"] == answer.status_code and all(
        told[k] for k in ("type", "detail", "remedy")
    )


def send(client: httpx.Client, path: str, data: bytes, number: int) -> httpx.Response:
    """The answer of a route to one image; of several, where the route takes many."""
    images = [pictures()[0]] * (ROUTES[path] - 1) + [data]
    form = {}
    if path.startswith("/views"):
        views = [{**VIEW, "sequence": f"{number}-{i}"} for i in range(len(images))]
        request = {"views": views} if path == "/views:batch" else views[0]
        form = {"request": json.dumps(request)}
    return client.post(path, files=[("image", ("i", image)) for image in images], data=form)


def attack_images(server: Server, seed: int, clients: int = 16) -> dict[str, Any]:
    """Every attack at every route, one by one; then the largest from many clients at once."""
    document = httpx.get(f"{server.url}/openapi.json").json()["paths"]
    told = Outcome({path: set(document[path]["post"]["responses"]) for path in ROUTES})
    at_rest = server.memory_mb("VmRSS")
    attacks = [*strange(), *bombs(), *large(), *damaged(random.Random(seed))]
    numbers = iter(range(10**9))
    with httpx.Client(base_url=server.url, timeout=60) as client:

        def ask(attack: Attack, path: str, number: int) -> None:
            started = time.monotonic()
            try:
                answer: httpx.Response | str = send(client, path, attack.data, number)
            except httpx.TransportError as error:
                answer = type(error).__name__
            told.add(attack, path, answer, time.monotonic() - started)

        for attack in attacks:
            for path in ROUTES:
                ask(attack, path, next(numbers))
        one_by_one = {"slowest": told.slowest, "peak_memory_mb": server.memory_mb("VmHWM")}
        told.slowest = (0.0, "")
        crowd = [Attack("in a crowd", one.name, one.data, one.allowed | {429}) for one in large()]
        with pulse(server) as beats, ThreadPoolExecutor(clients) as pool:
            for _ in range(3):
                for attack in crowd:
                    for path in ROUTES:
                        pool.submit(ask, attack, path, next(numbers))
        kept = enrolled(client)
        if kept != told.enrolled:
            told.failures.append(f"{told.enrolled} views were acknowledged, {kept} are listed")
        gone = client.delete("/instances/fuzzed", params={"dataset": "fuzz"}).json()
        if gone.get("views") != kept or enrolled(client):
            told.failures.append(f"not all of {kept} views could be deleted: {gone}")
    peak = server.memory_mb("VmHWM")
    if peak > MEMORY_MB:
        told.failures.append(f"{peak:.0f} MB of memory, above {MEMORY_MB}")
    if server.crashes():
        told.failures.append(f"{server.crashes()} tracebacks in the log")
    return {
        "images": len(attacks),
        "sent": sum(told.statuses.values()),
        "statuses": dict(sorted(told.statuses.items())),
        "by_group": {group: dict(sorted(counts.items())) for group, counts in told.sent.items()},
        "acknowledged_views_found_and_deleted": kept,
        "one_by_one": one_by_one,
        "in_a_crowd": {
            "clients": clients,
            "slowest": told.slowest,
            "slowest_healthz_s": max(beats),
            "peak_memory_mb": peak,
        },
        "memory_mb": {"before": at_rest, "after": server.memory_mb("VmRSS")},
        "failures": told.failures,
    }


class pulse:  # noqa: N801
    """Asks /healthz ten times a second while the block runs; gives the seconds each took."""

    def __init__(self, server: Server) -> None:
        self._url, self._seconds, self._stop = f"{server.url}/healthz", [0.0], threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> list[float]:
        self._thread.start()
        return self._seconds

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _ask(self) -> None:
        while not self._stop.wait(0.1):
            started = time.monotonic()
            httpx.get(self._url, timeout=60).raise_for_status()
            self._seconds.append(time.monotonic() - started)


def enrolled(client: httpx.Client) -> int:
    """Views of the dataset that the attacks enrol into, over all pages."""
    count, after = 0, None
    while True:
        page = {"dataset": "fuzz", "limit": 200, **({} if after is None else {"after": after})}
        found = client.get("/views", params=page).raise_for_status().json()
        count, after = count + len(found["views"]), found["next"]
        if after is None:
            return count
