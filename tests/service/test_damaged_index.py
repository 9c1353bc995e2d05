"""A damaged version is not taken up: the one before answers on, and everyone is told why."""

from __future__ import annotations

from pathlib import Path

from index.home import Home
from index.store.database import writing
from index.store.versions import find_version, make_current
from tests.service.conftest import BuildToys, Query, Start, assert_problem, wait_until


def test_the_version_before_answers_until_the_files_are_whole(
    start: Start, build_toys: BuildToys, tmp_path: Path, query: Query
) -> None:
    damaged, whole = build_toys(tmp_path, frames=3), build_toys(tmp_path, frames=4)
    path = tmp_path / "indexes" / "toys" / damaged / "vectors-pose.faiss"
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    server = start(tmp_path)
    home = Home.open(tmp_path, f"sqlite:///{tmp_path / 'posebank.sqlite'}")
    with writing(home) as connection:  # `index promote` would refuse it
        record = find_version(connection, "toys", damaged)
        assert record is not None
        make_current(connection, "toys", record.id)

    def reason() -> str:
        return str(server.client.get("/indexes").json()["indexes"][0]["reason"])

    wait_until(lambda: path.name in reason())
    assert "SHA-256" in reason()
    assert server.client.get("/readyz").json()["version"] == whole
    answer = server.ask("/pose/estimate", query.jpeg, query.request)
    assert answer.json()["index"]["version"] == whole

    restarted = start(tmp_path, wait=False)
    wait_until(lambda: path.name in restarted.client.get("/readyz").text)
    problem = assert_problem(restarted.client.get("/readyz"), 503, "not-ready")
    assert str(path) in str(problem["detail"])
    assert "promote another version" in str(problem["remedy"])
    refused = restarted.ask("/pose/estimate", query.jpeg, query.request)
    assert_problem(refused, 503, "not-ready")

    path.write_bytes(content)
    for one in (server, restarted):
        wait_until(lambda one=one: one.client.get("/readyz").json().get("version") == damaged)
