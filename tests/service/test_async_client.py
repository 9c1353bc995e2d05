"""The awaited client makes the same calls as the blocking one, and many at a time."""

from __future__ import annotations

import asyncio
import inspect

import httpx
import pytest

from service.client import AsyncClient, Client, ProblemError, Retries, UnreachableError
from tests.service.conftest import Live, Query
from tests.service.test_client import Scripted, busy, no_index


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that the client would have slept; it sleeps none."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("service.client.asynchronous.sleep", sleep)
    return slept


async def indexes(script: Scripted, **arguments: object) -> list[object]:
    transport = httpx.MockTransport(script)
    async with AsyncClient("http://posebank", transport=transport, **arguments) as client:  # type: ignore[arg-type]
        return list(await client.indexes())


def methods(kind: type) -> dict[str, inspect.Signature]:
    return {
        name: inspect.signature(value)
        for name, value in vars(kind).items()
        if inspect.isfunction(value) and not name.startswith("_")
    }


def test_both_clients_have_the_same_methods() -> None:
    blocking, awaited = methods(Client), methods(AsyncClient)
    assert set(blocking) - {"close"} == set(awaited) - {"aclose"}
    for name in set(blocking) - {"close"}:
        assert blocking[name].parameters == awaited[name].parameters, name
        answers = blocking[name].return_annotation, awaited[name].return_annotation
        assert answers[1] in (answers[0], f"Async{answers[0]}"), name


def test_typed_answers_many_at_a_time(live: Live, query: Query) -> None:
    async def ask() -> None:
        async with AsyncClient(live.url) as client:
            answers = await asyncio.gather(
                *(client.estimate_pose(query.jpeg, {**query.request, "k": k}) for k in (1, 2, 3))
            )
            assert [len(answer.neighbours) for answer in answers] == [1, 2, 3]
            view = answers[0].neighbours[0].view
            assert (await client.view(view.id)).instance == view.instance
            assert (await client.thumbnail(view.id)).startswith(b"\xff\xd8")
            with pytest.raises(ProblemError, match="1 to 200"):
                await client.search_reid(query.jpeg, {"k": 5000})

    asyncio.run(ask())


def test_a_busy_server_is_asked_again_no_sooner_than_it_says(waits: list[float]) -> None:
    script = Scripted(busy("2"), httpx.ReadError, busy(None, status=503), no_index())
    assert asyncio.run(indexes(script)) == []
    assert len(script.requests) == 4
    for wait, least in zip(waits, (2.0, 0.5, 1.0), strict=True):
        assert least <= wait <= 1.25 * least


def test_attempts_are_bounded(waits: list[float]) -> None:
    script = Scripted(*[httpx.ConnectError] * 9)
    with pytest.raises(UnreachableError, match="3 of 3 attempts"):
        asyncio.run(indexes(script, retries=Retries(attempts=3)))
    assert len(waits) == 2


def test_a_wait_leaves_the_loop_to_others() -> None:
    """While one task waits for a busy server, another one gets its answer."""
    order: list[str] = []

    async def ask(name: str, script: Scripted) -> None:
        await indexes(script)
        order.append(name)

    async def both() -> None:
        await asyncio.gather(
            ask("refused", Scripted(busy(None), no_index())), ask("ok", Scripted(no_index()))
        )

    asyncio.run(both())
    assert order == ["ok", "refused"]


def test_the_key_travels() -> None:
    script = Scripted(no_index())
    asyncio.run(indexes(script, api_key="pb_secret"))
    assert script.requests[0].headers["authorization"] == "Bearer pb_secret"


def test_pages_are_followed_to_the_last() -> None:
    script = Scripted(
        httpx.Response(200, json={"views": [], "next": "0" * 16}),
        httpx.Response(200, json={"views": [], "next": None}),
    )

    async def follow() -> int:
        transport = httpx.MockTransport(script)
        async with AsyncClient("http://posebank", transport=transport) as client:
            return len([view async for view in client.views(category="cup")])

    assert asyncio.run(follow()) == 0
    assert dict(script.requests[1].url.params) == {"category": "cup", "after": "0" * 16}
