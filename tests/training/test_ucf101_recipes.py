"""The UCF101 recipes: their published numbers, and that whole frames of clips can be trained on."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from training.artifact import read_info
from training.cli import app
from training.dataset import Source, TrainingData, load_source
from training.encoder import Encoder
from training.errors import DataError
from training.recipes import load_recipe
from training.trainer import Run, train

TINY = [
    "backbone=resnet10_w8",
    "size=32",
    "projector_dim=16",
    "predictor_dim=4",
    "batch_size=8",
    "epochs=1",
    "warmup_epochs=0",
    "threads=1",
]
PAIRINGS = {"nearby": "pose", "same-frame": "pose", "distant": "identity"}


@pytest.mark.parametrize("pairing", PAIRINGS)
def test_the_published_numbers(pairing: str) -> None:
    recipe = load_recipe(f"ucf101-{pairing}")
    assert {name: head.pairing for name, head in recipe.heads.items()} == {
        PAIRINGS[pairing]: pairing
    }
    assert (recipe.network.backbone, recipe.network.size) == ("resnet50", 112)
    assert (recipe.data.fps, recipe.data.delta_s) == (5.0, 0.2)
    o = recipe.optimise
    assert (o.batch_size, o.lr, o.warmup_epochs, o.epochs) == (64, 0.0075, 10, 100)
    a = recipe.augment
    assert (a.crop_scale, a.brightness, a.hue, a.blur) == ((0.6, 1.4), 0.4, 0.1, 0.5)
    sigma_px = [sigma * recipe.network.size / 224 for sigma in a.blur_sigma]
    assert sigma_px == pytest.approx([0.1, 2.0])


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes with two groups of two wide clips, all of the training list."""
    root = tmp_path_factory.mktemp("ucf101")
    names = [
        f"{name}/v_{name}_g{group:02}_c{clip:02}.avi"
        for name in ("Archery", "YoYo")
        for group in (8, 9)
        for clip in (1, 2)
    ]
    for number, name in enumerate(names):
        path = root / "UCF-101" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, (64, 48))
        random = np.random.default_rng(number)
        background = random.integers(60, 190, (48, 64, 3), dtype=np.uint8)
        for frame in range(25):
            picture = background.copy()
            cv2.circle(picture, (6 + 2 * frame, 24), 8, (0, 0, 255), -1)
            video.write(picture)
        video.release()
    folder = root / "ucfTrainTestlist"
    folder.mkdir()
    (folder / "trainlist01.txt").write_text("\n".join(f"{name} 1" for name in names))
    (folder / "testlist01.txt").write_text("YoYo/v_YoYo_g01_c01.avi\n")
    (folder / "trainlist02.txt").write_text("\n".join(f"{name} 1" for name in names[:6]))
    (folder / "testlist02.txt").write_text("\n".join(names[6:]))
    return root


@pytest.mark.parametrize("pairing", PAIRINGS)
def test_whole_frames_train_an_encoder(clips: Path, tmp_path: Path, pairing: str) -> None:
    recipe = load_recipe(f"ucf101-{pairing}", TINY)
    Run(tmp_path / "run").open(recipe, False)
    loaded = load_source(Source(clips, split="train"), recipe.data.fps)
    assert (loaded.kind, len(loaded.sequences)) == ("ucf101", 8)
    data = TrainingData([loaded], recipe, tmp_path / "run" / "cache", lambda done, total: None)
    pairs = {"nearby": 4, "same-frame": 5, "distant": 5}[pairing]  # of five frames a clip
    assert len(data.pairs(PAIRINGS[pairing], 0)) == 7 * pairs  # one clip of eight is held out
    encoder = Encoder.load(train(recipe, data, tmp_path / "run", False), threads=1)
    assert list(encoder.heads) == [PAIRINGS[pairing]]
    view = loaded.sequences[0].views[0]
    image = view.image.load()
    crop = encoder.crop(image, view.bbox_xyxy)
    assert not crop[:4].any()  # 64 × 48 in a square of 32: bars of 4 above and below
    assert crop[4:28].any(axis=(1, 2)).all()
    (vectors,) = encoder.encode(crop[None]).values()
    assert np.linalg.norm(vectors[0]) == pytest.approx(1.0, abs=1e-5)


def test_the_command_chooses_the_fold_and_the_square(clips: Path, tmp_path: Path) -> None:
    words = ["train", "ucf101-nearby", "--data", str(clips), "--split", "train"]
    words += [f"--set={value}" for value in TINY] + ["--fold", "2", "--view", "square"]
    done = CliRunner().invoke(app, [*words, "--out", str(tmp_path)], catch_exceptions=False)
    assert done.exit_code == 0
    assert "Fold 2 of UCF101." in done.stdout
    (source,) = read_info(tmp_path / "encoder").training["data"]["sources"]
    assert (source["sequences"], source["fold"], source["view"]) == (6, 2, "square")


def test_squares_fill_the_crop(clips: Path) -> None:
    loaded = load_source(Source(clips, split="train", options={"view": "square"}), 5.0)
    box = loaded.sequences[0].views[0].bbox_xyxy
    assert box.tolist() == [7.5, -0.5, 55.5, 47.5]  # of 64 × 48


def test_options_of_ucf101_are_refused_for_other_data(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "obj1__0.png"), np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(DataError, match=r"'coil100' of .* has no option 'fold'"):
        load_source(Source(tmp_path, options={"fold": 2}), 5.0)
