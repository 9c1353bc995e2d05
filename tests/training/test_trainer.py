"""Whole trainings of a tiny network: killed and resumed, stopped, collapsed, run by two."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from training.artifact import read_info, read_weights
from training.dataset import Source, TrainingData, load_source
from training.encoder import Encoder
from training.errors import DataError, RecipeError
from training.recipes import Recipe, load_recipe

TINY = [
    "backbone=resnet10_w8",
    "size=32",
    "pool_grid=1",
    "whiten=32",
    "projector_dim=16",
    "predictor_dim=4",
    "batch_size=8",
    "epochs=3",
    "warmup_epochs=1",
    "threads=1",
]


def tiny(*overrides: str) -> Recipe:
    return load_recipe("small-nearby", [*TINY, *overrides])


def run(root: Path, out: Path, recipe: Recipe, resume: bool = False) -> Path:
    from training.trainer import Run, train

    Run(out).open(recipe, resume)
    loaded = [load_source(Source(root, "coil100"), recipe.data.fps)]
    data = TrainingData(loaded, recipe, out / "cache", lambda done, total: None)
    return train(recipe, data, out, resume)


def command(root: Path, out: Path, *more: str) -> list[str]:
    settings = [part for value in TINY for part in ("--set", value)]
    train = ["train", "small-nearby", "--data", str(root), "--reader", "coil100", "--out", str(out)]
    return [sys.executable, "-m", "service.cli", *train, *settings, *more]


def wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while not path.exists():
        assert process.poll() is None, "the training ended early"
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture(scope="module")
def unbroken(turntables: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("unbroken") / "run"
    run(turntables, out, tiny())
    return out


def test_the_artifact_tells_its_story(unbroken: Path) -> None:
    info = read_info(unbroken / "encoder")
    assert (info.method, info.recipe, info.backbone) == ("simsiam", "small-nearby", "resnet10_w8")
    assert {name: head.dim for name, head in info.heads.items()} == {"pose": 32}
    assert info.training["epochs"] == 3
    assert info.training["seed"] == 0
    assert info.training["data"]["sources"][0]["views"] == 60
    assert info.metrics["collapsed"] is False
    assert set(info.metrics["scores"]) == set(info.metrics["scores_untrained"]) == {"nn_instance"}
    assert str(unbroken.parent) not in (unbroken / "encoder" / "encoder.json").read_text()
    crops = np.zeros((2, 32, 32, 3), np.uint8)
    assert Encoder.load(unbroken, backend="onnx").encode(crops)["pose"].shape == (2, 32)


def test_every_epoch_left_a_line(unbroken: Path) -> None:
    lines = [json.loads(line) for line in (unbroken / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [0, 1, 2, 3]
    assert lines[0]["loss"] is None
    assert all(-1 <= line["loss"] <= 1 for line in lines[1:])


@pytest.mark.slow
def test_killed_and_resumed_it_ends_in_the_same_weights(
    turntables: Path, tmp_path: Path, unbroken: Path
) -> None:
    out = tmp_path / "run"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command(turntables, out),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
    )
    wait_for(out / "checkpoints" / "epoch-0000.ckpt", process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (out / "encoder").exists()
    run(turntables, out, tiny(), resume=True)
    expected, found = (read_weights(folder / "encoder") for folder in (unbroken, out))
    for name, tensor in expected.items():
        np.testing.assert_array_equal(found[name], tensor, err_msg=name)
    lines = (out / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [0, 1, 2, 3]


@pytest.mark.slow
def test_two_processes_train_one_encoder(turntables: Path, tmp_path: Path, unbroken: Path) -> None:
    out = tmp_path / "run"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    two = command(turntables, out, "--set", "devices=2", "--set", "epochs=2")
    subprocess.run(two, check=True, capture_output=True, env=environment, timeout=200)
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [0, 1, 2]
    assert Encoder.load(out).heads == Encoder.load(unbroken).heads
    alone, shared = (
        torch.load(next((folder / "checkpoints").glob("epoch-*.ckpt")), weights_only=True)
        for folder in (unbroken, out)
    )
    # Both see every pair once an epoch, in batches of the same size over all processes.
    per_epoch = alone["global_step"] / (alone["epoch"] + 1)
    assert shared["global_step"] / (shared["epoch"] + 1) == per_epoch


@pytest.mark.slow
def test_sigterm_ends_it_in_order_and_the_command_resumes(turntables: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    long = ("--set", "epochs=400")
    process = subprocess.Popen(command(turntables, out, *long), stdout=subprocess.PIPE)
    wait_for(out / "checkpoints" / "epoch-0000.ckpt", process)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 143
    assert b"--resume" in output
    assert b"Traceback" not in output


def test_a_checkpoint_cut_off_gives_way_to_the_one_before_and_time_adds_up(
    turntables: Path, tmp_path: Path, unbroken: Path
) -> None:
    def seconds(folder: Path) -> list[float]:
        lines = (folder / "metrics.jsonl").read_text().splitlines()
        return [json.loads(line)["seconds"] for line in lines]

    out = tmp_path / "run"
    shutil.copytree(unbroken, out)
    shutil.rmtree(out / "encoder")
    newest = out / "checkpoints" / "epoch-0002.ckpt"
    newest.write_bytes(newest.read_bytes()[:5000])
    run(turntables, out, tiny(), resume=True)
    assert read_info(out / "encoder").identity == read_info(unbroken / "encoder").identity
    assert seconds(out)[:3] == seconds(unbroken)[:3]
    assert seconds(out)[3] > seconds(out)[2]
    assert read_info(out / "encoder").training["seconds"] == seconds(out)[3]


def test_a_folder_is_not_trained_over(turntables: Path, unbroken: Path) -> None:
    with pytest.raises(RecipeError, match="already holds a training"):
        run(turntables, unbroken, tiny())
    with pytest.raises(RecipeError, match="begun with another optimise"):
        run(turntables, unbroken, tiny("lr=0.9"), resume=True)


def test_what_never_finished_an_epoch_holds_nothing_back(tmp_path: Path) -> None:
    from training.trainer import Run

    Run(tmp_path).open(tiny("lr=0.9"), resume=False)  # then it was killed, or its data was wrong
    Run(tmp_path).open(tiny(), resume=False)
    assert (
        json.loads((tmp_path / "recipe.json").read_text())["optimise"]["lr"] == tiny().optimise.lr
    )


def test_a_resumed_run_refuses_other_data(
    turntables: Path, tmp_path: Path, unbroken: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from training.session import run_training

    other = tmp_path / "other"
    other.mkdir()
    for photo in turntables.glob("obj[1-4]__*"):
        shutil.copy(photo, other)
    out = tmp_path / "run"
    shutil.copytree(unbroken, out)
    shutil.rmtree(out / "encoder")
    before = read_info(unbroken / "encoder").training["data"]["fingerprint"]
    with pytest.raises(DataError, match="holds 60 crops of other data; this run has 48"):
        run_training(tiny(), [Source(other, "coil100")], out, resume=True)
    assert run_training(tiny(), [Source(turntables, "coil100")], out, resume=True) == 0
    assert read_info(out / "encoder").training["data"]["fingerprint"] == before
    assert run_training(tiny(), [Source(turntables, "coil100")], out, resume=True) == 0
    assert "This training is complete" in capsys.readouterr().out


def test_a_batch_too_small_for_batchnorm_is_refused(turntables: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="leaves each of 5 processes less than the 2 pairs"):
        run(turntables, tmp_path, tiny("run.devices=5"))


def test_a_network_too_narrow_for_its_gradients_is_refused(
    turntables: Path, tmp_path: Path
) -> None:
    with pytest.raises(RecipeError, match="shortcuts of 7 channels; training needs 8 or more"):
        run(turntables, tmp_path, tiny("backbone=resnet10_w7"))


def test_a_collapsed_run_says_so_and_can_stop(
    turntables: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training.model import Model

    # Without BatchNorm's spread: a projector that answers the same for every view.
    monkeypatch.setattr(
        Model, "embed", lambda self, views, head: 0.0 * views.mean() + _ones(self, views)
    )
    recipe = tiny("stop_on_collapse=true")
    encoder = run(turntables, tmp_path / "run", recipe)
    info = read_info(encoder)
    assert info.metrics["collapsed"] is True
    assert info.metrics["collapsed_epochs"] == [1]
    assert info.training["epochs"] == 1


def _ones(model, views):  # type: ignore[no-untyped-def]
    import torch

    return torch.ones(len(views), model.encoder.pooled_dim("pose"))
