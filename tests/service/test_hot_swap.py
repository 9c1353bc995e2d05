"""A newly promoted version is taken up while questions are asked; none is dropped or mixed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from index.build import build_index
from index.gallery import Gallery
from index.home import Home
from index.store.database import reading as reading_of
from index.store.database import writing
from index.store.enrolled import add_changes
from index.store.stored_view import view_key
from index.store.tables import views
from index.store.views import delete_views
from service.serving import Serving
from service.settings import Settings
from tests.service.conftest import (
    BuildToys,
    Live,
    Query,
    Start,
    ToyReader,
    assert_problem,
    wait_until,
)
from tests.service.test_two_heads import export
from training.encoder import Encoder
from training.errors import GalleryError


@contextmanager
def asked_all_the_time(server: Live, query: Query) -> Iterator[list[tuple[str, int]]]:
    """Versions that answered and how many neighbours they gave, while eight clients ask on.

    Fails in the end where any question was not answered.
    """
    seen: list[tuple[str, int]] = []
    failures: list[str] = []
    stop = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=server.url, timeout=30) as client:
            while not stop.is_set():
                answer = Live(server.url, client).ask("/pose/estimate", query.jpeg, {"k": 100})
                if answer.status_code != 200:
                    failures.append(answer.text)
                    continue
                told = answer.json()
                seen.append((told["index"]["version"], len(told["neighbours"])))

    askers = [threading.Thread(target=ask) for _ in range(8)]
    for asker in askers:
        asker.start()
    try:
        wait_until(lambda: bool(seen) or bool(failures))
        yield seen
    finally:
        stop.set()
        for asker in askers:
            asker.join(30)
    assert failures == []


def test_versions_change_under_requests(
    start: Start, build_toys: BuildToys, tmp_path: Path, query: Query
) -> None:
    versions = [build_toys(tmp_path, frames=3)]
    server = start(tmp_path, deadline_seconds=60)  # however slow the machine, nobody is late
    with asked_all_the_time(server, query) as seen:
        for frames in (4, 5, 6):
            versions.append(build_toys(tmp_path, frames=frames))
            wait_until(lambda: seen[-1][0] == versions[-1])
    sizes = dict(zip(versions, (12, 16, 20, 24), strict=True))
    assert {version for version, _ in seen} == set(versions)
    assert all(count == sizes[version] for version, count in seen)


def test_the_encoder_changes_under_requests(
    start: Start, build_toys: BuildToys, tmp_path: Path, query: Query
) -> None:
    """What waits for the old encoder's batch is answered by it, what comes next by the new one."""
    old = build_toys(tmp_path, frames=3)
    server = start(tmp_path, deadline_seconds=60)
    other = export(tmp_path / "other", {"pose": 2, "identity": 1})
    home = Home.open(tmp_path, f"sqlite:///{tmp_path / 'posebank.sqlite'}")
    toys = ToyReader(frames=4)
    with asked_all_the_time(server, query) as seen:
        encoder = Encoder.load(other, threads=1)
        new = build_index(home, "toys", [toys], encoder, encoder_folder=other, fps=None).version
        wait_until(lambda: seen[-1][0] == new)
    assert set(seen) == {(old, 12), (new, 16)}


def test_an_index_without_its_encoder_is_told_and_not_served(
    build_toys: BuildToys, tmp_path: Path
) -> None:
    build_toys(tmp_path, frames=1)
    home = Home.open(tmp_path)
    manifest = next((tmp_path / "indexes" / "toys").glob("*/manifest.json"))
    text = manifest.read_text()
    folder = text.split('"encoder_folder":')[1].split('"')[1]
    manifest.write_text(text.replace(folder, "/nowhere"))
    serving = Serving(Settings(home=home.path, database_url=home.database_url))
    serving.refresh()
    assert serving.served == {}
    assert serving.not_ready is serving.unserved["toys"]
    assert "/nowhere" in serving.unserved["toys"].message
    named = Serving(Settings(home=home.path, database_url=home.database_url, encoder=Path(folder)))
    assert named.refresh() == ("toys",)
    assert named.not_ready is None


def test_a_default_index_that_is_not_there(home: Path) -> None:
    url = f"sqlite:///{home / 'posebank.sqlite'}"
    serving = Serving(Settings(home=home, database_url=url, default_index="nope"))
    serving.refresh()
    assert serving.not_ready is not None
    assert "nope" in serving.not_ready.message
    assert "toys" in serving.not_ready.remedy


def test_an_unreachable_database_is_a_reason_and_is_tried_again(home: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    database = tmp_path / "database.sqlite"
    database.mkdir()  # a folder where the file should be
    serving = Serving(Settings(home=blocked, database_url=f"sqlite:///{database}"))
    assert serving.refresh() == ()
    assert serving.not_ready is not None
    assert serving.not_ready.remedy
    database.rmdir()
    serving.refresh()
    assert "no index" in serving.not_ready.message


def test_what_others_enrol_is_found_while_a_new_version_is_read(
    start: Start,
    build_toys: BuildToys,
    tmp_path: Path,
    query: Query,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server, go_on = start_and_promote(start, build_toys, tmp_path, monkeypatch)
    home = Home.open(tmp_path, f"sqlite:///{tmp_path / 'posebank.sqlite'}")
    before = server.client.get("/indexes").json()["indexes"][0]["views"]
    with reading_of(home) as connection:
        (gone,) = [row.id for row in connection.execute(sa.select(views.c.id).limit(1))]
    with writing(home) as connection:
        delete_views(connection, [gone])
        add_changes(connection, [gone], erased=True)
    try:
        wait_until(
            lambda: server.client.get("/indexes").json()["indexes"][0]["views"] == before - 1
        )
    finally:
        go_on.set()
    wait_until(lambda: server.client.get("/indexes").json()["indexes"][0]["views"] == 15)


def test_no_change_waits_for_a_new_version_to_be_read(
    start: Start,
    build_toys: BuildToys,
    tmp_path: Path,
    query: Query,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was enrolled is in every later answer, what was deleted in none, of either version."""
    server, go_on = start_and_promote(start, build_toys, tmp_path, monkeypatch)
    view = {"dataset": "workshop", "instance": "drill-7", "category": "drill"}

    def told() -> tuple[str, set[str]]:
        answer = server.ask("/pose/estimate", query.jpeg, {**query.request, "k": 100}).json()
        ids = {neighbour["view"]["id"] for neighbour in answer["neighbours"]}
        return answer["index"]["version"], ids

    old, before = told()
    gone = min(before)
    try:
        server.client.timeout = httpx.Timeout(10)
        enrolled = server.ask("/views", query.jpeg, {**view, "bbox": query.request["bbox"]})
        assert enrolled.status_code == 201
        assert enrolled.json()["id"] in told()[1]
        assert server.client.delete(f"/views/{gone}").status_code == 200
        assert told() == (old, before - {gone} | {enrolled.json()["id"]})
    finally:
        go_on.set()
    sizes = set()
    while 16 not in sizes:
        version, ids = told()
        assert enrolled.json()["id"] in ids
        assert gone not in ids
        sizes.add(len(ids))
        assert (version == old) == (len(ids) == 12)
    assert sizes <= {12, 16}


def test_an_old_version_that_stays_in_use_takes_in_changes(
    start: Start,
    build_toys: BuildToys,
    tmp_path: Path,
    query: Query,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The new one cannot be served, so the old one is, and changes are to be seen there."""
    build_toys(tmp_path, frames=3)
    server = start(tmp_path)

    def refuse(*_: Any) -> None:
        raise GalleryError("The encoder is another one.", "Use the one it was built with.")

    monkeypatch.setattr(Gallery, "check_canary", refuse)
    build_toys(tmp_path, frames=4)
    wait_until(lambda: server.client.get("/indexes").json()["indexes"][0]["reason"] is not None)
    view = {"dataset": "workshop", "instance": "drill-7", "category": "drill"}
    enrolled = server.ask("/views", query.jpeg, {**view, "bbox": query.request["bbox"]})
    assert enrolled.status_code == 201
    best = server.ask("/reid/search", query.jpeg, query.request).json()["matches"][0]
    assert best["instance"] == "drill-7"


def test_a_view_that_only_a_killed_build_wrote_is_not_there(
    start: Start,
    build_toys: BuildToys,
    tmp_path: Path,
    query: Query,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    build_toys(tmp_path, frames=3)
    server = start(tmp_path)
    view = {"dataset": "workshop", "instance": "drill-7", "category": "drill"}
    enrolled = server.ask("/views", query.jpeg, {**view, "bbox": query.request["bbox"]}).json()
    home = Home.open(tmp_path, f"sqlite:///{tmp_path / 'posebank.sqlite'}")

    def stored() -> set[str]:
        with reading_of(home) as connection:
            return {view_key(row.id) for row in connection.execute(sa.select(views.c.id))}

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    published = stored()
    with monkeypatch.context() as patch:
        patch.setattr("index.building.publish.make_current", killed)
        with pytest.raises(KeyboardInterrupt):
            build_toys(tmp_path, frames=4)
    unpublished = stored() - published
    assert (len(published), len(unpublished)) == (13, 4)
    assert enrolled["id"] in published
    for ids, status in ((published, 200), (unpublished, 404)):
        for key in ids:
            for path in (f"/views/{key}", f"/views/{key}/thumbnail"):
                assert server.client.get(path).status_code == status, path
    assert_problem(server.client.delete(f"/views/{min(unpublished)}"), 404, "unknown-view")


class GoOn(threading.Event):
    """Until it is set, versions are being read; ``reading`` is set when the first is."""

    def __init__(self) -> None:
        super().__init__()
        self.reading = threading.Event()


def start_and_promote(
    start: Start, build_toys: BuildToys, home: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Live, GoOn]:
    """A server of 12 views that reads a new version of 16 until it is told to go on."""
    build_toys(home, frames=3)
    server = start(home)
    go_on = open_slowly(monkeypatch)
    build_toys(home, frames=4)
    assert go_on.reading.wait(20)
    return server, go_on


def open_slowly(monkeypatch: pytest.MonkeyPatch) -> GoOn:
    """A big version takes long to check and read, as any does until what is returned is set."""
    go_on = GoOn()
    opened = Gallery.open

    def slowly(*given: Any, **more: Any) -> Gallery:
        go_on.reading.set()
        assert go_on.wait(20)
        return opened(*given, **more)

    monkeypatch.setattr(Gallery, "open", slowly)
    return go_on
