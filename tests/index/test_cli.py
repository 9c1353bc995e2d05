"""The command `index`, typed as a user types it, with a real encoder artifact."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from index.cli import app
from index.home import Home
from index.search import Gallery
from index.store.database import close_database
from training.data.readers import open_reader
from training.encoder import Encoder
from training.errors import GalleryError, PosebankError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run(tmp_path, monkeypatch):
    """``run("list", "--json")`` → (exit code, output)."""
    monkeypatch.setenv("POSEBANK_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("POSEBANK_DATABASE_URL", raising=False)

    def command(*words: object) -> tuple[int, str]:
        result = CliRunner().invoke(app, [str(word) for word in words])
        if isinstance(result.exception, PosebankError):
            raise result.exception
        assert result.exception is None or isinstance(result.exception, SystemExit), result.output
        return result.exit_code, result.stdout

    yield command
    close_database(Home.open())


def test_the_life_of_an_index(run, painted, tiny_encoder):
    assert "No index yet" in run("list")[1]
    _, text = run("build", "cups", "--data", painted, "--encoder", tiny_encoder, "--json")
    built = json.loads(text)
    assert built["counts"]["views"] == 30
    assert built["skipped"] == []
    assert set(built["seconds"]) == {"decode", "encode", "disk", "total"}
    assert built["bottleneck"] in ("decode", "encode", "disk")
    arguments = ("--data", painted, "--reader", "manifest", "--encoder", tiny_encoder)
    _, text = run("build", "cups", *arguments, "--split", "train")
    assert "15 views, 3 sequences" in text

    _, text = run("list", "--json")
    first, second = json.loads(text)["indexes"]
    assert (first["version"], first["current"], second["current"]) == (
        built["version"],
        False,
        True,
    )
    assert first["heads"] == {"pose": 128, "identity": 32}
    _, text = run("list")
    assert built["version"] in text
    assert "current" in text

    _, text = run("inspect", "cups", built["version"], "--json")
    manifest = json.loads(text)["manifest"]
    assert manifest["encoder"]["identity"] == Encoder.load(tiny_encoder).identity
    assert manifest["hints"]["encoder_folder"] == str(tiny_encoder)
    _, text = run("inspect", "cups")
    assert second["version"] in text
    assert "options.split" in text

    assert run("verify", "cups")[0] == 0
    assert json.loads(run("promote", "cups", first["version"], "--json")[1])["current"]
    assert json.loads(run("drop", "cups", second["version"], "--json")[1])["views_removed"] == 0
    with pytest.raises(GalleryError, match="is the current one"):
        run("drop", "cups", first["version"])
    vectors = Path(built["folder"]) / "vectors-pose.faiss"
    vectors.write_bytes(vectors.read_bytes()[:-1])
    code, text = run("verify", "cups", "--json")
    assert code == 1
    assert "was changed" in json.loads(text)["problems"][0]
    code, text = run("verify", "cups")
    assert code == 1
    assert "damaged" in text
    assert "30 views" in run("drop", "cups", first["version"], "--force")[1]
    assert json.loads(run("list", "--json")[1]) == {"indexes": []}


def test_each_view_finds_itself_through_the_real_encoder(run, painted, tiny_encoder):
    run("build", "cups", "--data", painted, "--encoder", tiny_encoder)
    encoder = Encoder.load(tiny_encoder)
    gallery = Gallery.open(Home.open(), "cups")
    gallery.check_encoder(encoder.identity)
    for sequence in open_reader(painted).sequences():
        view = sequence.views[-1]
        vectors = encoder.encode(encoder.crop(view.image.load(), view.bbox_xyxy)[None])
        for head in ("pose", "identity"):
            best = gallery.search(vectors[head], head, k=1)[0][0]
            assert best.view.image_reference == view.image.reference
            assert best.similarity == pytest.approx(1.0, abs=1e-5)


def test_skipped_sequences_are_told(run, paint_at, tiny_encoder, tmp_path):
    paint_at(tmp_path / "things", sequences=2)
    (tmp_path / "things" / "s1-0.png").unlink()
    _, text = run("build", "cups", "--data", tmp_path / "things", "--encoder", tiny_encoder)
    assert "skipped things s1: " in text
    assert "s1-0.png" in run("inspect", "cups")[1]


def test_errors_are_one_line_and_a_remedy(tmp_path):
    result = subprocess.run(
        [sys.executable, "-m", "index.cli", "inspect", "nothing", "--home", str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert result.returncode == 2
    assert result.stderr.splitlines()[0] == "index: Index 'nothing' does not exist."
    assert result.stderr.splitlines()[1].startswith("remedy: ")


def test_the_help_needs_neither_faiss_nor_sql_nor_torch():
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom index.cli import app\n"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0\n"
        "print([name for name in ('faiss', 'sqlalchemy', 'torch', 'cv2') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert result.stdout.strip() == "[]", result.stderr


def test_as_many_readers_as_folders(run, painted, tiny_encoder):
    words = ("--data", painted, "--reader", "manifest", "--reader", "eth80")
    with pytest.raises(GalleryError, match="2 readers were given for 1 folders"):
        run("build", "cups", *words, "--encoder", tiny_encoder)


def test_a_build_of_ucf101_says_which_fold_and_what_of_the_frames(run, tiny_encoder, tmp_path):
    lists = tmp_path / "ucfTrainTestlist"
    lists.mkdir()
    clip = "YoYo/v_YoYo_g08_c0{}.avi"
    (lists / "trainlist02.txt").write_text(clip.format(1) + " 1\n")
    (lists / "testlist02.txt").write_text(clip.format(2) + "\n")
    (tmp_path / "YoYo").mkdir()
    for number in (1, 2):
        path = str(tmp_path / clip.format(number))
        video = cv2.VideoWriter(path, cv2.VideoWriter.fourcc(*"MJPG"), 5, (64, 48))
        for shade in (60, 120):
            video.write(np.full((48, 64, 3), shade, np.uint8))
        video.release()
    words = ("--data", tmp_path, "--split", "train", "--fold", 2, "--view", "square")
    code, told = run("build", "actions", *words, "--encoder", tiny_encoder, "--json")
    assert code == 0
    built = json.loads(told.splitlines()[-1])
    assert built["counts"]["sequences"] == 1
    assert "Fold 2 of UCF101." in built["notes"]
    assert "A view is the centre square of a frame." in built["notes"]
    gallery = Gallery.open(Home.open(), "actions")
    view = gallery.views(np.array([0]))[0]
    assert list(view.bbox_xyxy) == [7.5, -0.5, 55.5, 47.5]


def test_shuffled_gallery_order_does_not_matter_to_the_encoder(painted, tiny_encoder):
    """Resuming relies on it: a crop's vector does not depend on its batch mates."""
    encoder = Encoder.load(tiny_encoder, threads=1)
    crops = np.random.default_rng(0).integers(0, 256, (7, 32, 32, 3), dtype=np.uint8)
    whole = encoder.encode(crops)
    alone = encoder.encode(crops[3:4])
    for head in whole:
        np.testing.assert_allclose(whole[head][3], alone[head][0], atol=1e-6)
