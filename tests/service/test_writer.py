"""Changes are written one by one, seen by questions when they are answered, and bounded."""

from __future__ import annotations

import asyncio
import threading

import pytest

from service.problems import RefusedError
from service.writer import MOST_WAITING, Writer
from training.errors import GalleryError, StorageFullError


class Serving:
    """Counts what a writer asks of the real one."""

    def __init__(self) -> None:
        self.followed = 0

    def follow(self) -> None:
        self.followed += 1


def test_a_change_is_seen_before_it_is_answered() -> None:
    serving = Serving()
    writer = Writer(serving)  # type: ignore[arg-type]
    assert asyncio.run(writer.run(lambda: "stored")) == "stored"
    assert serving.followed == 1
    writer.close()


def test_one_change_at_a_time_in_the_order_they_came() -> None:
    writer = Writer(Serving())  # type: ignore[arg-type]
    order: list[tuple[int, str]] = []

    def change(number: int) -> None:
        order.append((number, "begins"))
        threading.Event().wait(0.002)
        order.append((number, "ends"))

    async def run() -> None:
        await asyncio.gather(*(writer.run(lambda n=n: change(n)) for n in range(5)))

    asyncio.run(run())
    assert order == [(n, what) for n in range(5) for what in ("begins", "ends")]
    writer.close()


def test_more_than_may_wait_are_refused_and_later_taken_again() -> None:
    writer = Writer(Serving())  # type: ignore[arg-type]
    gate = threading.Event()

    async def run() -> None:
        held = [asyncio.create_task(writer.run(gate.wait)) for _ in range(MOST_WAITING)]
        await asyncio.sleep(0)
        with pytest.raises(RefusedError, match=f"limit is {MOST_WAITING}") as refused:
            await writer.run(gate.wait)
        assert (refused.value.slug, refused.value.retry_after) == ("busy", 2)
        gate.set()
        assert all(await asyncio.gather(*held))
        assert await writer.run(lambda: "taken") == "taken"

    asyncio.run(run())
    writer.close()


@pytest.mark.parametrize(
    ("kind", "slug"), [(GalleryError, "not-written"), (StorageFullError, "storage-full")]
)
def test_what_cannot_be_stored_is_a_refusal_of_its_own(kind: type[GalleryError], slug: str) -> None:
    serving = Serving()
    writer = Writer(serving)  # type: ignore[arg-type]

    def change() -> None:
        raise kind("The database failed.", "Look after it.")

    with pytest.raises(RefusedError, match="Look after it") as refused:
        asyncio.run(writer.run(change))
    assert refused.value.slug == slug
    assert writer.failed.is_set()
    assert asyncio.run(writer.run(lambda: "stored")) == "stored"
    writer.close()
