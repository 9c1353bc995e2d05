"""What compose.yaml and the Dockerfile promise: loopback only, least privilege, all that is needed.

That the image builds and answers is shown by ``docker/try.sh``, which needs root and podman.
"""

from __future__ import annotations

import json
import shlex
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def service() -> dict[str, Any]:
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed (extra: train)")
    compose = yaml.safe_load((REPOSITORY / "compose.yaml").read_text("utf-8"))
    return dict(compose["services"]["posebank"], declared_volumes=compose["volumes"])


@pytest.fixture(scope="module")
def instructions() -> list[tuple[str, str]]:
    """(instruction, arguments) of docker/Dockerfile, continued lines joined."""
    text = (REPOSITORY / "docker/Dockerfile").read_text("utf-8").replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines()]
    split = [line.split(maxsplit=1) for line in lines if line and not line.startswith("#")]
    return [(instruction, arguments) for instruction, arguments in split]


def final_stage(instructions: list[tuple[str, str]]) -> list[tuple[str, str]]:
    last = max(i for i, (instruction, _) in enumerate(instructions) if instruction == "FROM")
    return instructions[last:]


def test_compose_runs_what_this_folder_holds(service: dict[str, Any]) -> None:
    assert (REPOSITORY / service["build"]["context"] / service["build"]["dockerfile"]).exists()
    assert service["pull_policy"] == "build"


def test_compose_publishes_on_loopback_alone(service: dict[str, Any]) -> None:
    assert service["ports"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert service.get("network_mode") is None


def test_compose_gives_no_more_than_needed(service: dict[str, Any]) -> None:
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert "privileged" not in service
    assert service["security_opt"] == ["no-new-privileges"]
    user, group = service["user"].split(":")
    assert int(user) > 0
    assert int(group) > 0
    assert {"cpus", "mem_limit", "pids_limit"} <= service.keys()


def environment(instructions: list[tuple[str, str]]) -> dict[str, str]:
    return dict(
        pair.split("=", 1)
        for instruction, arguments in final_stage(instructions)
        if instruction == "ENV"
        for pair in shlex.split(arguments)
    )


def test_nothing_is_reported_to_others(instructions: list[tuple[str, str]]) -> None:
    assert environment(instructions)["ORT_DISABLE_TELEMETRY"] == "1"


def test_all_that_is_written_has_a_place(
    service: dict[str, Any], instructions: list[tuple[str, str]]
) -> None:
    mounted = dict(reversed(volume.split(":")) for volume in service["volumes"])
    assert mounted[environment(instructions)["POSEBANK_HOME"]] in service["declared_volumes"]
    assert "/tmp" in service["tmpfs"]


def test_the_image_runs_as_the_user_of_compose(
    service: dict[str, Any], instructions: list[tuple[str, str]]
) -> None:
    (user,) = [arguments for name, arguments in final_stage(instructions) if name == "USER"]
    assert user == service["user"]


def test_image_and_compose_ask_the_same_for_health(
    service: dict[str, Any], instructions: list[tuple[str, str]]
) -> None:
    (check,) = [text for name, text in final_stage(instructions) if name == "HEALTHCHECK"]
    options, command = check.split("CMD", 1)
    assert ["CMD", *json.loads(command)] == service["healthcheck"]["test"]
    assert "/readyz" in command
    timing = dict(option.removeprefix("--").split("=") for option in options.split())
    assert timing["start-period"] == service["healthcheck"]["start_period"]
    for key in ("interval", "timeout", "retries"):
        assert timing[key] == str(service["healthcheck"][key])


def test_what_the_image_copies_exists_and_reaches_the_build(
    instructions: list[tuple[str, str]],
) -> None:
    ignore = (REPOSITORY / ".dockerignore").read_text("utf-8").splitlines()
    assert "*" in ignore
    let_in = {line[1:] for line in ignore if line.startswith("!")}
    kept_out = [line for line in ignore if line and line[0] not in "#!*"]
    sources = [
        source
        for instruction, arguments in instructions
        if instruction == "COPY" and "--from" not in arguments
        for source in arguments.split()[:-1]
    ]
    assert sources
    for source in sources:
        assert (REPOSITORY / source).exists(), f"{source} is copied and is not there"
        assert source.split("/")[0] in let_in, f"{source} is held back by .dockerignore"
        assert not any(fnmatch(source, pattern) for pattern in kept_out)


def test_the_installed_package_is_copied_whole(instructions: list[tuple[str, str]]) -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))
    packages = project["tool"]["setuptools"]["packages"]["find"]["include"]
    copied = {text.split()[0] for name, text in instructions if name == "COPY"}
    assert {package.rstrip("*") for package in packages} <= copied
