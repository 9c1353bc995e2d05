"""Images and videos decode to RGB, and broken ones say so instead of turning grey."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from training.data import images as images_module
from training.data.images import (
    EmbeddedImage,
    FileImage,
    VideoFrame,
    decode_image,
    image_size,
    load_views,
)
from training.data.records import View
from training.data.video import VideoFile
from training.errors import DataError

BOX = np.array([0.0, 0.0, 10.0, 10.0])


def encoded(suffix: str, width: int = 40, height: int = 30) -> bytes:
    image = np.zeros((height, width, 3), np.uint8)
    image[:, : width // 2] = (0, 0, 255)  # OpenCV's order: red
    image[:, width // 2 :] = np.random.default_rng(0).integers(
        0, 256, (height, width - width // 2, 3)
    )
    return cv2.imencode(suffix, image)[1].tobytes()


def frames_of(path, frames, rotate=0):
    return [View(VideoFrame(path, i, f"v#{i}", rotate), BOX, "a", "c", frame=i) for i in frames]


def brightness(image) -> int:
    return round(float(image[80:, 60:].mean() - 10) / 8)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".webp", ".tiff"])
def test_formats_decode_to_rgb(suffix, tmp_path):
    image = decode_image(encoded(suffix))
    assert image.shape == (30, 40, 3)
    assert image[15, 5, 0] > 240
    assert image[15, 5, 2] < 15
    path = tmp_path / f"a{suffix}"
    path.write_bytes(encoded(suffix))
    assert image_size(path) == (40, 30)
    assert (FileImage(path, "a").load() == image).all()


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_cut_off_files_are_refused(suffix, share):
    data = encoded(suffix)
    with pytest.raises(DataError, match=r"cut off|cannot be decoded"):
        decode_image(data[: int(len(data) * share)])


@pytest.mark.parametrize("data", [b"", b"hello", b"\xff\xd8", b"\x89PNG\r\n\x1a\n"])
def test_other_bytes_are_refused(data):
    with pytest.raises(DataError) as error:
        decode_image(data)
    assert error.value.remedy


def test_a_cameras_orientation_mark_is_obeyed(tmp_path):
    plain = encoded(".jpg")
    # Exif with the one entry Orientation = 6: turn clockwise to view.
    tiff = b"MM\x00\x2a\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06" + bytes(6)
    exif = b"Exif\x00\x00" + tiff
    marked = plain[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + plain[2:]
    assert decode_image(marked).shape == (40, 30, 3)
    path = tmp_path / "a.jpg"
    path.write_bytes(marked)
    assert image_size(path) == (30, 40)


def test_a_film_after_the_photo_is_no_damage_and_a_preview_in_it_no_end():
    photo = encoded(".jpg")
    film = b"\xff\xd9 film \xff\xda and more \xff\xe1"
    assert decode_image(photo + film).shape == (30, 40, 3)
    preview = b"Exif\x00\x00" + encoded(".jpg", 8, 8)
    with_preview = photo[:2] + b"\xff\xe1" + (len(preview) + 2).to_bytes(2, "big") + preview
    assert decode_image(with_preview + photo[2:]).shape == (30, 40, 3)
    with pytest.raises(DataError, match="cut off"):
        decode_image(with_preview + photo[2:-40])


@pytest.mark.parametrize(
    "flag",
    [
        (cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
        (cv2.IMWRITE_JPEG_RST_INTERVAL, 2),
        (cv2.IMWRITE_JPEG_QUALITY, 100),
    ],
)
def test_kinds_of_jpeg_are_whole_until_cut(flag):
    noise = np.random.default_rng(2).integers(0, 256, (64, 80, 3), dtype=np.uint8)
    data = cv2.imencode(".jpg", noise, list(flag))[1].tobytes()
    assert decode_image(data).shape == (64, 80, 3)
    for cut in range(4, len(data) - 2, 97):
        with pytest.raises(DataError):
            decode_image(data[:cut])


def test_an_image_inside_another_file(tmp_path):
    path = tmp_path / "pack"
    data = encoded(".png")
    path.write_bytes(b"xyz" + data + b"rest")
    assert (EmbeddedImage(path, 3, len(data), "r").load() == decode_image(data)).all()


def test_frames_are_the_right_ones_when_skipping(tmp_path, write_video):
    path = write_video(tmp_path / "v.mp4", frames=30)
    wanted = [0, 1, 7, 7, 8, 20, 29]
    shown = [brightness(image) for _, image in load_views(frames_of(path, wanted))]
    assert shown == wanted


def test_each_video_is_opened_once_even_interleaved(tmp_path, write_video, monkeypatch):
    paths = [write_video(tmp_path / f"{name}.mp4", frames=6) for name in "ab"]
    opened = []

    class Counting(VideoFile):
        def __init__(self, path):
            opened.append(path.name)
            super().__init__(path)

    monkeypatch.setattr(images_module, "VideoFile", Counting)
    views = [
        view
        for pair in zip(frames_of(paths[0], range(6)), frames_of(paths[1], range(6)), strict=True)
        for view in pair
    ]
    assert len(list(load_views(views))) == 12
    assert opened == ["a.mp4", "b.mp4"]


def test_going_back_opens_again(tmp_path, write_video):
    path = write_video(tmp_path / "v.mp4")
    shown = [brightness(image) for _, image in load_views(frames_of(path, [5, 2, 2, 9]))]
    assert shown == [5, 2, 2, 9]


def test_one_frame_alone_and_turned(tmp_path, write_video):
    path = write_video(tmp_path / "v.mp4")
    upright = VideoFrame(path, 3, "v#3").load()
    assert brightness(upright) == 3
    for degrees, turns in ((90, -1), (180, 2), (270, 1)):
        assert (VideoFrame(path, 3, "v#3", degrees).load() == np.rot90(upright, turns)).all()


def test_past_the_end_is_an_error_or_handed_over(tmp_path, write_video):
    path = write_video(tmp_path / "v.mp4", frames=5)
    views = frames_of(path, [3, 9])
    with pytest.raises(DataError, match="ends after 5 frames; frame 9"):
        list(load_views(views))
    failed = []
    kept = list(load_views(views, on_error=lambda view, error: failed.append((view, error))))
    assert [view.frame for view, _ in kept] == [3]
    assert [view.frame for view, _ in failed] == [9]


def test_a_truncated_video_says_how_far_it_goes(shared_data, tmp_path):
    whole = (shared_data("videos/dev") / "ucf101_v_Basketball_g01_c01.avi").read_bytes()
    path = tmp_path / "cut.avi"
    path.write_bytes(whole[: len(whole) // 2])
    with VideoFile(path) as video:
        promised, there = video.frames, video.count_frames()
    assert there < promised or promised < 141
    with pytest.raises(DataError, match="ends after") as error:
        VideoFrame(path, 140, "r").load()
    assert error.value.remedy


def test_two_views_of_a_frame_that_cannot_be_decoded_fail_alone(tmp_path, write_video, monkeypatch):
    views = frames_of(write_video(tmp_path / "a.mp4", 4), [0, 1, 1, 2])
    retrieve = VideoFile._retrieve
    monkeypatch.setattr(
        VideoFile,
        "_retrieve",
        lambda self: None if self.position == 1 else retrieve(self),
    )
    failed = []
    read = [view.frame for view, _ in load_views(views, lambda view, error: failed.append(error))]
    assert read == [0, 2]
    assert ["cannot be decoded" in error.message for error in failed] == [True, True]


def test_no_video_at_all(tmp_path):
    with pytest.raises(DataError, match="no video"):
        VideoFile(tmp_path / "none.mp4")
    (tmp_path / "bad.mp4").write_bytes(b"bad" * 100)
    with pytest.raises(DataError, match="does not open"):
        VideoFile(tmp_path / "bad.mp4")


def test_a_real_objectron_video_is_portrait(shared_data):
    folder = shared_data("objectron/centerpose_demo")
    (path,) = folder.glob("*.mp4")
    with VideoFile(path) as video:
        assert (video.width, video.height, video.frames) == (600, 800, 125)
        assert video.fps == pytest.approx(30)
        assert video.frame(124).shape == (800, 600, 3)
