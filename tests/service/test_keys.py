"""API keys at a running server and on the command line."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from index.build import build_index
from index.home import Home
from index.keys import Keys
from index.store.keys import KeyRecord
from service.exposure import check_exposure
from service.key_ring import Bucket, KeyRing
from service.listen import ListenError
from service.problems import RefusedError
from service.settings import Settings
from tests.service.conftest import Live, Query, Start, ToyReader, assert_problem, wait_until
from tests.service.test_commands import run
from training.encoder import Encoder


@pytest.fixture(scope="module")
def guarded_home(tmp_path_factory: pytest.TempPathFactory, tiny_encoder: Path) -> Path:
    """Index `mixed` holds the same toys as datasets `toys` and `secret`, `hidden` only `secret`."""
    folder = tmp_path_factory.mktemp("guarded")
    home = Home.open(folder, f"sqlite:///{folder / 'posebank.sqlite'}")
    toys, secret = ToyReader(), ToyReader(dataset="secret", root=Path("secret"), frames=7)
    encoder = Encoder.load(tiny_encoder, threads=1)
    for name, readers in {"toys": [toys], "hidden": [secret], "mixed": [toys, secret]}.items():
        build_index(home, name, readers, encoder, encoder_folder=tiny_encoder, fps=None)
    return folder


@pytest.fixture(scope="module")
def keys(guarded_home: Path) -> Keys:
    keys = Keys(Home.open(guarded_home, f"sqlite:///{guarded_home / 'posebank.sqlite'}"))
    keys.create("so that none is open", ["admin"])
    return keys


@pytest.fixture(scope="module")
def guarded(start: Start, guarded_home: Path, keys: Keys) -> Live:
    return start(guarded_home, default_index="mixed")


@pytest.fixture
def with_key(guarded: Live, keys: Keys) -> Iterator[dict[str, Live]]:
    """The server, asked with a key for everything (`whole`) and with one for `toys` (`part`)."""
    found = {}
    for name, datasets in (("whole", None), ("part", ["toys"]), ("nothing", ["no such"])):
        _, text = keys.create(name, ["query", "enrol"], datasets)
        client = httpx.Client(base_url=guarded.url, headers={"Authorization": f"Bearer {text}"})
        found[name] = Live(guarded.url, client)
    for live in found.values():
        wait_until(lambda live=live: live.client.get("/samples").status_code == 200)  # type: ignore[misc]
    yield found
    for live in found.values():
        live.client.close()


def test_both_headers_open(guarded: Live, keys: Keys) -> None:
    _, text = keys.create("both", ["query"])
    for headers in (
        {"Authorization": f"Bearer {text}"},
        {"authorization": f"bearer {text}"},
        {"X-API-Key": text},
    ):
        wait_until(lambda h=headers: guarded.client.get("/indexes", headers=h).status_code == 200)  # type: ignore[misc]


def test_wrong_keys_open_nothing(guarded: Live, keys: Keys) -> None:
    record, text = keys.create("right", ["query"])
    other, _ = keys.create("other", ["query"])
    right = {"Authorization": f"Bearer {text}"}
    wait_until(lambda: guarded.client.get("/indexes", headers=right).status_code == 200)
    secret = text.rsplit("_")[-1]
    wrong = [
        f"Bearer pb_{other.id}_{secret}",
        f"Bearer pb_{record.id}_{secret[:-1]}{'0' if secret[-1] != '0' else '1'}",
        f"Bearer pb_{record.id}_{record.hash}",
        f"Bearer {secret}",
        f"Bearer {text} {text}",
        f"Basic {text}",
        "Bearer",
        "Bearer \xe9",
        "",
    ]
    for value in wrong:
        headers = {"Authorization": value.encode("latin-1")}
        answer = guarded.client.get("/indexes", headers=headers)
        assert_problem(answer, 401, "unauthenticated")
        assert answer.headers["www-authenticate"] == "Bearer"
    assert_problem(guarded.client.get("/indexes", params={"key": text}), 401, "unauthenticated")


def test_a_key_is_known_and_forgotten_within_a_second(guarded: Live, keys: Keys) -> None:
    record, text = keys.create("short", ["query"])
    headers = {"X-API-Key": text}
    ask = lambda: guarded.client.get("/indexes", headers=headers).status_code  # noqa: E731
    wait_until(lambda: ask() == 200, seconds=1.0)
    keys.revoke(record.id)
    wait_until(lambda: ask() == 401, seconds=1.0)


def test_each_scope_opens_its_own(guarded: Live, keys: Keys) -> None:
    _, text = keys.create("watcher", ["admin"])
    headers = {"X-API-Key": text}
    wait_until(lambda: guarded.client.get("/indexes", headers=headers).status_code == 403)
    problem = assert_problem(guarded.client.get("/indexes", headers=headers), 403, "forbidden")
    assert "no scope query" in str(problem["detail"])


def test_a_key_has_its_rate(guarded: Live, keys: Keys) -> None:
    _, slow = keys.create("slow", ["query"], rate_per_minute=3)
    _, free = keys.create("free", ["query"])
    wait_until(lambda: guarded.client.get("/samples", headers={"X-API-Key": free}).is_success)
    codes = [
        guarded.client.get("/samples", headers={"X-API-Key": slow}).status_code for _ in range(4)
    ]
    assert codes == [200, 200, 200, 429]
    answer = guarded.client.get("/samples", headers={"X-API-Key": slow})
    problem = assert_problem(answer, 429, "rate-limited")
    assert "3 times a minute" in str(problem["detail"])
    assert 1 <= int(answer.headers["retry-after"]) <= 20
    assert guarded.client.get("/samples", headers={"X-API-Key": free}).status_code == 200


def test_a_bucket_lets_its_rate_pass() -> None:
    bucket = Bucket(60, now=0.0)
    assert [bucket.take(0.0) for _ in range(60)] == [0.0] * 60
    assert bucket.take(0.0) == pytest.approx(1.0)
    assert bucket.take(0.25) == pytest.approx(0.75)
    assert bucket.take(1.0) == 0.0
    assert bucket.take(1.0) > 0
    passed = sum(bucket.take(1.0 + second / 10) == 0.0 for second in range(6000))
    assert 599 <= passed <= 600
    assert sum(bucket.take(10_000.0) == 0.0 for _ in range(100)) == 60
    half = Bucket(1, now=0.0)
    assert [half.take(0.0, cost=0.5) for _ in range(3)] == [0.0, 0.0, 30.0]


def test_thumbnails_cost_a_fiftieth(
    guarded: Live, keys: Keys, with_key: dict[str, Live], query: Query
) -> None:
    """A page of the gallery with its 48 pictures leaves a key of three requests one more."""
    whole = with_key["whole"]
    picture = whole.ask("/pose/estimate", query.jpeg).json()["neighbours"][0]["view"]
    _, slow = keys.create("browser", ["query"], rate_per_minute=3)
    headers = {"X-API-Key": slow}
    wait_until(lambda: guarded.client.get("/views", headers=headers).status_code == 200)
    codes = {
        guarded.client.get(picture["thumbnail_url"], headers=headers).status_code for _ in range(48)
    }
    assert codes == {200}
    codes_of_questions = [
        guarded.client.get("/views", headers=headers).status_code for _ in range(2)
    ]
    assert codes_of_questions == [200, 429]


def test_k_neighbours_are_k_allowed_ones(with_key: dict[str, Live], query: Query) -> None:
    """A key for one dataset is answered as if the index held that dataset alone."""
    part, whole = with_key["part"], with_key["whole"]
    request = {**query.request, "k": 20, "reid": True}
    limited = part.ask("/pose/estimate", query.jpeg, request).json()
    alone = part.ask("/pose/estimate", query.jpeg, {**request, "index": "toys"}).json()
    every = whole.ask("/pose/estimate", query.jpeg, request).json()
    assert len(limited["neighbours"]) == 20
    for field in ("neighbours", "reid"):
        assert same_views(limited[field], alone[field])
        assert not same_views(limited[field], every[field])
    limited, alone = (
        part.ask("/reid/search", query.jpeg, {**request, "index": index}).json()
        for index in ("mixed", "toys")
    )
    assert same_views(limited["matches"], alone["matches"])
    assert [one["count"] for one in limited["matches"]] == [
        one["count"] for one in alone["matches"]
    ]


def same_views(first: object, second: object) -> bool:
    """Whether two answers show the same views in the same order, as like to the query."""

    def views(answer: object) -> list[tuple[str, float]]:
        if isinstance(answer, list):
            return [view for one in answer for view in views(one)]
        if not isinstance(answer, dict):
            return []
        if "view" in answer:
            return [(answer["view"]["id"], answer["similarity"])]
        return [view for one in answer.values() for view in views(one)]

    one, other = views(first), views(second)
    assert one
    assert other
    return [view for view, _ in one] == [view for view, _ in other] and [
        similarity for _, similarity in one
    ] == pytest.approx([similarity for _, similarity in other], abs=1e-6)


def test_filters_cannot_widen_the_allow_list(with_key: dict[str, Live], query: Query) -> None:
    part = with_key["part"]
    request = {**query.request, "filters": {"dataset": "secret"}}
    assert part.ask("/pose/estimate", query.jpeg, request).json()["neighbours"] == []
    assert part.ask("/reid/search", query.jpeg, request).json()["matches"] == []
    actions = part.ask("/actions/search", query.jpeg, {"filters": {"dataset": "secret"}}).json()
    assert actions["category"] is None
    assert "secret" not in json.dumps(part.ask("/actions/search", query.jpeg, {"k": 100}).json())


def test_what_may_not_be_seen_does_not_exist(with_key: dict[str, Live], query: Query) -> None:
    part, whole, nothing = with_key["part"], with_key["whole"], with_key["nothing"]
    listed = {one["name"]: one for one in part.client.get("/indexes").json()["indexes"]}
    every = {one["name"]: one for one in whole.client.get("/indexes").json()["indexes"]}
    assert set(listed) == {"toys", "mixed"}
    assert set(every) == {"toys", "mixed", "hidden"}
    for field in ("views", "sequences", "instances", "annotated", "datasets", "categories"):
        assert listed["mixed"][field] == every["toys"][field]
        assert every["mixed"][field] != every["toys"][field] or field == "categories"
    assert nothing.client.get("/indexes").json() == {"indexes": []}
    for live, name in ((part, "hidden"), (part, "nope"), (nothing, "toys"), (nothing, None)):
        request = {} if name is None else {"index": name}
        problem = assert_problem(
            live.ask("/pose/estimate", query.jpeg, request), 404, "unknown-index"
        )
        assert "hidden" not in str(problem["remedy"])
    answer = whole.ask("/pose/estimate", query.jpeg, {"index": "hidden"}).json()
    view = answer["neighbours"][0]["view"]["id"]
    for tail in ("", "/thumbnail"):
        assert whole.client.get(f"/views/{view}{tail}").status_code == 200
        seen = part.client.get(f"/views/{view}{tail}")
        absent = part.client.get(f"/views/{'0' * 16}{tail}")
        assert_problem(seen, 404, "unknown-view")
        assert seen.json()["detail"].replace(view, "0" * 16) == absent.json()["detail"]
    mine = part.ask("/pose/estimate", query.jpeg).json()["neighbours"][0]["view"]
    picture = part.client.get(mine["thumbnail_url"])
    assert picture.headers["content-type"] == "image/jpeg"
    assert picture.headers["cache-control"] == "no-store"


def test_secrets_and_images_are_never_logged(
    guarded: Live,
    keys: Keys,
    query: Query,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, text = keys.create("loud", ["query"])
    secret = text.rsplit("_")[-1]
    caplog.set_level(logging.DEBUG)

    def fail(*_: object) -> None:
        raise RuntimeError("meant to fail")

    wait_until(lambda: guarded.client.get("/samples", headers={"X-API-Key": text}).is_success)
    headers = {"Authorization": f"Bearer {text}"}
    image = {"image": ("q.jpg", query.jpeg)}
    assert guarded.client.post("/pose/estimate", files=image, headers=headers).status_code == 200
    half = {"Authorization": f"Bearer {text[:-1]}"}
    assert guarded.client.post("/pose/estimate", files=image, headers=half).status_code == 401
    monkeypatch.setattr("service.routes.questions.pick", fail)
    crashed = guarded.client.post("/pose/estimate", files=image, headers=headers)
    assert_problem(crashed, 500, "internal")
    assert "meant to fail" in caplog.text
    said = caplog.text + repr([record.__dict__ for record in caplog.records]) + crashed.text
    assert secret not in said
    assert secret[:-1] not in said
    assert repr(query.jpeg[300:310])[2:-1] not in said
    assert "JFIF" not in said


def test_nobody_gets_in_where_the_keys_cannot_be_read(tmp_path: Path) -> None:
    """The keys once read are not trusted on: one might have been revoked since."""
    now = 0.0
    file = tmp_path / "db.sqlite"
    settings = Settings(home=tmp_path, database_url=f"sqlite:///{file}")
    ring = KeyRing(settings, clock=lambda: now)
    _, text = Keys(Home.open(tmp_path, settings.database_url)).create("robot", ["query"])
    assert asyncio.run(ring.find(text)).name == "robot"
    file.rename(tmp_path / "away.sqlite")
    file.mkdir()
    assert asyncio.run(ring.find(text)).name == "robot"
    now = 1.0
    from index.store.database import close_database

    close_database(Home.open(tmp_path, settings.database_url))
    with pytest.raises(Exception, match="database"):
        asyncio.run(ring.find(text))


def test_buckets_of_forgotten_keys_go(tmp_path: Path) -> None:
    now = 0.0
    settings = Settings(home=tmp_path, database_url=f"sqlite:///{tmp_path / 'db.sqlite'}")
    ring = KeyRing(settings, clock=lambda: now)
    keys = Keys(Home.open(tmp_path, settings.database_url))
    record, text = keys.create("robot", ["query"], rate_per_minute=1)

    async def spend() -> KeyRecord:
        key = await ring.find(text)
        ring.spend(key)
        return key

    asyncio.run(spend())
    with pytest.raises(RefusedError) as refused:
        asyncio.run(spend())
    assert (refused.value.slug, refused.value.retry_after) == ("rate-limited", 60)
    assert dataclasses.asdict(record)["rate_per_minute"] == 1
    keys.revoke(record.id, forget=True)
    now = 1.0
    assert not asyncio.run(ring.ever())
    assert not ring._buckets


def test_the_commands(tmp_path: Path) -> None:
    none = run("keys", "list", home=tmp_path)
    assert "No key yet" in none.stdout
    made = run("keys", "create", "arm", "--scope", "query, enrol", "--rate", "9", home=tmp_path)
    text = made.stdout.strip()
    assert re.fullmatch(r"pb_[0-9a-f]{12}_[0-9a-f]{64}", text)
    assert text not in made.stderr
    more = ("--dataset", "toys", "--dataset", "cups", "--json")
    second = json.loads(run("keys", "create", "page", *more, home=tmp_path).stdout)
    assert second["scopes"] == ["query"]
    assert second["datasets"] == ["cups", "toys"]
    revoked = run("keys", "revoke", second["id"], home=tmp_path)
    assert "opens nothing any more" in revoked.stdout
    listed = run("keys", "list", "--json", home=tmp_path).stdout
    first, last = json.loads(listed)["keys"]
    assert (first["name"], first["scopes"], first["rate_per_minute"]) == (
        "arm",
        ["query", "enrol"],
        9,
    )
    assert last["revoked_at"] is not None
    for shown in (listed, run("keys", "list", home=tmp_path).stdout):
        assert text[-64:] not in shown
        assert second["key"][-64:] not in shown
    wrong = run("keys", "create", "x", "--scope", "root", home=tmp_path)
    assert wrong.returncode == 2
    assert "There is no scope 'root'" in wrong.stderr
    assert run("keys", "revoke", "nope", home=tmp_path).returncode == 2
    assert "last" not in run("keys", "revoke", first["id"], "--forget", home=tmp_path).stdout
    told = run("keys", "revoke", second["id"], "--forget", home=tmp_path).stdout
    assert "the last one: a server on 127.0.0.1 asks for no key" in told


def test_others_reach_no_server_without_a_key(tmp_path: Path) -> None:
    done = run("serve", "--host", "0.0.0.0", "--port", "0", home=tmp_path)
    assert done.returncode == 2
    assert "no active API key" in done.stderr
    assert "posebank keys create" in done.stderr


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.168.1.5", "10.0.0.1", "fe80::1"])
def test_exposed_addresses_need_an_active_key(address: str, tmp_path: Path, caplog) -> None:
    database = f"sqlite:///{tmp_path / 'db.sqlite'}"
    settings = Settings(home=tmp_path, database_url=database)
    with pytest.raises(ListenError, match="no active API key"):
        check_exposure(settings, address)
    for own in ("127.0.0.1", "127.8.8.8", "::1"):
        check_exposure(settings, own)
    keys = Keys(Home.open(tmp_path, database))
    record, _ = keys.create("robot", ["query"])
    check_exposure(settings, address)
    keys.revoke(record.id)
    with pytest.raises(ListenError, match="no active API key"):
        check_exposure(settings, address)
    assert not caplog.records
    unsafe = Settings(home=tmp_path, database_url=database, insecure_listen_without_keys=True)
    check_exposure(unsafe, address)
    assert address in caplog.text
