"""Objectron's files become records whose geometry is Objectron's own."""

from __future__ import annotations

import contextlib
import json
import re
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.data.conventions import pixels_to_objectron, project
from training.data.images import load_views
from training.data.readers import READERS, open_reader
from training.data.readers.objectron_frames import parse_annotation
from training.data.readers.objectron_views import FrameImages, frame_views
from training.errors import DataError


def read(root, **options):
    reader = open_reader(root, "objectron", **options)
    return reader, list(reader.sequences())


def test_a_box_lands_on_the_pixels_worked_out_by_hand(tmp_path, scene, write_objectron):
    write_objectron(tmp_path, "cup/batch-1/2", scene.message())
    _, (sequence,) = read(tmp_path)
    view = sequence.views[0]
    # Frame 0: the box centre is 1 m ahead, 0.3 m below the axis; f = 200 px; the principal point
    # is (1 + 0.03) / 2 of 120 px and (1 - 0.02) / 2 of 160 px, less half a pixel.
    assert view.camera.matrix == pytest.approx(
        np.array([[200, 0, 61.3], [0, 200, 77.9], [0, 0, 1]]), abs=1e-4
    )
    assert view.box9.translation == pytest.approx([0.0, 0.3, 1.0], abs=1e-6)
    # The object's x is to the right, its y up, its front towards the camera.
    assert view.box9.rotation == pytest.approx(np.diag([1.0, -1.0, -1.0]), abs=1e-6)
    assert view.box9.scale == pytest.approx([0.2, 0.1, 0.3])
    # Nearest faces at z = 0.85 m: x = ±0.1, y = 0.25..0.35; farthest at 1.15 m.
    assert view.bbox_xyxy == pytest.approx(
        [
            61.3 - 200 * 0.1 / 0.85,
            77.9 + 200 * 0.25 / 1.15,
            61.3 + 200 * 0.1 / 0.85,
            77.9 + 200 * 0.35 / 0.85,
        ],
        abs=1e-3,
    )
    assert view.plane.normal == pytest.approx([0, -1, 0], abs=1e-6)
    assert view.plane.center == pytest.approx([0, 0.35, 1], abs=1e-6)


def test_both_projection_routes_give_objectrons_points(tmp_path, scene, write_objectron):
    message = scene.message(objects=2)
    write_objectron(tmp_path, "cup/batch-1/2", message)
    _, (sequence,) = read(tmp_path)
    for view in sequence.views:
        entry = message.frame_annotations[view.frame].annotations[int(view.attributes["object_id"])]
        ours = pixels_to_objectron(
            project(view.camera, view.box9.vertices), view.camera.width, view.camera.height
        )
        theirs = np.array([(p.point_2d.x, p.point_2d.y) for p in entry.keypoints])
        assert np.abs(ours - theirs).max() < 1e-4
    assert len(sequence.views) == 24
    assert sequence.flags == ()


def test_every_object_is_a_view_with_its_own_instance(tmp_path, scene, write_objectron):
    write_objectron(tmp_path, "cup/batch-1/2", scene.message(objects=2))
    write_objectron(tmp_path, "cup/batch-1/10", scene.message())
    (tmp_path / "instances.json").write_text(json.dumps({"cup/batch-1/10": {"0": "cup-blue"}}))
    _, (second, tenth) = read(tmp_path)
    assert (second.id, tenth.id) == ("cup/batch-1/2", "cup/batch-1/10")
    assert {view.instance for view in second.views} == {"cup/batch-1/2#0", "cup/batch-1/2#1"}
    assert {view.instance for view in tenth.views} == {"cup-blue"}
    assert [view.frame for view in second.views[:4]] == [0, 0, 1, 1]


def test_intrinsics_follow_each_frame_and_the_video_size(tmp_path, scene, write_objectron):
    write_objectron(tmp_path, "cup/batch-1/2", scene.message(), width=240, height=320)
    _, (sequence,) = read(tmp_path)
    assert [view.camera.fx for view in sequence.views] == pytest.approx(
        [2 * (200 + frame) for frame in range(12)], rel=1e-6
    )
    # The outer corner is the fixed point of a resize: 2 * (61.3 + 0.5) - 0.5.
    assert sequence.views[0].camera.cx == pytest.approx(123.1, abs=1e-4)


def test_intrinsics_serve_where_the_projection_is_missing(tmp_path, scene, write_objectron):
    message = scene.message()
    for frame in message.frame_annotations:
        del frame.camera.projection_matrix[:]
        # The sensor has 12 times the image's resolution and lies on its side.
        frame.camera.intrinsics.extend([2400, 0, 78.4 * 12, 0, 2412, 61.8 * 12, 0, 0, 1])
    write_objectron(tmp_path, "cup/batch-1/2", message)
    _, (sequence,) = read(tmp_path)
    camera = sequence.views[0].camera
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == pytest.approx((201, 200, 61.3, 77.9))


def test_a_video_decoded_lying_down_is_turned_upright(tmp_path, scene, write_objectron):
    write_objectron(tmp_path, "cup/batch-1/2", scene.message(), width=160, height=120)
    _, (sequence,) = read(tmp_path)
    assert "rotated" in sequence.flags
    _, image = next(load_views(sequence.views))
    assert image.shape == (160, 120, 3)
    # Portrait right is landscape up: the landscape's top left comes to the portrait's top right.
    assert image[5, 115].min() > 150 > image[5, 5].max()


def test_a_phones_rotation_mark_is_obeyed_once(tmp_path, scene, write_objectron):
    """A real phone stores lying frames and marks the file: turn clockwise by 90 degrees."""
    write_objectron(tmp_path, "cup/batch-1/2", scene.message(), width=160, height=120)
    movie = tmp_path / "videos/cup/batch-1/2/video.MOV"
    data = bytearray(movie.read_bytes())
    matrix = data.index(b"tkhd") + 44  # the track header's 3 x 3 matrix of 16.16 fixed point
    data[matrix : matrix + 36] = struct.pack(
        ">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 120 << 16, 0, 1 << 30
    )
    movie.write_bytes(data)
    _, (sequence,) = read(tmp_path)
    assert sequence.flags == ()
    _, image = next(load_views(sequence.views))
    assert image.shape == (160, 120, 3)
    assert image[5, 115].min() > 150 > image[5, 5].max()


def test_the_side_by_side_layout_gives_the_same_records(tmp_path, scene, write_objectron):
    write_objectron(tmp_path / "a", "cup/batch-1/2", scene.message())
    write_objectron(tmp_path / "b", "cup/batch-1/2", scene.message(), beside=True)
    (_, (a,)), (_, (b,)) = read(tmp_path / "a"), read(tmp_path / "b")
    assert (a.id, a.flags, a.fps) == (b.id, b.flags, b.fps)
    assert all(
        (x.bbox_xyxy == y.bbox_xyxy).all() and x.instance == y.instance and x.category == "cup"
        for x, y in zip(a.views, b.views, strict=True)
    )
    assert open_reader(tmp_path / "a").kind == open_reader(tmp_path / "b").kind == "objectron"


def test_flat_folders_carry_the_official_name(tmp_path, scene, write_objectron):
    for name in ("cereal_box_batch-1_2", "my-own"):
        write_objectron(tmp_path, name, scene.message(), beside=True)
    _, sequences = read(tmp_path)
    assert [(s.id, s.views[0].category) for s in sequences] == [
        ("cereal_box/batch-1/2", "cereal_box"),
        ("my-own", "cup"),  # no folder names it, so the annotation does
    ]


def test_index_files_are_the_splits(tmp_path, scene, write_objectron):
    for number in (1, 2, 3):
        write_objectron(tmp_path, f"cup/batch-1/{number}", scene.message())
    index = tmp_path / "index"
    index.mkdir()
    (index / "cup_annotations").write_text("cup/batch-1/1\ncup/batch-1/2\ncup/batch-9/9\n")
    (index / "cup_annotations_train").write_text("cup/batch-1/1\ncup/batch-9/9\n")
    (index / "cup_annotations_test").write_text("cup/batch-1/2\n")
    reader = open_reader(tmp_path)
    assert [s.id for s in reader.sequences("train")] == ["cup/batch-1/1"]
    assert [s.id for s in reader.sequences("test")] == ["cup/batch-1/2"]
    assert [s.split for s in reader.sequences()] == ["train", "test", "unlisted"]
    notes = " ".join(reader.report.notes)
    assert "cup 3 of 2204" in notes
    assert "1 of the 3 sequences in the index are not here" in notes
    assert "1 sequences found are not in the index" in notes
    with pytest.raises(DataError, match="no split 'val'; it has test, train, unlisted"):
        list(reader.sequences("val"))


def test_the_published_index_has_the_published_counts(shared_data):
    from training.data.readers.objectron_layout import FULL_COUNTS, read_index

    splits = read_index(shared_data("objectron"))
    per_category = {name: 0 for name in FULL_COUNTS}
    for identifier in splits:
        per_category[identifier.split("/")[0]] += 1
    assert per_category == FULL_COUNTS
    assert sum(FULL_COUNTS.values()) == 14584
    counts = [list(splits.values()).count(name) for name in ("train", "test", "unlisted")]
    assert counts == [11671, 2912, 1]


def test_broken_sequences_are_reported_and_the_run_goes_on(tmp_path, scene, write_objectron):
    message = scene.message()
    for number in range(1, 7):
        write_objectron(tmp_path, f"cup/batch-1/{number}", message)
    folder = tmp_path / "annotations/cup/batch-1"
    whole = message.SerializeToString()
    (folder / "1.pbdata").write_bytes(whole[: len(whole) // 2])
    (folder / "2.pbdata").write_bytes(b"")
    (tmp_path / "videos/cup/batch-1/3/video.MOV").unlink()
    (tmp_path / "videos/cup/batch-1/4/video.MOV").write_bytes(b"no video at all")
    bad = scene.message()
    del bad.objects[0].rotation[3:]
    (folder / "5.pbdata").write_bytes(bad.SerializeToString())
    reader, sequences = read(tmp_path)
    assert [sequence.id for sequence in sequences] == ["cup/batch-1/6"]
    assert [skipped.sequence for skipped in reader.report.skipped] == [
        f"cup/batch-1/{number}" for number in range(1, 6)
    ]
    reasons = [skipped.reason for skipped in reader.report.skipped]
    assert "no Objectron annotation" in reasons[0]
    assert "0 objects" in reasons[1]
    assert "no video" in reasons[2]
    assert "does not open" in reasons[3]
    assert "3 rotation" in reasons[4]


def test_quality_flags_name_what_is_odd(tmp_path, scene, write_objectron):
    def flags(name, change, frames=12):
        message = scene.message()
        change(message)
        write_objectron(tmp_path / name, "cup/batch-1/1", message, frames=frames)
        _, (sequence,) = read(tmp_path / name)
        return set(sequence.flags), sequence

    def no_plane(message):
        for frame in message.frame_annotations:
            del frame.plane_center[:], frame.plane_normal[:]

    def jump(message):  # the camera is told to be 1 m further from frame 6 on
        for frame in message.frame_annotations[6:]:
            matrix = np.array(frame.camera.view_matrix).reshape(4, 4)
            matrix[2, 3] -= 1.0
            frame.camera.view_matrix[:] = matrix.ravel()

    def other_camera(message):
        for frame in message.frame_annotations:
            frame.camera.intrinsics.extend([2700, 0, 960, 0, 2700, 720, 0, 0, 1])

    def wrong_name(message):
        message.objects[0].category = "motobike"

    found, sequence = flags("plane", no_plane)
    assert found == {"plane_missing"}
    assert sequence.views[0].plane is None
    found, _ = flags("jump", jump)
    assert found == {"tracking_jump", "point_3d_mismatch", "point_2d_mismatch"}
    found, _ = flags("camera", other_camera)
    assert found == {"intrinsics_mismatch"}
    found, sequence = flags("name", wrong_name)
    assert found == {"category_unlike_folder"}
    assert sequence.views[0].category == "cup"
    found, sequence = flags("short", lambda message: None, frames=9)
    assert found == {"frame_count_mismatch"}
    assert len(sequence.views) == 9


def test_verify_flags_a_blurred_video(tmp_path, scene, write_objectron):
    write_objectron(tmp_path, "cup/batch-1/1", scene.message())  # plain grey: no edge at all
    _, (sequence,) = read(tmp_path, verify=True)
    assert sequence.flags == ("blurred",)


def test_fps_thins_in_time(tmp_path, scene, write_objectron):
    write_objectron(tmp_path, "cup/batch-1/1", scene.message())
    _, (sequence,) = read(tmp_path, fps=5)
    assert [view.frame for view in sequence.views] == [0, 6]
    assert sequence.views[1].time_s == pytest.approx(0.2)
    assert sequence.fps == pytest.approx(30)


def test_a_plane_pointing_down_is_turned_up(tmp_path, scene, write_objectron):
    message = scene.message()
    for frame in message.frame_annotations:
        frame.plane_normal[:] = [-2 * value for value in frame.plane_normal]
    write_objectron(tmp_path, "cup/batch-1/1", message)
    _, (sequence,) = read(tmp_path)
    assert sequence.views[0].plane.normal == pytest.approx([0, -1, 0], abs=1e-6)


@given(st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), min_size=1, max_size=6))
@settings(max_examples=60)
def test_damaged_bytes_are_read_or_refused_but_never_crash(annotation_bytes, damage):
    data = bytearray(annotation_bytes)
    for place, value in damage:
        data[int(place * len(data))] = value
    images = FrameImages(120, 160, 3, lambda frame: None)
    with contextlib.suppress(DataError):
        annotation = parse_annotation(bytes(data), "damaged")
        for frame in annotation.frames:
            frame_views(frame, annotation.objects, images, "cup", str, 30.0, 0.0)


def test_every_flag_is_documented():
    root = Path(__file__).parents[3]
    source = "".join(
        path.read_text(encoding="utf-8")
        for path in (root / "training/data/readers").glob("objectron*.py")
    )
    earned = set(re.findall(r'flags\.add\(\s*"(\w+)"\)', source))
    table = (root / "docs/bring-your-own-data.md").read_text(encoding="utf-8")
    documented = table.partition("### What an Objectron")[2].partition("## The manifest")[0]
    assert earned == set(re.findall(r"^\| `(\w+)` \|", documented, re.MULTILINE))
    assert len(earned) == 14


def test_every_reader_is_documented():
    table = (Path(__file__).parents[3] / "docs/bring-your-own-data.md").read_text(encoding="utf-8")
    kinds = table.partition("## Layouts")[2].partition("###")[0]
    assert set(re.findall(r"^\| `([\w-]+)` \|", kinds, re.MULTILINE)) == set(READERS)
