"""The files are Objectron's own: the reader reads them, the numbers agree, runs repeat."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from training.data.objectron_schema import AnnotationSequence
from training.data.readers import open_reader
from training.data.render import Shot, render_objectron, render_sequence
from training.errors import DataError

from .conftest import SETTINGS


def files_of(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def test_the_reader_reads_it_without_a_remark(rendered: Path) -> None:
    reader = open_reader(rendered, "objectron")
    sequences = list(reader.sequences())
    assert len(sequences) == 8
    assert not reader.report.skipped
    for sequence in sequences:
        assert sequence.flags == ()
        assert len(sequence.views) == 4
        assert sequence.fps == pytest.approx(10)
        assert sequence.split == ("test" if "/batch-1/" in sequence.id else "train")
        for view in sequence.views:
            assert view.category == sequence.id.split("/")[0]
            assert view.image.load().shape == (160, 120, 3)
            assert view.box9 is not None
            assert view.plane is not None
            assert np.linalg.det(view.box9.rotation) == pytest.approx(1)
            # the object stands on the plane
            lowest = ((view.box9.vertices - view.plane.center) @ view.plane.normal).min()
            assert lowest == pytest.approx(0, abs=1e-5)


def test_takes_of_one_instance_share_its_name_and_its_size(rendered: Path) -> None:
    names, sizes = {}, {}
    for sequence in open_reader(rendered, "objectron").sequences():
        names[sequence.id] = sequence.views[0].instance
        box = sequence.views[0].box9
        assert box is not None
        sizes[sequence.id] = tuple(np.round(box.scale, 5))
    assert names["cup/batch-0/0"] == names["cup/batch-0/1"]
    assert sizes["cup/batch-0/0"] == sizes["cup/batch-0/1"]
    assert len(set(names.values())) == 4
    assert len(set(sizes.values())) == 4


def test_vertices_project_to_point_2d_through_the_projection_matrix(rendered: Path) -> None:
    message = AnnotationSequence()
    message.ParseFromString((rendered / "annotations/shoe/batch-1/0.pbdata").read_bytes())
    world = message.objects[0]
    R = np.reshape(world.rotation, (3, 3))
    for frame in message.frame_annotations:
        P = np.reshape(frame.camera.projection_matrix, (4, 4))
        view = np.reshape(frame.camera.view_matrix, (4, 4))
        assert np.allclose(view @ np.reshape(frame.camera.transform, (4, 4)), np.eye(4), atol=1e-5)
        for corner, key in zip(frame.annotations[0].keypoints, world.keypoints, strict=True):
            unit = np.array((key.x, key.y, key.z))
            X = view @ (*(R @ (unit * world.scale) + world.translation), 1.0)
            point = corner.point_3d
            assert np.allclose(X[:3], (point.x, point.y, point.z), atol=1e-5)
            clip = P @ X
            u, v = (1 + clip[1] / clip[3]) / 2, (1 + clip[0] / clip[3]) / 2
            assert (u, v) == pytest.approx((corner.point_2d.x, corner.point_2d.y), abs=1e-5)
            assert corner.point_2d.depth == pytest.approx(-X[2], abs=1e-5)


def test_videos_hold_exactly_their_frames_and_show_motion(rendered: Path) -> None:
    video = cv2.VideoCapture(str(rendered / "videos/cup/batch-0/0/video.MOV"))
    frames = []
    while (grabbed := video.read())[0]:
        frames.append(grabbed[1])
    assert len(frames) == 4
    assert np.abs(frames[0].astype(int) - frames[-1].astype(int)).mean() > 3


def test_the_same_seed_gives_the_same_files_and_another_one_others(
    rendered: Path, tmp_path: Path
) -> None:
    shot = Shot("cup", 1, 1, 0.4, 10.0, (120, 160), seed=3)
    render_sequence(tmp_path, shot)
    name = f"annotations/{shot.id}.pbdata"
    assert (tmp_path / name).read_bytes() == (rendered / name).read_bytes()
    movie = f"videos/{shot.id}/video.MOV"
    assert (tmp_path / movie).read_bytes() == (rendered / movie).read_bytes()
    other = Shot("cup", 1, 1, 0.4, 10.0, (120, 160), seed=4)
    render_sequence(tmp_path / "other", other)
    assert (tmp_path / "other" / name).read_bytes() != (rendered / name).read_bytes()


def _render_slowly(root: Path) -> None:
    render_objectron(root, ["cup"], instances=6, test_share=0.5, **SETTINGS)


def test_a_killed_run_is_resumed_to_the_same_files(gl: None, tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    _render_slowly(whole)
    victim = multiprocessing.get_context("spawn").Process(target=_render_slowly, args=(cut,))
    victim.start()
    deadline = time.monotonic() + 60
    while not list(cut.glob("annotations/*/*/*.pbdata")) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert victim.pid is not None
    os.kill(victim.pid, signal.SIGKILL)
    victim.join()
    victim.close()
    assert (cut / "index/cup_annotations_test").read_text().count("cup/") == 3
    report = render_objectron(cut, ["cup"], instances=6, test_share=0.5, **SETTINGS)
    assert report.kept >= 1
    assert report.kept + report.written == 6
    left = {name: data for name, data in files_of(cut).items() if "partial" not in name}
    assert left == files_of(whole)


def test_several_processes_write_what_one_writes(gl: None, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    seen: list[tuple[int, int, int]] = []
    render_objectron(one, ["book"], instances=2, **SETTINGS)
    render_objectron(
        two, ["book"], 2, **{**SETTINGS, "processes": 2}, progress=lambda *a: seen.append(a)
    )
    assert seen[-1] == (2, 2, 0)
    annotations = {n: d for n, d in files_of(one).items() if not n.startswith("videos")}
    assert annotations == {n: d for n, d in files_of(two).items() if not n.startswith("videos")}


def test_a_folder_is_not_rendered_two_ways(rendered: Path) -> None:
    with pytest.raises(DataError, match="other settings"):
        render_objectron(rendered, ["cup"], 2, **{**SETTINGS, "seed": 9})


@pytest.mark.parametrize(
    "wrong",
    [
        {"categories": ["sofa"]},
        {"categories": []},
        {"instances": 0},
        {"seconds": 0.0},
        {"size": (121, 160)},
        {"test_share": 1.5},
        {"grain": -1.0},
    ],
)
def test_wrong_arguments_are_named(tmp_path: Path, wrong: dict) -> None:
    with pytest.raises(DataError):
        render_objectron(tmp_path, **wrong)


def test_a_folder_that_cannot_be_written_is_a_data_error(gl: None, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(DataError, match="Cannot write"):
        render_objectron(blocked / "set", ["cup"], 1, **SETTINGS)


def test_instances_json_names_every_sequence(rendered: Path) -> None:
    names = json.loads((rendered / "instances.json").read_text())
    listed = (rendered / "index/cup_annotations").read_text().split()
    assert listed == ["cup/batch-0/0", "cup/batch-0/1", "cup/batch-1/0", "cup/batch-1/1"]
    assert set(listed) < set(names)
    train = (rendered / "index/cup_annotations_train").read_text().split()
    test = (rendered / "index/cup_annotations_test").read_text().split()
    assert sorted(train + test) == listed
    assert not {names[i]["0"] for i in train} & {names[i]["0"] for i in test}
