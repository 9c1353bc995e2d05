"""The encoder artifact: backends agree, crops are independent, changed files are refused."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import training.encoder
from training.artifact import (
    GRAPH_FILE,
    INFO_FILE,
    WEIGHTS_FILE,
    EncoderInfo,
    HeadInfo,
    Preprocessing,
    identity_of,
)
from training.encoder import Encoder
from training.errors import EncoderError


@pytest.fixture(scope="module")
def encoder(tiny_encoder: Path) -> Encoder:
    return Encoder.load(tiny_encoder, backend="onnx", threads=1)


def random_crops(count: int, size: int = 32) -> NDArray[np.uint8]:
    return np.random.default_rng(7).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def test_embeddings_have_the_promised_dims_and_unit_length(encoder: Encoder) -> None:
    assert encoder.heads == {"pose": 128, "identity": 32}
    for name, rows in encoder.encode(random_crops(5)).items():
        assert rows.shape == (5, encoder.heads[name])
        assert rows.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1.0, atol=1e-5)


def test_no_crops_give_no_rows(encoder: Encoder) -> None:
    assert encoder.encode(random_crops(0))["pose"].shape == (0, 128)


@pytest.mark.parametrize("backend", ["onnx", "torch"])
def test_a_crop_does_not_depend_on_its_batch_mates(tiny_encoder: Path, backend: str) -> None:
    encoder = Encoder.load(tiny_encoder, backend=backend, threads=1)  # type: ignore[arg-type]
    crops = random_crops(9)
    together = encoder.encode(crops)
    in_fours = encoder.encode(crops, batch_size=4)
    alone = [encoder.encode(crop[None]) for crop in crops]
    for name in encoder.heads:
        rows = np.concatenate([one[name] for one in alone])
        np.testing.assert_allclose(together[name], rows, atol=2e-6)
        np.testing.assert_allclose(together[name], in_fours[name], atol=2e-6)


def test_torch_and_onnx_agree(tiny_encoder: Path, encoder: Encoder) -> None:
    reference = Encoder.load(tiny_encoder, backend="torch", threads=1)
    assert (reference.backend, encoder.backend) == ("torch", "onnx")
    crops = random_crops(6)
    expected, found = reference.encode(crops), encoder.encode(crops)
    for name in encoder.heads:
        np.testing.assert_allclose(found[name], expected[name], atol=1e-5)


def test_grid_pooling_keeps_where_things_are(encoder: Encoder) -> None:
    left = np.zeros((1, 32, 32, 3), np.uint8)
    left[:, :, :16] = random_crops(1)[:, :, :16]
    both = encoder.encode(np.concatenate([left, left[:, :, ::-1]]))
    pose, identity = (both[name][0] @ both[name][1] for name in ("pose", "identity"))
    assert pose < identity


@pytest.mark.parametrize("name", [WEIGHTS_FILE, GRAPH_FILE])
def test_a_changed_byte_is_refused(tiny_encoder: Path, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "changed"
    shutil.copytree(tiny_encoder, folder)
    content = bytearray((folder / name).read_bytes())
    content[-100] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(EncoderError, match="was changed"):
        Encoder.load(folder)


def test_changed_preprocessing_is_refused(tiny_encoder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "changed"
    shutil.copytree(tiny_encoder, folder)
    info = json.loads((folder / INFO_FILE).read_text())
    info["preprocessing"]["margin"] = 1.5
    (folder / INFO_FILE).write_text(json.dumps(info))
    with pytest.raises(EncoderError, match="not the encoder it says"):
        Encoder.load(folder)


def test_a_truncated_file_and_a_wrong_description_are_refused(
    tiny_encoder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "broken"
    shutil.copytree(tiny_encoder, folder)
    (folder / WEIGHTS_FILE).write_bytes((folder / WEIGHTS_FILE).read_bytes()[:50])
    with pytest.raises(EncoderError, match="cannot be read"):
        Encoder.load(folder)
    (folder / INFO_FILE).write_text('{"format": "other"}')
    with pytest.raises(EncoderError, match="wrong at format"):
        Encoder.load(folder)
    with pytest.raises(EncoderError, match="holds no encoder"):
        Encoder.load(tmp_path)


def test_crops_of_another_size_are_refused(encoder: Encoder) -> None:
    with pytest.raises(EncoderError, match=r"takes uint8 \(N, 32, 32, 3\)"):
        encoder.encode(random_crops(2, size=40))
    with pytest.raises(EncoderError, match="float64"):
        encoder.encode(random_crops(2).astype(np.float64))  # type: ignore[arg-type]


def test_heads_stand_in_for_each_other_and_say_so(encoder: Encoder) -> None:
    assert encoder.resolve_head("pose") == ("pose", None)
    encoder_with_pose = Encoder.__new__(Encoder)
    encoder_with_pose.heads = {"pose": 8}
    head, note = encoder_with_pose.resolve_head("identity")
    assert head == "pose"
    assert note is not None
    assert "identity" in note
    with pytest.raises(EncoderError, match="Ask for one of pose, identity"):
        encoder.resolve_head("colour")


def test_the_encoder_needs_no_torch(tiny_encoder: Path) -> None:
    script = (
        "import sys, numpy as np; from pathlib import Path; from training.encoder import Encoder\n"
        f"e = Encoder.load(Path({str(tiny_encoder)!r}), backend='onnx')\n"
        "e.encode(np.zeros((1, 32, 32, 3), np.uint8))\n"
        "assert not {'torch', 'torchvision', 'lightning'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_the_graph_carries_no_paths(tiny_encoder: Path) -> None:
    graph = (tiny_encoder / GRAPH_FILE).read_bytes()
    assert b".py" not in graph
    assert b"/" + Path.cwd().name.encode() + b"/" not in graph


def test_an_identity_outlives_new_fields_of_the_format() -> None:
    """Golden: the SHA-256 that the first version gave; all indexes of an encoder hang on it."""
    info = EncoderInfo(
        method="simsiam",
        recipe="small-nearby",
        backbone="resnet10_w4",
        heads={"pose": HeadInfo(dim=32, pool=1)},
        preprocessing=Preprocessing(size=32),
    )
    weights = {"w": np.arange(6, dtype=np.float32).reshape(2, 3)}
    assert (
        identity_of(weights, info)
        == "cb03476b742ad69c83e21e125e666201d2b308a61f4cc2097436fa05f1c7df13"
    )


def test_onnx_runtime_is_told_not_to_report() -> None:
    code = "import os, training.encoder; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    environment = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"}
    told = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == "1"


@pytest.mark.parametrize(
    ("asked", "quota", "threads"), [(None, 3.0, 3), (1, 3.0, 1), (None, None, 0)]
)
def test_a_quota_bounds_the_threads_nobody_asked_for(
    tiny_encoder: Path,
    monkeypatch: pytest.MonkeyPatch,
    asked: int | None,
    quota: float | None,
    threads: int,
) -> None:
    """0 leaves it to ONNX Runtime."""
    monkeypatch.setattr(training.encoder, "cpu_quota", lambda: quota)
    monkeypatch.setattr(training.encoder, "available_cores", lambda: 3)
    runner = Encoder.load(tiny_encoder, backend="onnx", threads=asked)._runner
    assert isinstance(runner, training.encoder._OnnxRunner)
    assert runner._session.get_session_options().intra_op_num_threads == threads
