"""What was deleted is gone: from every route, from the database file and all vector files."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from index.building.assemble import seal
from index.building.lock import exclusive
from index.enrolment import erase_views
from index.home import Home
from index.manifest import Manifest
from index.search import Gallery
from service.client import Client, ProblemError
from tests.service.conftest import (
    BuildToys,
    Live,
    Query,
    Start,
    assert_problem,
    make_query,
    wait_until,
)
from tests.service.test_enrolment import annotated


@pytest.fixture
def folder(tmp_path: Path, build_toys: BuildToys) -> Path:
    """A home of 24 toys."""
    build_toys(tmp_path)
    return tmp_path


@pytest.fixture
def live(start: Start, folder: Path) -> Live:
    """A server of it."""
    return start(folder)


def gallery(folder: Path) -> Gallery:
    """What another process sees of the index."""
    return Gallery.open(Home.open(folder, f"sqlite:///{folder / 'posebank.sqlite'}"), "toys")


def traces(folder: Path, secrets: dict[str, bytes]) -> list[str]:
    """Which secret lies in which file of the home, byte for byte."""
    files = sorted(Path(base, file) for base, _, names in os.walk(folder) for file in names)
    return [
        f"{name} in {path.relative_to(folder)}"
        for path in files
        for content in [content_of(path)]
        for name, secret in secrets.items()
        if secret in content
    ]


def content_of(path: Path) -> bytes:
    """Nothing where it has just gone."""
    with contextlib.suppress(FileNotFoundError):
        return path.read_bytes()
    return b""


def secrets_of(folder: Path, client: Client, view_id: str) -> dict[str, bytes]:
    """What of a view must not stay: its vectors, its picture, its names."""
    opened = gallery(folder)
    rows = opened.views(opened.rows())
    row = next(row for row, view in rows.items() if view.key == view_id)
    vectors = {
        head: opened.vectors(np.array([row]), head)[0].astype("<f4").tobytes()
        for head in opened.heads
    }
    return {**vectors, "thumbnail": client.thumbnail(view_id)[20:]}


def assert_gone(live: Live, query: Query, view_id: str) -> None:
    """No route tells of it."""
    assert_problem(live.client.get(f"/views/{view_id}"), 404, "unknown-view")
    assert_problem(live.client.get(f"/views/{view_id}/thumbnail"), 404, "unknown-view")
    assert_problem(live.client.delete(f"/views/{view_id}"), 404, "unknown-view")
    told = [
        live.client.get("/views", params={"limit": 200}).text,
        live.client.get("/map").text,
        live.ask("/pose/estimate", query.jpeg, {**query.request, "k": 200, "reid": True}).text,
    ]
    assert not any(view_id in text for text in told)


def test_an_enrolled_view(live: Live, folder: Path, query: Query) -> None:
    with Client(live.url) as client:
        client.map()  # so that a map with it is kept in memory
        view = client.enrol(query.jpeg, annotated(query, "jane-doe"))
        assert view.id in {point.id for point in client.map().points}
        secrets = {**secrets_of(folder, client, view.id), "name": b"jane-doe"}
        assert {trace.split(" in ")[0] for trace in traces(folder, secrets)} == set(secrets)
        gone = client.delete_view(view.id)
        assert (gone.views, gone.versions) == (1, [])
        assert traces(folder, secrets) == []
        assert_gone(live, query, view.id)
        assert client.indexes()[0].views == 24
        assert "jane-doe" not in {one.instance for one in client.views()}


def test_a_view_that_was_built_in(live: Live, folder: Path, query: Query) -> None:
    with Client(live.url) as client:
        before = client.indexes()[0]
        view = client.search_reid(query.jpeg, query.request).matches[0].views[0].view
        secrets = secrets_of(folder, client, view.id)
        assert {trace.split(" in ")[0] for trace in traces(folder, secrets)} == set(secrets)
        gone = client.delete_view(view.id)
        (version,) = gone.versions
        assert (gone.views, version.index, version.before) == (1, "toys", before.version)
        assert traces(folder, secrets) == []
        assert_gone(live, query, view.id)
        assert client.indexes()[0].views == 23
        wait_until(lambda: client.indexes()[0].version == version.after)
        assert client.indexes()[0].views == 23
        assert not (folder / "indexes" / "toys" / version.before).exists()
        assert client.search_reid(query.jpeg, query.request).matches


def test_all_views_of_an_instance(live: Live, folder: Path, query: Query) -> None:
    """Built in and enrolled alike; the same name in another dataset stays."""
    with Client(live.url) as client:
        mine = annotated(query, "cup-0", dataset="toys")
        enrolled = [
            client.enrol(make_query("cup", yaw).jpeg, {**mine, "sequence": f"new/{yaw}"})
            for yaw in (0.5, 0.6)
        ]
        other = client.enrol(query.jpeg, annotated(query, "cup-0", dataset="attic"))
        ids = [view.id for view in client.views(dataset="toys", instance="cup-0")]
        assert len(ids) == 8
        secrets = secrets_of(folder, client, enrolled[0].id)
        assert client.delete_instance("toys", "cup-0").views == 8
        assert traces(folder, secrets) == []
        for view_id in ids:
            assert_gone(live, query, view_id)
        assert [view.id for view in client.views(instance="cup-0")] == [other.id]
        with pytest.raises(ProblemError, match="no view of an instance 'cup-0'"):
            client.delete_instance("toys", "cup-0")


def test_an_instance_whose_name_has_slashes(live: Live, query: Query) -> None:
    name = "chair/batch-1/3?#%2F"
    with Client(live.url) as client:
        view = client.enrol(query.jpeg, annotated(query, name))
        assert client.delete_instance("workshop", name).views == 1
        with pytest.raises(ProblemError):
            client.view(view.id)


def test_what_is_enrolled_again_is_there_again(live: Live, query: Query) -> None:
    with Client(live.url) as client:
        first = client.enrol(query.jpeg, annotated(query, "back"))
        client.delete_view(first.id)
        assert client.enrol(query.jpeg, annotated(query, "back")) == first
        assert client.search_reid(query.jpeg, query.request).matches[0].instance == "back"


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.delete("/views/0123456789abcdef"),
        lambda client: client.delete("/views/ffffffffffffffff"),
    ],
)
def test_what_is_not_there_cannot_be_deleted(live: Live, ask: Callable) -> None:
    assert_problem(ask(live.client), 404, "unknown-view")


def test_a_deletion_names_the_dataset(live: Live) -> None:
    assert_problem(live.client.delete("/instances/cup-0"), 422, "invalid-request")
    unknown = live.client.delete("/instances/nobody", params={"dataset": "toys"})
    assert_problem(unknown, 404, "unknown-instance")
    assert live.client.get("/indexes").json()["indexes"][0]["views"] == 24


def test_what_a_killed_server_left_is_finished_by_the_next(
    start: Start, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It died between the database and the files."""
    home, view = gallery(folder).home, gallery(folder).views(np.array([0]))[0]
    vector = gallery(folder).vectors(np.array([0]), "pose")[0].astype("<f4").tobytes()
    with monkeypatch.context() as patch:
        patch.setattr("index.enrolment.erase._purge_all", lambda *_: ())
        erase_views(home, [view.id])
    assert traces(folder, {"vector": vector})
    start(folder)
    wait_until(lambda: not traces(folder, {"vector": vector}))
    wait_until(lambda: Gallery.open(home, "toys").size == 23)


def test_what_a_full_disk_kept_in_files_goes_when_there_is_space(
    live: Live, folder: Path, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[Path] = []

    def fail_twice(staging: Path, target: Path, manifest: Manifest) -> None:
        tries.append(staging)
        if len(tries) <= 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        seal(staging, target, manifest)

    monkeypatch.setattr("index.enrolment.rewrite.seal", fail_twice)
    monkeypatch.setattr("service.app.ERASURE_RETRY_SECONDS", 0.1)
    with Client(live.url) as client:
        view = client.search_reid(query.jpeg, query.request).matches[0].views[0].view
        secrets = secrets_of(folder, client, view.id)
        refused = assert_problem(live.client.delete(f"/views/{view.id}"), 507, "storage-full")
        assert "out of every search" in str(refused["detail"])
        assert str(folder) in str(refused["detail"])
        assert_gone(live, query, view.id)
        wait_until(lambda: client.indexes()[0].views == 23 and traces(folder, secrets) == [])
    assert len(tries) == 3


def test_what_a_build_held_is_finished_after_it(
    live: Live, folder: Path, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client repeats what was refused, and takes it for done that the view is not there."""
    monkeypatch.setattr("service.routes.enrolment.PATIENCE_S", 0.05)
    monkeypatch.setattr("service.app.ERASURE_RETRY_SECONDS", 0.05)
    with Client(live.url) as client:
        view = client.search_reid(query.jpeg, query.request).matches[0].views[0].view
        secrets = secrets_of(folder, client, view.id)
        with exclusive(folder / "indexes" / "toys"):
            assert client.delete_view(view.id).views == 0
            assert_gone(live, query, view.id)
            enrolled = client.enrol(query.jpeg, annotated(query, "meanwhile"))
            assert traces(folder, secrets)
        wait_until(lambda: traces(folder, secrets) == [])
        assert client.view(enrolled.id) == enrolled
