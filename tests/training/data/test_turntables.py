"""ETH-80 and COIL-100: angles, order, neighbours and counts."""

from __future__ import annotations

import numpy as np
import pytest

from training.data.readers import CLOSED_RING, open_reader
from training.data.readers.eth80 import short_path
from training.errors import DataError


def directions(views):
    azimuth = np.radians([view.attributes["azimuth_deg"] for view in views])
    polar = np.radians([view.attributes["polar_deg"] for view in views])
    return np.stack(
        [np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth), np.cos(polar)], axis=1
    )


def test_eth80_level_rings_and_elevated_paths(shared_data):
    reader = open_reader(shared_data("eth80/dev"))
    sequences = list(reader.sequences())
    assert reader.kind == "eth80"
    assert (reader.report.read, reader.report.views, reader.report.skipped) == (60, 1230, [])
    assert "5 categories with 30 instances found" in reader.report.notes[0]
    level = [sequence for sequence in sequences if sequence.id.endswith("/level")]
    elevated = [sequence for sequence in sequences if sequence.id.endswith("/elevated")]
    assert len(level) == len(elevated) == 30
    for sequence in level:
        assert CLOSED_RING in sequence.flags
        angles = [view.attributes["azimuth_deg"] for view in sequence.views]
        assert angles == [22.5 * step for step in range(16)]
        assert {view.attributes["polar_deg"] for view in sequence.views} == {90.0}
    for sequence in elevated:
        assert len(sequence.views) == 25
        towards = directions(sequence.views)
        steps = np.degrees(np.arccos(np.sum(towards[1:] * towards[:-1], axis=1).clip(-1, 1)))
        assert steps.max() < 33  # neighbours in order are neighbours in angle
        assert steps.mean() < 27
    assert {view.category for s in sequences for view in s.views} == {
        "car", "cow", "cup", "dog", "horse",
    }  # fmt: skip
    assert len({view.instance for s in sequences for view in s.views}) == 30
    assert sequences[0].views[0].bbox_xyxy.tolist() == [-0.5, -0.5, 255.5, 255.5]


def test_coil100_objects_are_closed_rings(shared_data):
    reader = open_reader(shared_data("coil100/dev"))
    sequences = list(reader.sequences())
    assert reader.kind == "coil100"
    assert reader.report.views == 1368
    assert reader.report.notes == ["19 objects found; the full distribution has 100."]
    for sequence in sequences:
        assert [view.attributes["azimuth_deg"] for view in sequence.views] == [
            5.0 * step for step in range(72)
        ]
        assert (sequence.fps, sequence.flags) == (0.0, (CLOSED_RING,))
        assert [view.frame for view in sequence.views] == list(range(72))
    assert sequences[0].views[3].image.load().shape == (128, 128, 3)


def test_a_missing_view_and_a_broken_file_are_told(shared_data, tmp_path):
    for path in shared_data("coil100/dev").glob("obj5__*.png"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
        (tmp_path / path.name.replace("obj5_", "obj6_")).write_bytes(path.read_bytes())
    (tmp_path / "obj5__35.png").unlink()
    (tmp_path / "obj6__35.png").write_bytes(b"")
    reader = open_reader(tmp_path, "coil100")
    assert [sequence.id for sequence in reader.sequences()] == ["obj5"]
    assert [(s.sequence, "is empty" in s.reason) for s in reader.report.skipped] == [("obj6", True)]
    assert any("obj5 has 71" in note for note in reader.report.notes)


def test_turntables_have_no_split(shared_data):
    reader = open_reader(shared_data("coil100/dev"))
    assert len(list(reader.sequences("all"))) == 19
    with pytest.raises(DataError, match="no split 'train'; it has all"):
        list(reader.sequences("train"))


def test_a_short_path_visits_everything_once_and_beats_chance():
    random = np.random.default_rng(0)
    points = random.normal(size=(20, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)

    def length(order):
        steps = np.sum(points[order[1:]] * points[order[:-1]], axis=1)
        return np.arccos(steps.clip(-1, 1)).sum()

    order = short_path(points)
    assert sorted(order) == list(range(20))
    assert order[0] == 0
    assert length(order) < min(length(random.permutation(20)) for _ in range(200))


def test_the_upstream_folders_of_eth80_are_read_too(shared_data, tmp_path):
    for path in shared_data("eth80/dev").glob("car0[12]-*.jpg"):
        instance = path.name.split("-")[0].replace("0", "")
        folder = tmp_path / instance
        (folder / "maps").mkdir(parents=True, exist_ok=True)
        target = folder / path.name.replace(path.name.split("-")[0], instance)
        target.write_bytes(path.read_bytes())
        (folder / "maps" / f"{target.stem}-map.png").write_bytes(b"a mask, no photograph")
    reader = open_reader(tmp_path)
    found = {sequence.id: len(sequence.views) for sequence in reader.sequences()}
    assert found == {"car1/elevated": 25, "car1/level": 16, "car2/elevated": 25, "car2/level": 16}
    assert reader.report.skipped == []
