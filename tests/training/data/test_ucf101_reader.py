"""UCF101 as its users have it on disk: folders, lists, and the traps of its names."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import numpy as np
import pytest

from training.data.crop import crop_view
from training.data.images import load_views
from training.data.pairs import PairSampler
from training.data.readers import open_reader
from training.data.readers.ucf101 import centre_square
from training.data.readers.ucf101_lists import CLASSES, CLIPS, FOLD_SIZES
from training.errors import DataError

WriteVideo = Callable[..., Path]
CLASS_INDEX = "1 ApplyEyeMakeup\r\n37 HandstandPushups\r\n101 YoYo\r\n"
TRAIN = (
    "ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi 1",
    "HandstandPushups/v_HandStandPushups_g08_c01.avi 37",
    "HandstandPushups/v_HandStandPushups_g08_c02.avi 37",
)
TEST = (
    "ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi",
    "HandstandPushups/v_HandStandPushups_g01_c01.avi",
)


def write_lists(
    folder: Path, train: Iterable[str] = TRAIN, test: Iterable[str] = TEST, fold: int = 1
) -> None:
    """The lists as published, with Windows' line ends."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "classInd.txt").write_bytes(CLASS_INDEX.encode())
    (folder / f"trainlist0{fold}.txt").write_bytes("\r\n".join([*train, ""]).encode())
    (folder / f"testlist0{fold}.txt").write_bytes("\r\n".join([*test, ""]).encode())


@pytest.fixture
def ucf101(tmp_path: Path, write_video: WriteVideo) -> Path:
    """Five clips of two classes with the lists of folds 1 and 2, laid out as published."""
    for line in (*TRAIN, *TEST):
        write_video(tmp_path / "UCF-101" / line.split()[0], 10, 64, 48, fps=25.0)
    write_lists(tmp_path / "ucfTrainTestlist")
    write_lists(tmp_path / "ucfTrainTestlist", [f"{line} 1" for line in TEST[:1]], TEST[1:], fold=2)
    return tmp_path


def notes(reader) -> str:
    return " ".join(reader.report.notes)


def test_the_published_layout(ucf101: Path) -> None:
    reader = open_reader(ucf101)
    found = list(reader.sequences())
    assert reader.kind == reader.dataset == "ucf101"
    assert [(sequence.id, sequence.split) for sequence in found] == [
        ("ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01", "test"),
        ("ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01", "train"),
        ("HandstandPushups/v_HandStandPushups_g01_c01", "test"),
        ("HandstandPushups/v_HandStandPushups_g08_c01", "train"),
        ("HandstandPushups/v_HandStandPushups_g08_c02", "train"),
    ]
    assert all(not sequence.flags for sequence in found)
    last = found[-1]
    assert (last.fps, len(last.views)) == (25.0, 10)
    view = last.views[5]
    assert (view.category, view.instance) == ("HandstandPushups", "HandstandPushups/g08")
    assert view.time_s == pytest.approx(0.2)
    assert view.bbox_xyxy.tolist() == [-0.5, -0.5, 63.5, 47.5]
    assert view.attributes == {"group": 8.0, "clip": 2.0, "class_number": 37.0}
    assert len({sequence.views[0].instance for sequence in found}) == 4
    (_, image), *_ = load_views([view])
    assert abs(int(image[40, 40].mean()) - 50) < 6  # frame 5 of write_video
    assert not reader.report.skipped


def test_the_counts_of_the_full_distribution_are_compared(ucf101: Path) -> None:
    reader = open_reader(ucf101)
    list(reader.sequences())
    told = notes(reader)
    assert "5 clips of 2 classes found; the full distribution has 13320 of 101." in told
    assert "trainlist01.txt names 3 clips; the official list names 9537." in told
    assert "testlist01.txt names 2 clips; the official list names 3783." in told
    assert "classInd.txt names 3 classes" in told


def test_every_fold_parts_the_whole() -> None:
    assert {sum(sizes) for sizes in FOLD_SIZES.values()} == {CLIPS}
    assert CLASSES == 101


def test_splits_are_those_of_the_fold(ucf101: Path) -> None:
    reader = open_reader(ucf101, fold=2)
    splits = {sequence.id.split("_", 1)[1]: sequence.split for sequence in reader.sequences()}
    assert splits == {
        "ApplyEyeMakeup_g01_c01": "train",
        "HandStandPushups_g01_c01": "test",
        "ApplyEyeMakeup_g08_c01": "unlisted",
        "HandStandPushups_g08_c01": "unlisted",
        "HandStandPushups_g08_c02": "unlisted",
    }
    assert "3 clips are in neither list of fold 2" in notes(reader)
    with pytest.raises(DataError, match=r"trainlist03\.txt"):
        list(open_reader(ucf101, fold=3).sequences())
    with pytest.raises(DataError, match="fold is 4"):
        open_reader(ucf101, fold=4)


@pytest.mark.parametrize(
    "place",
    [
        "ucfTrainTestlist",
        "UCF101TrainTestSplits-RecognitionTask/ucfTrainTestlist",
        "annotations",
        ".",
    ],
)
@pytest.mark.parametrize("videos", [".", "UCF-101", "videos"])
def test_lists_lie_where_people_put_them(
    tmp_path: Path, write_video: WriteVideo, place: str, videos: str
) -> None:
    write_video(tmp_path / videos / "HandstandPushups" / "v_HandStandPushups_g08_c01.avi", 2)
    write_lists(tmp_path / place)
    (sequence,) = open_reader(tmp_path).sequences("train")
    assert sequence.views[0].category == "HandstandPushups"


def test_the_video_folder_itself_may_be_the_root(ucf101: Path) -> None:
    reader = open_reader(ucf101 / "UCF-101")
    assert reader.kind == "ucf101"
    assert len(list(reader.sequences("test"))) == 2


def test_without_lists_there_are_no_splits(tmp_path: Path, write_video: WriteVideo) -> None:
    write_video(tmp_path / "YoYo" / "v_YoYo_g01_c01.avi", 2)
    reader = open_reader(tmp_path)
    (sequence,) = reader.sequences()
    assert sequence.split == "all"
    assert sequence.views[0].attributes == {"group": 1.0, "clip": 1.0}
    assert "No split lists were found" in notes(reader)


def test_a_folder_spelled_as_its_clips_has_the_official_class(
    tmp_path: Path, write_video: WriteVideo
) -> None:
    """Some mirrors rename the folder HandStandPushups; the lists and classInd do not."""
    write_video(tmp_path / "HandStandPushups" / "v_HandStandPushups_g08_c01.avi", 2)
    write_lists(tmp_path / "ucfTrainTestlist")
    (sequence,) = open_reader(tmp_path).sequences("train")
    assert sequence.views[0].category == "HandstandPushups"
    assert sequence.flags == ()


def test_what_is_wrong_is_told_and_costs_no_more_than_itself(
    ucf101: Path, write_video: WriteVideo
) -> None:
    clips = ucf101 / "UCF-101"
    write_video(clips / "YoYo" / "holiday.avi", 2)
    write_video(clips / "YoYo" / "v_Archery_g03_c01.avi", 2)
    (clips / "YoYo" / "v_YoYo_g02_c01.avi").write_bytes(b"RIFF....cut")
    (clips / TEST[0]).rename(clips / "gone.txt")
    write_video(clips / TRAIN[0].split()[0].replace(".avi", ".mp4"), 2)
    reader = open_reader(ucf101)
    found = {sequence.id: sequence for sequence in reader.sequences()}
    assert found["YoYo/v_Archery_g03_c01"].flags == ("class_unlike_folder",)
    assert found["YoYo/v_Archery_g03_c01"].views[0].category == "YoYo"
    skipped = {entry.sequence: entry.reason for entry in reader.report.skipped}
    assert set(skipped) == {
        "UCF-101/YoYo/holiday.avi",
        "UCF-101/ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.mp4",
        "YoYo/v_YoYo_g02_c01",
    }
    assert "does not open as a video" in skipped["YoYo/v_YoYo_g02_c01"]
    assert "Fold 1: 1 of the 2 test clips are here." in notes(reader)


def test_groups_that_a_list_parts_are_named(tmp_path: Path, write_video: WriteVideo) -> None:
    """A random split by clip puts one source video on both sides."""
    names = [f"YoYo/v_YoYo_g01_c0{number}.avi" for number in (1, 2)]
    for name in names:
        write_video(tmp_path / "UCF-101" / name, 2)
    write_lists(tmp_path / "ucfTrainTestlist", [f"{names[0]} 101"], names[1:])
    reader = open_reader(tmp_path)
    list(reader.sequences())
    assert "1 groups are parted between splits" in notes(reader)
    assert "YoYo/g01" in notes(reader)


def test_labels_that_count_from_0_are_noticed(ucf101: Path) -> None:
    lines = [f"{line.split()[0]} {int(line.split()[1]) - 1}" for line in TRAIN]
    write_lists(ucf101 / "ucfTrainTestlist", lines)
    reader = open_reader(ucf101)
    assert next(reader.sequences("train")).views[0].category == "ApplyEyeMakeup"
    assert "3 labels of trainlist01.txt are not the number of their folder" in notes(reader)


def test_frames_are_thinned_by_fps_and_pair_200_ms_apart(ucf101: Path) -> None:
    reader = open_reader(ucf101, fps=5)
    sequences = list(reader.sequences("train"))
    assert [view.frame for view in sequences[0].views] == [0, 5]
    sampler = PairSampler(sequences, "nearby")
    assert sorted(map(tuple, sampler.pairs(0).tolist())) == [(0, 1), (2, 3), (4, 5)]


def test_the_whole_frame_is_letterboxed_and_the_centre_square_fills_the_crop() -> None:
    image = np.full((240, 320, 3), 200, np.uint8)
    whole = crop_view(image, [-0.5, -0.5, 319.5, 239.5], 112)
    assert (whole[14:98] == 200).all()  # 320 : 240 is 112 : 84
    assert not whole[:14].any()
    assert not whole[98:].any()
    box = centre_square(320, 240)
    assert box.tolist() == [39.5, -0.5, 279.5, 239.5]
    assert (crop_view(image, box, 112) == 200).all()


def test_views_may_be_the_centre_square(ucf101: Path) -> None:
    reader = open_reader(ucf101, view="square")
    assert next(reader.sequences()).views[0].bbox_xyxy.tolist() == [7.5, -0.5, 55.5, 47.5]
    with pytest.raises(DataError, match="view is 'round'"):
        open_reader(ucf101, view="round")


def write_frames(folder: Path, count: int) -> None:
    folder.mkdir(parents=True)
    for frame in range(count):
        picture = np.full((112, 112, 3), 20 * frame, np.uint8)
        cv2.imwrite(str(folder / f"frame_{frame:06d}.jpg"), picture)


def test_frames_extracted_by_the_released_code(tmp_path: Path) -> None:
    write_frames(tmp_path / "split-1/train/class-37/group-8/seq-1", 10)
    write_frames(tmp_path / "split-1/test/class-1/group-1/seq-2", 4)
    write_frames(tmp_path / "split-2/train/class-1/group-1/seq-2", 4)
    reader = open_reader(tmp_path, fps=5)
    found = {sequence.split: sequence for sequence in reader.sequences()}
    assert reader.kind == "ucf101"
    assert found["train"].id == "class-37/v_class-37_g08_c01"
    write_lists(tmp_path / "ucfTrainTestlist")
    found = {sequence.split: sequence for sequence in open_reader(tmp_path, fps=5).sequences()}
    assert found["train"].id == "HandstandPushups/v_HandstandPushups_g08_c01"
    assert found["test"].views[0].instance == "ApplyEyeMakeup/g01"
    assert [view.frame for view in found["train"].views] == [0, 5]  # 25 frames a second
    assert abs(int(found["train"].views[1].image.load().mean()) - 100) < 4
    (other,) = open_reader(tmp_path, fold=2).sequences()
    assert (other.split, len(other.views)) == ("train", 4)


def test_a_real_clip(shared_data: Callable[[str], Path], tmp_path: Path) -> None:
    """One of UCF101's own clips, put where the distribution has it."""
    source = shared_data("videos/dev/ucf101_v_Basketball_g01_c01.avi")
    clip = tmp_path / "UCF-101" / "Basketball" / "v_Basketball_g01_c01.avi"
    clip.parent.mkdir(parents=True)
    clip.symlink_to(source.resolve())
    reader = open_reader(tmp_path, fps=5, verify=True)
    (sequence,) = reader.sequences()
    assert reader.kind == "ucf101"
    assert sequence.flags == ()
    assert sequence.fps == pytest.approx(29.97, abs=0.01)
    assert len(sequence.views) == 24  # 141 frames, every sixth
    assert sequence.views[0].bbox_xyxy.tolist() == [-0.5, -0.5, 319.5, 239.5]
    images = [image for _, image in load_views(sequence.views)]
    assert {image.shape for image in images} == {(240, 320, 3)}
    assert images[0].std() > 20
