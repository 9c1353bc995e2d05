"""``posebank render`` from the command line."""

from __future__ import annotations

import pickle
from pathlib import Path

from typer.testing import CliRunner

from training.data.render.cli import app
from training.errors import DataError

SMALL = ["--categories", "book", "--instances", "2", "--seconds", "0.2", "--fps", "10"]


def test_the_command_renders_and_then_keeps(gl: None, tmp_path: Path) -> None:
    line = [str(tmp_path), *SMALL, "--size", "96x128", "--processes", "1", "--no-antialias"]
    first = CliRunner().invoke(app, line)
    assert first.exit_code == 0, first.output
    assert "2 sequences written, 0 kept" in first.output
    assert "0 sequences written, 2 kept" in CliRunner().invoke(app, line).output
    assert (tmp_path / "index/book_annotations_test").read_text() == "book/batch-1/0\n"


def test_mistakes_are_told_with_their_remedy(tmp_path: Path) -> None:
    unknown = CliRunner().invoke(app, [str(tmp_path), "--categories", "sofa"])
    assert isinstance(unknown.exception, DataError)
    assert "Known: bike, book" in unknown.exception.remedy
    assert pickle.loads(pickle.dumps(unknown.exception)).remedy == unknown.exception.remedy
    wrong = CliRunner().invoke(app, [str(tmp_path), "--size", "big"])
    assert wrong.exit_code == 2
