"""A newly promoted version is taken up while questions are asked; none is dropped or mixed."""

from __future__ import annotations

import threading
from pathlib import Path

import httpx

from index.home import Home
from service.serving import Serving
from service.settings import Settings
from tests.service.conftest import BuildToys, Query, Start, wait_until


def test_versions_change_under_requests(
    start: Start, build_toys: BuildToys, tmp_path: Path, query: Query
) -> None:
    versions = [build_toys(tmp_path, frames=3)]
    server = start(tmp_path)
    seen: list[tuple[str, int]] = []
    failures: list[str] = []
    stop = threading.Event()

    def ask() -> None:
        request = '{"k": 100}'
        with httpx.Client(base_url=server.url, timeout=30) as client:
            while not stop.is_set():
                answer = client.post(
                    "/pose/estimate",
                    files={"image": ("q.jpg", query.jpeg)},
                    data={"request": request},
                )
                if answer.status_code != 200:
                    failures.append(answer.text)
                    continue
                told = answer.json()
                seen.append((told["index"]["version"], len(told["neighbours"])))

    askers = [threading.Thread(target=ask) for _ in range(2)]
    for asker in askers:
        asker.start()
    try:
        for frames in (4, 5, 6):
            versions.append(build_toys(tmp_path, frames=frames))
            wait_until(lambda: bool(seen) and seen[-1][0] == versions[-1])
    finally:
        stop.set()
        for asker in askers:
            asker.join(30)
    assert failures == []
    sizes = dict(zip(versions, (12, 16, 20, 24), strict=True))
    assert {version for version, _ in seen} == set(versions)
    assert all(count == sizes[version] for version, count in seen)


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
