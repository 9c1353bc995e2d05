"""The table of setups: which runs there are, that they survive a kill, and what is printed."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from index.evaluation import paper
from index.evaluation.cli import app
from index.evaluation.table2.display import markdown, show
from index.evaluation.table2.plan import (
    FAMILIES,
    ROWS,
    Settings,
    known_recipes,
    paper_row,
    plan,
    recipe_of,
)
from index.evaluation.table2.runner import run_all
from index.evaluation.table2.summary import summarise
from training.errors import DataError, RecipeError

SMALL = (120, 160)
EVERY_RECIPE = {recipe_of(family, row) for family in FAMILIES for row in ROWS}


def settings(tmp_path: Path, **more: object) -> Settings:
    known: dict[str, object] = {"root": tmp_path / "data", "out": tmp_path / "out", "seeds": (0, 1)}
    return Settings(**{**known, **more})  # type: ignore[arg-type]


def test_every_row_once_a_seed_but_what_nothing_is_drawn_for(tmp_path: Path) -> None:
    runs = plan(["squeeze"], [], settings(tmp_path, seeds=(0, 1, 2)), EVERY_RECIPE)
    names = [run.name for run in runs]
    assert len(names) == len(set(names))
    count = {row: sum(run.row == row for run in runs) for row in ROWS}
    assert count == {row: 1 if row.startswith("imagenet") else 3 for row in ROWS}
    assert {run.seed for run in runs[: len(ROWS)]} == {0}  # seed by seed


def test_the_recipes_that_come_with_posebank_make_the_small_table(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    rows = {run.row for run in plan(["small"], [], settings(tmp_path), known_recipes())}
    assert {"nearby", "distant", "same-frame", "nt-xent", "tcn", "joint", "random"} <= rows
    assert recipe_of("paper", "nearby") in known_recipes()


def test_unknown_rows_and_families_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="'nearer' of small"):
        plan(["small"], ["nearer"], settings(tmp_path), EVERY_RECIPE)
    with pytest.raises(RecipeError, match="family of recipes 'large'"):
        plan(["large"], [], settings(tmp_path), EVERY_RECIPE)
    for families, seeds in (([], (0,)), (["small"], ())):
        with pytest.raises(RecipeError, match="has no runs"):
            plan(families, [], settings(tmp_path, seeds=seeds), EVERY_RECIPE)
    # A row one family has no recipe for is that of the others alone.
    recipes = EVERY_RECIPE - {"small-imagenet"}
    runs = plan(["small", "squeeze"], ["imagenet"], settings(tmp_path), recipes)
    assert [run.family for run in runs] == ["squeeze"]


def test_frozen_rows_stay_frozen(tmp_path: Path) -> None:
    asked = settings(
        tmp_path, overrides=("optimise.epochs=3", "network.size=64", "network.init=imagenet")
    )
    for run in plan(["small"], ["nearby", "random"], asked, EVERY_RECIPE):
        given = run.training()
        assert "--set=network.size=64" in given
        assert ("--set=optimise.epochs=3" in given) == (run.row == "nearby")
        assert ("--set=network.init=imagenet" in given) == (run.row == "nearby")
        assert f"--set=run.seed={run.seed}" in given


def test_other_sets_are_trained_on_only_where_asked(tmp_path: Path) -> None:
    also = (("eth80", tmp_path / "eth"),)
    (run,) = plan(["small"], ["nearby"], settings(tmp_path, seeds=(0,), also=also), EVERY_RECIPE)
    assert str(tmp_path / "eth") not in run.training()
    asked = settings(tmp_path, seeds=(0,), also=also, train_also=True)
    (run,) = plan(["small"], ["nearby"], asked, EVERY_RECIPE)
    given = run.training()
    data = [given[i + 1] for i, word in enumerate(given) if word == "--data"]
    splits = [given[i + 1] for i, word in enumerate(given) if word == "--split"]
    assert data == [str(tmp_path / "data"), str(tmp_path / "eth")]
    assert splits == ["train", ""]


def test_one_folder_is_measured_in_two_ways_and_trained_on_once(tmp_path: Path) -> None:
    eth80 = tmp_path / "eth"
    also = (("eth80", eth80), ("eth80-toy", eth80))
    asked = settings(tmp_path, seeds=(0,), also=also, train_also=True)
    (run,) = plan(["small"], ["nearby"], asked, EVERY_RECIPE)
    assert run.evaluation("eth80") == ["evaluate", "eth80", "--root", str(eth80)]
    toy = ["evaluate", "eth80", "--shown", "toy", "--root", str(eth80)]
    assert run.evaluation("eth80-toy") == toy
    assert run.training().count(str(eth80)) == 1


def test_each_row_stands_beside_the_papers_row_made_the_same_way() -> None:
    assert paper_row("tcn") == (0.7820, 0.59, 0.19)
    assert paper_row("distant") == paper_row("distant-grid") == (0.9484, 0.58, 0.85)
    for row in ("imagenet", "imagenet-grid", "imagenet-heads"):
        assert paper_row(row) == paper.TABLE_2["ImageNet embeddings"]
    assert paper_row("joint") is None
    assert {name for name in ROWS.values() if name} == set(paper.TABLE_2)


# --- Runs, carried out by a stand-in for `posebank`: training takes real minutes.

STAND_IN = """\
import json, sys, time
from pathlib import Path

arguments = sys.argv[1:]
with Path({calls!r}).open("a") as stream:
    stream.write(json.dumps(arguments) + "\\n")
value = dict(zip(arguments, arguments[1:]))
seed = next((int(a.rpartition("=")[2]) for a in arguments if a.startswith("--set=run.seed=")), 0)
if arguments[0] == "train":
    time.sleep({seconds})
    if "nt-xent" in arguments[1]:
        sys.exit("posebank: the loss is not finite.\\nremedy: Lower optimise.lr.")
    encoder = Path(value["--out"]) / "encoder"
    encoder.mkdir(parents=True)
    heads = {{"pose": {{"dim": 8, "pool": 1}}}}
    if "joint" in arguments[1]:
        heads["identity"] = {{"dim": 4, "pool": 1}}
    (encoder / "encoder.json").write_text(json.dumps({{
        "identity": "0" * 64, "method": "simsiam", "recipe": arguments[1], "backbone": "tiny",
        "heads": heads, "preprocessing": {{"size": 32}},
        "training": {{"epochs": 2, "seconds": 90.0, "device": "cpu", "data": {{"pairs": 10}},
                     "recipe": {{"network": {{"init": "random"}}}}}},
    }}))
else:
    seed = int(value["--encoder"].split("/")[-2][-1])
    hits = {{"nearest_neighbour": 0.5 + seed / 10, "random_fit": 0.1,
            "random_in_category_fit": 0.2, "oracle_rotation": 0.9}}
    print("some words first")
    print(json.dumps({{
        "class_accuracy": 0.75, "reid_map": 0.25, "reid_map_of_pose_head": 0.125,
        "azimuth_error_mean_deg": 44.5 if value.get("--shown") == "toy" else 33.25,
        "hit_rate": {{row: {{"mean": share}} for row, share in hits.items()}},
    }}))
"""


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the stand-in writes its calls down; it takes the place of `posebank`."""
    return use_stand_in(tmp_path, monkeypatch)


def use_stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float = 0.0) -> Path:
    calls, script = tmp_path / "calls", tmp_path / "stand_in.py"
    script.write_text(STAND_IN.format(calls=str(calls), seconds=seconds))
    monkeypatch.setattr(
        "index.evaluation.table2.plan.posebank", lambda *a: [sys.executable, str(script), *a]
    )
    return calls


def table(tmp_path: Path, rows: list[str], **more: object) -> tuple[dict[str, str], str]:
    runs = plan(["small"], rows, settings(tmp_path, **more), EVERY_RECIPE)
    failed = run_all(runs, 2, lambda run, reason: None)
    return failed, markdown(summarise(runs, failed, ["posebank", "evaluate", "table2"]))


def test_the_table_gives_mean_and_range_over_seeds(tmp_path: Path, stand_in: Path) -> None:
    also = (("eth80", tmp_path), ("eth80-toy", tmp_path))
    failed, text = table(tmp_path, ["nearby", "joint"], also=also)
    assert not failed
    assert "| small-nearby | 2 | 0.750 (0.750–0.750) | 0.550 (0.500–0.600) | 0.250 (" in text
    assert "| paper |  | 0.957 | 0.690 | 0.530 |" in text
    assert "| … by its pose head |  |  |  | 0.125 (0.125–0.125) |" in text
    assert "| random view of the category | 0.200 | 0.250 |" in text
    assert "| small-joint | pose 8, identity 4 | 32 px | 2 | 10 | 1.5 |" in text
    assert "| small-nearby | 2 | 33.2 (33.2–33.2) | 0.250" in text
    assert "consensus" not in text  # no result has it
    assert "| small-nearby | 2 | 44.5 (44.5–44.5) | 0.250" in text.partition("toys alone")[2]
    assert "No encoder saw the pictures of eth80" in text
    runs = plan(["small"], ["nearby"], settings(tmp_path), EVERY_RECIPE)
    stream = io.StringIO()
    show(Console(file=stream, width=80), summarise(runs, {}, ["posebank"]))
    assert "…" not in stream.getvalue()  # nothing is cut off on 80 columns


def test_finished_steps_are_not_repeated(tmp_path: Path, stand_in: Path) -> None:
    table(tmp_path, ["nearby"])
    first = stand_in.read_text().splitlines()
    assert len(first) == 4
    (tmp_path / "out/small-nearby-1/objectron.json").unlink()
    _, text = table(tmp_path, ["nearby"])
    again = [json.loads(line) for line in stand_in.read_text().splitlines()[4:]]
    assert [(call[0], call[1]) for call in again] == [("evaluate", "objectron")]
    assert "0.550 (0.500–0.600)" in text


def test_a_failed_run_is_told_and_the_others_go_on(tmp_path: Path, stand_in: Path) -> None:
    failed, text = table(tmp_path, ["nt-xent", "nearby"])
    assert set(failed) == {"small-nt-xent-0", "small-nt-xent-1"}
    assert "training ended with 1: posebank: the loss is not finite." in text
    assert "| small-nt-xent | 0 of 2 | – | – | – |" in text
    assert "| small-nearby | 2 |" in text


def test_results_of_other_settings_are_not_taken(tmp_path: Path, stand_in: Path) -> None:
    table(tmp_path, ["nearby"])
    failed, _ = table(tmp_path, ["nearby"], overrides=("augment.hue=0.1",))
    assert set(failed) == {"small-nearby-0", "small-nearby-1"}
    assert "name another --out" in failed["small-nearby-0"]
    failed, _ = table(tmp_path, ["nearby"], max_queries=5)
    assert "evaluate objectron" in failed["small-nearby-0"]


def test_two_tables_over_one_folder_do_not_meet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The processes of a killed table hold their runs until they end."""
    calls = use_stand_in(tmp_path, monkeypatch, seconds=30.0)
    script = (tmp_path / "stand_in.py").as_posix()
    code = f"""
import sys
from pathlib import Path
from index.evaluation.table2 import plan, runner
plan.posebank = lambda *a: [sys.executable, {script!r}, *a]
asked = plan.Settings(Path({str(tmp_path / "data")!r}), Path({str(tmp_path / "out")!r}), (0,))
runner.run_all(plan.plan(["small"], ["nearby"], asked, {{"small-nearby"}}), 1, print)
"""
    first = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    until = time.monotonic() + 20
    while not calls.exists() and time.monotonic() < until:
        time.sleep(0.05)
    failed, _ = table(tmp_path, ["nearby"], seeds=(0,))
    assert "another process is at work" in failed["small-nearby-0"]
    started = time.monotonic()
    first.send_signal(signal.SIGTERM)
    first.wait(timeout=20)
    assert time.monotonic() - started < 20  # it took its training with it
    use_stand_in(tmp_path, monkeypatch)
    failed, text = table(tmp_path, ["nearby"], seeds=(0,))
    assert not failed
    assert "| small-nearby | 1 | 0.750 | 0.500 | 0.250 |" in text


def test_a_dry_run_prints_the_commands_and_does_nothing(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    arguments = ["table2", "--root", "nowhere", "--family", "small", "--rows", "nearby,tcn"]
    arguments += ["--seeds", "4 5", "--out", str(tmp_path / "out"), "--jobs", "2", "--dry-run"]
    result = CliRunner().invoke(app, [*arguments, "--also", "eth80=somewhere"])
    assert result.exit_code == 0, result.output
    lines = [line.strip() for line in result.stdout.splitlines()]
    assert sum(line.startswith("posebank train small-tcn ") for line in lines) == 2
    assert any(
        line.startswith("posebank evaluate eth80 --root somewhere") and "small-tcn-5" in line
        for line in lines
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [("--also", "mnist=/x", "eth80=DIR"), ("--seeds", "one", "no whole number")],
)
def test_wrong_options_say_what_is_taken(option: str, value: str, told: str) -> None:
    arguments = ["table2", "--root", ".", "--family", "small", "--out", "out", option, value]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert told in " ".join(result.stderr.replace("│", " ").split())


def test_data_without_a_test_split_is_refused_before_training(gl: None, tmp_path: Path) -> None:
    from index.evaluation.table2.command import check_data
    from training.data.render import render_objectron

    root = tmp_path / "data"
    render_objectron(root, ("chair",), 1, size=SMALL, seconds=0.4, test_share=0.0, processes=1)
    with pytest.raises(DataError, match="no split 'test'"):
        check_data(settings(tmp_path, root=root))


@pytest.mark.slow
def test_a_real_training_gets_its_row(gl: None, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from training.data.render import render_objectron

    root, out = tmp_path / "data", tmp_path / "out"
    categories = ("chair", "cup")
    render_objectron(root, categories, 2, seconds=0.5, size=SMALL, test_share=0.5, processes=1)
    command = [os.path.join(os.path.dirname(sys.executable), "posebank"), "evaluate", "table2"]
    command += ["--root", str(root), "--family", "small", "--rows", "nearby,random"]
    command += ["--seeds", "0", "--out", str(out), "--set", "optimise.epochs=1"]
    done = subprocess.run([*command, "--set", "optimise.warmup_epochs=0"], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    table = json.loads((out / "table2.json").read_bytes())
    by_row = {row["row"]: row for row in table["rows"]}
    assert by_row["nearby"]["trainings"][0]["epochs"] == 1
    assert by_row["random"]["trainings"][0]["epochs"] == 0
    for row in by_row.values():
        assert 0 <= row["figures"]["objectron.hit_rate.nearest_neighbour.mean"]["mean"] <= 1
    assert not (out / "small-nearby-0" / "cache").exists()
