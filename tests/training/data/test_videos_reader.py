"""A folder of videos is a dataset without labels."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from training.data.images import load_views
from training.data.readers import open_reader
from training.data.video import VideoFile
from training.errors import DataError


def test_real_videos_of_several_kinds(shared_data):
    reader = open_reader(shared_data("videos/dev"))
    sequences = {sequence.id: sequence for sequence in reader.sequences()}
    assert reader.kind == "videos"
    assert reader.dataset == "videos"
    assert len(sequences) == 8
    clip = sequences["ucf101_v_Basketball_g01_c01.avi"]
    assert clip.fps == pytest.approx(29.97, abs=0.01)
    assert len(clip.views) == 141
    assert clip.views[30].time_s == pytest.approx(30 / clip.fps)
    assert clip.views[0].bbox_xyxy.tolist() == [-0.5, -0.5, 319.5, 239.5]
    shapes = {image.shape for _, image in load_views(clip.views[:3])}
    assert shapes == {(240, 320, 3)}


def test_the_folder_is_the_category(tmp_path, write_video):
    write_video(tmp_path / "running" / "a.mp4")
    write_video(tmp_path / "b.avi")
    (tmp_path / "running" / "bad.mp4").write_bytes(b"nothing")
    reader = open_reader(tmp_path)
    found = {sequence.id: sequence.views[0].category for sequence in reader.sequences()}
    assert found == {"b.avi": "video", "running/a.mp4": "running"}
    assert [skipped.sequence for skipped in reader.report.skipped] == ["running/bad.mp4"]


def test_a_name_that_is_no_text_is_skipped_with_its_reason(tmp_path, write_video):
    write_video(tmp_path / "vidé 1.mp4")
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/b\xff.mp4"))
    shutil.copy(tmp_path / "vidé 1.mp4", odd)
    reader = open_reader(tmp_path)
    assert [sequence.id for sequence in reader.sequences()] == ["vidé 1.mp4"]
    (skipped,) = reader.report.skipped
    assert (skipped.sequence, "not UTF-8" in skipped.reason) == ("b\\udcff.mp4", True)
    with pytest.raises(DataError, match="not UTF-8"):  # where OpenCV would crash
        VideoFile(odd)


def test_a_file_that_goes_while_it_is_read_costs_its_sequence_alone(tmp_path):
    for angle in (0, 5):
        cv2.imwrite(str(tmp_path / f"obj1__{angle}.png"), np.zeros((8, 8, 3), np.uint8))
        cv2.imwrite(str(tmp_path / f"obj2__{angle}.png"), np.zeros((8, 8, 3), np.uint8))
    reader = open_reader(tmp_path)
    sequences = reader.sequences()
    assert next(sequences).id == "obj1"
    (tmp_path / "obj2__5.png").unlink()
    assert list(sequences) == []
    assert [skipped.sequence for skipped in reader.report.skipped] == ["obj2"]


def test_links_to_folders_are_followed_once(tmp_path, write_video):
    write_video(tmp_path / "disk" / "a.mp4")
    root = tmp_path / "root"
    root.mkdir()
    (root / "runs").symlink_to(tmp_path / "disk")
    (tmp_path / "disk" / "loop").symlink_to(root)
    reader = open_reader(root)
    assert [sequence.id for sequence in reader.sequences()] == ["runs/a.mp4"]


def test_folders_that_may_not_be_read_are_named(tmp_path, write_video, monkeypatch):
    write_video(tmp_path / "a.mp4")
    write_video(tmp_path / "locked" / "b.mp4")
    scandir = os.scandir

    def guarded(path):  # the tests may run as root, who may read everything
        if str(path).endswith("locked"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    reader = open_reader(tmp_path)
    monkeypatch.setattr(os, "scandir", guarded)
    assert [sequence.id for sequence in reader.sequences()] == ["a.mp4"]
    assert reader.report.notes == [f"Left out {tmp_path / 'locked'}: Permission denied."]


def test_verify_leaves_out_frames_that_are_not_there(shared_data, tmp_path):
    whole = (shared_data("videos/dev") / "ucf101_v_Basketball_g01_c01.avi").read_bytes()
    (tmp_path / "cut.avi").write_bytes(whole[: len(whole) // 2])
    (trusting,) = open_reader(tmp_path).sequences()
    (careful,) = open_reader(tmp_path, verify=True).sequences()
    assert len(careful.views) <= len(trusting.views)
    assert len(list(load_views(careful.views))) == len(careful.views) < 141


def test_what_cannot_be_opened_says_why(tmp_path):
    with pytest.raises(DataError, match="nothing at"):
        open_reader(tmp_path / "none")
    with pytest.raises(DataError, match="none that is known") as error:
        open_reader(tmp_path)
    assert "objectron" in error.value.remedy
    with pytest.raises(DataError, match="no reader 'kitti'"):
        open_reader(tmp_path, "kitti")
    with pytest.raises(DataError, match="No coil100 sequence"):
        list(open_reader(tmp_path, "coil100").sequences())
    with pytest.raises(DataError, match=r"has no option .colour."):
        open_reader(tmp_path, "videos", colour=True)
    with pytest.raises(DataError, match="above 0"):
        open_reader(tmp_path, "videos", fps=0)
