"""What a user can set, call or run is in docs/api.md, and nothing there is invented."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from index.cli import app as index_app
from service.app import create_app
from service.cli import app
from service.problems import KINDS
from service.settings import Settings, SettingsError, load_settings

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "api.md").read_text("utf-8")


def rows(column: str) -> set[str]:
    """The first cells, in code style, of the table headed by ``column``."""
    table = DOCUMENT.split(f"\n| {column} |")[1].split("\n\n")[0]
    return set(re.findall(r"^\| `([^`]+)`", table, re.MULTILINE))


def test_every_setting() -> None:
    assert rows("variable") == {f"POSEBANK_{name.upper()}" for name in Settings.model_fields}
    for name, field in Settings.model_fields.items():
        assert field.description, name


def test_defaults_are_as_documented(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in [name for name in os.environ if name.startswith("POSEBANK_")] + ["PORT"]:
        monkeypatch.delenv(name, raising=False)
    for name, value in Settings().model_dump().items():
        if value is not None:
            assert f"| `POSEBANK_{name.upper()}` | `{value}` |" in DOCUMENT


def test_every_route() -> None:
    paths = create_app(Settings()).openapi()["paths"]
    told = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert rows("route") == told | {"GET /", "GET /openapi.json"}


def test_every_problem() -> None:
    assert rows("type") == set(KINDS)
    for slug, (status, _) in KINDS.items():
        assert f"| `{slug}` | {status} |" in DOCUMENT


def test_every_command() -> None:
    root, index = get_command(app), get_command(index_app)
    assert isinstance(root, TyperGroup)
    assert isinstance(index, TyperGroup)
    assert rows("command") == {f"posebank {name}" for name in root.commands}
    row = DOCUMENT.split("| `posebank index` |")[1].splitlines()[0]
    assert set(re.findall(r"`(\w+)`", row)) == set(index.commands)


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSEBANK_MAX_K", "7")
    monkeypatch.delenv("POSEBANK_PORT", raising=False)
    monkeypatch.setenv("PORT", "9001")
    assert (load_settings().max_k, load_settings().port) == (7, 9001)
    assert load_settings(port=9002).port == 9002
    monkeypatch.setenv("POSEBANK_PORT", "9003")
    assert load_settings().port == 9003


@pytest.mark.parametrize(
    ("name", "value"), [("MAX_K", "many"), ("PORT", "70000"), ("THREADS", "0")]
)
def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"POSEBANK_{name}", value)
    with pytest.raises(SettingsError, match=f"POSEBANK_{name} is '{value}'"):
        load_settings()
