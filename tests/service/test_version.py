"""/version names the code, each index version and its encoder."""

from __future__ import annotations

import json
from pathlib import Path

import httpx

from index.home import Home
from index.keys import Keys
from service.version import VERSION
from tests.service.conftest import BuildToys, Live, Start, wait_until


def test_it_names_code_index_and_encoder(live: Live, home: Path, tiny_encoder: Path) -> None:
    told = live.client.get("/version").json()
    assert told["version"] == VERSION
    (index,) = told["indexes"]
    identity = json.loads((tiny_encoder / "encoder.json").read_text("utf-8"))["identity"]
    assert index["name"] == "toys"
    assert index["encoder"] == identity
    assert (home / "indexes" / "toys" / index["version"] / "manifest.json").is_file()
    assert index["backend"] in ("onnx", "torch")
    assert index["device"] in ("cpu", "cuda")
    assert told["limits"]["max_k"] == 200


def test_a_promoted_version_is_told(start: Start, tmp_path: Path, build_toys: BuildToys) -> None:
    first = build_toys(tmp_path)
    server = start(tmp_path)

    def version() -> str:
        return str(server.client.get("/version").json()["indexes"][0]["version"])

    assert version() == first
    second = build_toys(tmp_path, frames=4)
    wait_until(lambda: version() == second)


def test_without_an_index_there_is_none_to_name(start: Start, tmp_path: Path) -> None:
    told = start(tmp_path, wait=False).client.get("/version").json()
    assert told["version"] == VERSION
    assert told["indexes"] == []


def test_a_key_is_told_of_the_indexes_it_may_see(
    start: Start, tmp_path: Path, build_toys: BuildToys
) -> None:
    build_toys(tmp_path, "toys")
    build_toys(tmp_path, "hidden", dataset="secret", root=Path("secret"))
    keys = Keys(Home.open(tmp_path, f"sqlite:///{tmp_path / 'posebank.sqlite'}"))
    server = start(tmp_path)
    for datasets, names in ((["toys"], ["toys"]), (None, ["hidden", "toys"])):
        _, text = keys.create("key", ["query"], datasets)
        header = {"Authorization": f"Bearer {text}"}

        def names_told(header: dict[str, str] = header) -> list[str]:
            answer = httpx.get(f"{server.url}/version", headers=header)
            if answer.status_code == 401:  # the key was made this instant
                return []
            return [index["name"] for index in answer.json()["indexes"]]

        wait_until(lambda told=names_told: told() != [])  # type: ignore[misc]
        assert names_told() == names
