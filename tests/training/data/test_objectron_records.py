"""TFRecord shards without TensorFlow: checksums, images where they lie, the same geometry."""

from __future__ import annotations

import json
import struct
import time

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.data.crc32c import crc32c, masked_crc32c
from training.data.images import load_views
from training.data.readers import open_reader
from training.data.tfexample_schema import SequenceExample


def naive_crc32c(data: bytes) -> int:
    remainder = 0xFFFFFFFF
    for byte in data:
        remainder ^= byte
        for _ in range(8):
            remainder = (remainder >> 1) ^ (0x82F63B78 * (remainder & 1))
    return remainder ^ 0xFFFFFFFF


def test_crc32c_gives_the_published_vectors():
    # RFC 3720, B.4
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E
    assert crc32c(b"123456789") == 0xE3069283


@given(st.integers(0, 20000), st.integers(0, 255))
@settings(max_examples=15)
def test_crc32c_is_the_bitwise_one(length, seed):
    data = np.random.default_rng(seed).bytes(length)
    assert crc32c(data) == naive_crc32c(data)


def framed(payload: bytes) -> bytes:
    length = struct.pack("<Q", len(payload))
    return (
        length
        + struct.pack("<I", masked_crc32c(length))
        + payload
        + struct.pack("<I", masked_crc32c(payload))
    )


def example(message, sequence_id="batch-3/7", frames=6, leave_out=()):
    """A SequenceExample that tells what an annotation message tells."""
    record = SequenceExample()
    entry = record.context.feature.add(key="sequence_id")
    entry.value.bytes_list.value.append(sequence_id.encode())
    columns = {}

    def column(key):
        if key not in columns:
            columns[key] = record.feature_lists.feature_list.add(key=key)
        return columns[key].value.feature.add()

    for frame in list(message.frame_annotations)[:frames]:
        image = np.full((160, 120, 3), 20 * frame.frame_id, np.uint8)
        suffix = ".png" if frame.frame_id % 2 else ".jpg"
        encoded = cv2.imencode(suffix, image)[1].tobytes()
        keypoints = [point for item in frame.annotations for point in item.keypoints]
        values = {
            "image/encoded": [encoded],
            "image/timestamp": [round(frame.timestamp * 1e6)],
            "instance_num": [len(frame.annotations)],
            "point_3d": [v for p in keypoints for v in (p.point_3d.x, p.point_3d.y, p.point_3d.z)],
            "point_2d": [
                v for p in keypoints for v in (p.point_2d.x, p.point_2d.y, p.point_2d.depth)
            ],
            "camera/projection": list(frame.camera.projection_matrix),
            "object/visibility": [item.visibility for item in frame.annotations],
            "plane/center": list(frame.plane_center),
            "plane/normal": list(frame.plane_normal),
        }
        for key, value in values.items():
            if key in leave_out:
                continue
            feature = column(key)
            if isinstance(value[0], bytes):
                feature.bytes_list.value.extend(value)
            elif isinstance(value[0], int):
                feature.int64_list.value.extend(value)
            else:
                feature.float_list.value.extend(value)
    return record.SerializeToString()


def test_the_record_tells_what_the_files_tell(tmp_path, scene, write_objectron):
    message = scene.message(objects=2)
    write_objectron(tmp_path / "files", "cup/batch-3/7", message)
    shard = tmp_path / "records" / "cup" / "cup_train-00000-of-00001"
    shard.parent.mkdir(parents=True)
    shard.write_bytes(framed(example(message)) + framed(example(message, "batch-3/8", frames=2)))
    reader = open_reader(tmp_path / "records")
    assert reader.kind == "objectron-records"
    first, second = reader.sequences("train")
    (files,) = open_reader(tmp_path / "files").sequences()
    assert (first.id, second.id) == ("cup/batch-3/7", "cup/batch-3/8")
    assert (len(first.views), len(second.views)) == (12, 4)
    assert first.fps == pytest.approx(30, abs=0.01)
    assert first.flags == ()
    for ours, theirs in zip(first.views, files.views[:12], strict=True):
        assert ours.instance == theirs.instance
        assert ours.bbox_xyxy == pytest.approx(theirs.bbox_xyxy, abs=1e-3)
        assert ours.camera.matrix == pytest.approx(theirs.camera.matrix)
        assert ours.box9.vertices == pytest.approx(theirs.box9.vertices, abs=1e-5)
        assert ours.plane.normal == pytest.approx(theirs.plane.normal)
        assert ours.time_s == pytest.approx(theirs.time_s)


def test_images_are_decoded_where_they_lie(tmp_path, scene):
    shard = tmp_path / "cup_test.tfrecord"
    shard.write_bytes(framed(example(scene.message())) * 2)
    for sequence in open_reader(tmp_path).sequences():
        for view, image in load_views(sequence.views):
            assert image.shape == (160, 120, 3)
            assert image.mean() == pytest.approx(20 * view.frame, abs=1)


def test_a_wrong_checksum_costs_one_sequence(tmp_path, scene):
    good = framed(example(scene.message()))
    flipped = bytearray(good)
    flipped[len(good) // 2] ^= 1
    (tmp_path / "cup_train-00000-of-00002").write_bytes(good + flipped + good)
    (tmp_path / "cup_train-00001-of-00002").write_bytes(good + good[: len(good) // 2])
    reader = open_reader(tmp_path)
    assert len(list(reader.sequences())) == 3
    reasons = {skipped.sequence: skipped.reason for skipped in reader.report.skipped}
    assert len(reasons) == 2
    assert "checksum of a record is wrong" in reasons["cup/cup_train-00000-of-00002#1"]
    assert "file ends earlier" in reasons["cup/cup_train-00001-of-00002 after #0"]


def test_every_sequence_has_its_own_name(tmp_path, scene):
    record = framed(example(scene.message(), frames=2))
    (tmp_path / "cup_train-00000-of-00001").write_bytes(record * 3)
    names = [sequence.id for sequence in open_reader(tmp_path).sequences()]
    assert len(set(names)) == 3
    again = open_reader(tmp_path)
    assert names == [sequence.id for sequence in again.sequences()]
    assert names == [sequence.id for sequence in again.sequences()]


def test_missing_fields_are_named(tmp_path, scene):
    message = scene.message()
    (tmp_path / "cup_train-00000-of-00001").write_bytes(
        framed(example(message, leave_out=("point_3d",)))
        + framed(b"\xff\xff\xff\xff")
        + framed(example(message, "batch-1/1", leave_out=("plane/center", "image/timestamp")))
    )
    reader = open_reader(tmp_path)
    (sequence,) = reader.sequences()
    assert sequence.flags == ("plane_missing",)
    assert sequence.fps == 0.0
    reasons = [skipped.reason for skipped in reader.report.skipped]
    assert "lacks the fields point_3d" in reasons[0]
    assert "no SequenceExample" in reasons[1]
    assert json.loads(json.dumps(reader.report.as_dict()))["read"] == 1


def test_checksums_keep_up_with_a_disk():
    data = np.random.default_rng(0).bytes(8 << 20)
    start = time.perf_counter()
    crc32c(data)
    assert time.perf_counter() - start < 2.0
