"""manifest.jsonl: anyone's own frames, strictly checked, one bad line costing one sequence."""

from __future__ import annotations

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data.images import load_views
from training.data.readers import open_reader
from training.data.readers.manifest_schema import (
    Box9Line,
    CameraLine,
    KeypointsLine,
    ManifestLine,
    PlaneLine,
)
from training.errors import DataError

DOCUMENT = Path(__file__).parents[3] / "docs" / "bring-your-own-data.md"


@pytest.fixture
def folder(tmp_path, write_video):
    (tmp_path / "frames").mkdir()
    for index in range(4):
        image = np.full((48, 64, 3), 60 * index, np.uint8)
        cv2.imwrite(str(tmp_path / "frames" / f"{index}.png"), image)
    write_video(tmp_path / "clips" / "walk.mp4", frames=12)
    return tmp_path


def write(folder, *lines):
    text = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    (folder / "manifest.jsonl").write_text("\n".join(text) + "\n", encoding="utf-8")
    return open_reader(folder)


def refusal(folder, **change):
    """The reason a line of sequence ``bad`` is refused, beside a good sequence that is read."""
    good = {"sequence": "good", "image": "frames/0.png"}
    bad = {"sequence": "bad", "image": "frames/1.png", **change}
    reader = write(folder, good, {key: value for key, value in bad.items() if value is not None})
    assert [sequence.id for sequence in reader.sequences()] == ["good"]
    (skipped,) = reader.report.skipped
    assert skipped.sequence == "bad"
    assert "manifest.jsonl line 2" in skipped.reason
    assert "docs/bring-your-own-data.md" in skipped.reason
    return skipped.reason


def test_a_whole_line_becomes_a_whole_view(folder):
    reader = write(
        folder,
        {
            "sequence": "kitchen",
            "image": "frames/2.png",
            "frame": 7,
            "fps": 10,
            "split": "train",
            "category": "mug",
            "instance": "mug-1",
            "bbox_xyxy": [4, 5, 30.5, 40],
            "visibility": 0.5,
            "camera": {"fx": 50, "fy": 51, "cx": 31.5, "cy": 23.5, "width": 64, "height": 48},
            "plane": {"center": [0, 0.1, 1], "normal": [0, -2, 0]},
            "box9": {
                "rotation": [[1, 0, 0], [0, -1, 0], [0, 0, -1]],
                "translation": [0, 0, 1],
                "scale": [0.1, 0.2, 0.3],
            },
            "keypoints": {
                "names": ["handle", "rim"],
                "xy": [[5, 6], [7, 8]],
                "xyz": [[0, 0, 1], [0, 0.1, 1]],
                "visible": [True, False],
            },
            "attributes": {"azimuth_deg": 30, "light": "dim"},
        },
    )
    assert reader.kind == "manifest"
    (sequence,) = reader.sequences("train")
    (view,) = sequence.views
    assert (sequence.id, sequence.fps, sequence.dataset) == ("kitchen", 10.0, folder.name)
    assert (view.instance, view.category, view.frame) == ("mug-1", "mug", 7)
    assert (view.time_s, view.visibility) == (0.7, 0.5)
    assert view.bbox_xyxy.tolist() == [4, 5, 30.5, 40]
    assert view.camera.fx == 50
    assert view.plane.normal.tolist() == [0, -1, 0]
    assert view.box9.scale.tolist() == [0.1, 0.2, 0.3]
    assert view.keypoints.names == ("handle", "rim")
    assert view.keypoints.visible.tolist() == [True, False]
    assert view.keypoints.valid.tolist() == [True, True]
    assert dict(view.attributes) == {"azimuth_deg": 30, "light": "dim"}
    assert view.image.load().mean() == 120


def test_defaults_are_the_least_a_line_needs(folder):
    reader = write(
        folder,
        {"sequence": "a", "image": "frames/3.png"},
        {"sequence": "a", "image": "frames/1.png", "instance": "x"},
        {"sequence": "a", "image": "frames/1.png", "instance": "w"},
    )
    (sequence,) = reader.sequences()
    found = [(view.frame, view.instance, view.category) for view in sequence.views]
    # Images are counted as they come; objects of one image share its number.
    assert found == [(0, "a", "object"), (1, "w", "object"), (1, "x", "object")]
    assert (sequence.split, sequence.fps) == ("all", 0.0)
    assert sequence.views[0].bbox_xyxy.tolist() == [-0.5, -0.5, 63.5, 47.5]


def test_video_frames_take_the_videos_clock(folder):
    lines = [{"sequence": "w", "video": "clips/walk.mp4", "frame": n} for n in (6, 0, 3)]
    (sequence,) = write(folder, *lines).sequences()
    assert [view.frame for view in sequence.views] == [0, 3, 6]
    assert sequence.fps == pytest.approx(30)
    assert sequence.views[2].time_s == pytest.approx(0.2)
    assert len(list(load_views(sequence.views))) == 3


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"colour": "red"}, "colour: Extra inputs are not permitted"),
        ({"image": None}, "give either image, or video with frame"),
        ({"video": "clips/walk.mp4", "frame": 0}, "give either image"),
        ({"image": None, "video": "clips/walk.mp4"}, "video needs frame"),
        ({"image": None, "video": "clips/walk.mp4", "frame": 12}, "past the end of"),
        ({"image": "frames/9.png"}, "image: there is no file 'frames/9.png'"),
        ({"image": "../secret.png"}, "leads out of"),
        ({"image": "frames/../../secret.png"}, "leads out of"),
        ({"image": "/etc/passwd"}, "leads out of"),
        ({"image": "C:\\secret.png"}, "leads out of"),
        ({"image": "a\0b"}, "there is no file"),
        ({"image": "x" * 999}, "there is no file"),
        ({"frame": -1}, "frame: Input should be greater than or equal to 0, given -1"),
        ({"frame": "7"}, "frame: Input should be a valid integer"),
        ({"visibility": 1.5}, "visibility: Input should be less than or equal to 1, given 1.5"),
        ({"bbox_xyxy": [10, 10, 5, 20]}, "min < max"),
        ({"bbox_xyxy": [100, 100, 120, 120]}, "does not touch the image of 64 x 48 px"),
        ({"bbox_xyxy": [1, 2, 3]}, "bbox_xyxy"),
        ({"camera": {"fx": 5, "fy": 5, "cx": 1, "cy": 1, "width": 640, "height": 480}},
         "camera: is for 640 x 480 px, but the image has 64 x 48"),
        ({"camera": {"fx": 0, "fy": 5, "cx": 1, "cy": 1, "width": 64, "height": 48}},
         "camera.fx: Input should be greater than 0"),
        ({"plane": {"center": [0, 0, 1], "normal": [0, 0, 0]}}, "normal must not be zero"),
        ({"box9": {"rotation": [[1, 0, 0], [0, 1, 0], [0, 0, -1]], "translation": [0, 0, 1],
                   "scale": [1, 1, 1]}}, "box9.rotation: A matrix with singular values"),
        ({"box9": {"rotation": [[1, 0, 0], [0, 1, 0], [0, 0, 1]], "translation": [0, 0, 1],
                   "scale": [1, 0, 1]}}, "box9.scale.1: Input should be greater than 0"),
        ({"keypoints": {"names": ["a", "b"], "xy": [[1, 2]]}}, "xy has 1 entries but names has 2"),
        ({"attributes": {"a": [1]}}, "attributes.a"),
    ],
)  # fmt: skip
def test_a_bad_line_costs_its_sequence_and_says_why(folder, change, problem):
    assert problem in refusal(folder, **change)


def test_a_link_out_of_the_folder_is_refused(folder, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "secret.png"
    outside.write_bytes((folder / "frames/0.png").read_bytes())
    (folder / "link.png").symlink_to(outside)
    assert "leads out of" in refusal(folder, image="link.png")


def test_broken_lines_are_found_and_the_rest_is_read(folder):
    reader = write(
        folder,
        {"sequence": "good", "image": "frames/0.png"},
        '{"sequence": "cut", "image": "fra',
        "",
        "not json at all",
        "[" * 100_000,
        {"image": "frames/0.png"},
        {"sequence": "cut", "image": "frames/0.png"},
    )
    assert [sequence.id for sequence in reader.sequences()] == ["good"]
    skipped = {item.sequence: item.reason for item in reader.report.skipped}
    assert set(skipped) == {"line 4", "line 5", "line 6", "cut"}
    assert "line 2" in skipped["cut"]


def test_lines_of_a_sequence_must_agree(folder):
    reader = write(
        folder,
        {"sequence": "a", "image": "frames/0.png", "split": "train"},
        {"sequence": "a", "image": "frames/1.png", "split": "test"},
        {"sequence": "b", "image": "frames/0.png"},
        {"sequence": "b", "image": "frames/0.png"},
    )
    assert list(reader.sequences()) == []
    reasons = [skipped.reason for skipped in reader.report.skipped]
    assert "line 2, split: is 'test', but line 1 of the same sequence says 'train'" in reasons[0]
    assert "line 4, instance: 'b' is in frame 0 already (line 3)" in reasons[1]


texts = st.text("ab./\\ ", max_size=5)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(st.sampled_from([*ManifestLine.model_fields, "other"]), json_values, max_size=6)
)
def test_no_line_whatever_ends_the_run(tmp_path_factory, line):
    folder = tmp_path_factory.getbasetemp() / "any"
    folder.mkdir(exist_ok=True)
    image = np.zeros((4, 4, 3), np.uint8)
    if not (folder / "0.png").exists():
        cv2.imwrite(str(folder / "0.png"), image)
    reader = write(folder, {"sequence": "good \u2764", "image": "0.png"}, json.dumps(line))
    assert "good \u2764" in [sequence.id for sequence in reader.sequences()]
    assert reader.report.read + len(reader.report.skipped) >= 1


def test_no_manifest_is_an_error(tmp_path):
    with pytest.raises(DataError, match=r"no .*manifest.jsonl"):
        open_reader(tmp_path, "manifest")


def test_the_documented_example_is_read(tmp_path, folder):
    text = DOCUMENT.read_text(encoding="utf-8")
    (example,) = re.findall(r"```jsonl\n(.*?)```", text, re.DOTALL)
    (tmp_path / "clips" / "walk.mp4").rename(tmp_path / "clips" / "counter.mp4")
    for name in ("mug-a-000.jpg", "mug-a-001.jpg"):
        cv2.imwrite(str(tmp_path / "frames" / name), np.zeros((480, 640, 3), np.uint8))
    reader = write(tmp_path, *example.strip().splitlines())
    sequences = list(reader.sequences())
    assert reader.report.skipped == []
    assert len(sequences) >= 2
    assert any(view.box9 is not None for s in sequences for view in s.views)
    assert any(view.keypoints is not None for s in sequences for view in s.views)


def test_every_field_is_documented_and_nothing_else():
    text = DOCUMENT.read_text(encoding="utf-8").partition("## The manifest")[2]
    documented = set(re.findall(r"^\| `([a-z0-9_.]+)` \|", text, re.MULTILINE))
    fields = set(ManifestLine.model_fields)
    for name, schema in (
        ("camera", CameraLine),
        ("plane", PlaneLine),
        ("box9", Box9Line),
        ("keypoints", KeypointsLine),
    ):
        fields |= {f"{name}.{field}" for field in schema.model_fields}
    assert documented == fields
