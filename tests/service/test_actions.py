"""/actions/search over a socket: answers, refusals, and a small look-alike of UCF101 end to end."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest

from index.build import build_index
from index.home import Home
from service.client import Client, ProblemError
from service.clips import clip_images
from tests.service.conftest import Live, Start, assert_problem, make_query
from training.data.readers import open_reader
from training.encoder import Encoder
from training.errors import DataError

ROUTE = "/actions/search"


def ask(live: Live, images: list[bytes], request: object | None = None) -> httpx.Response:
    files = [("image", (f"{number}.jpg", image)) for number, image in enumerate(images)]
    data = {} if request is None else {"request": json.dumps(request)}
    return live.client.post(ROUTE, files=files, data=data)


FRAMES = [make_query("cup", 0.2 * frame + 0.05) for frame in range(5)]
BOXES = [frame.request["bbox"] for frame in FRAMES]


@pytest.fixture
def clip() -> list[bytes]:
    """Five images of a cup that turns; BOXES are round the cup."""
    return [frame.jpeg for frame in FRAMES]


def test_a_clip_of_a_cup_is_a_cup(live: Live, clip: list[bytes]) -> None:
    answer = ask(live, clip, {"k": 4, "bboxes": BOXES}).json()
    assert (answer["category"], answer["head"], answer["note"]) == ("cup", "pose", None)
    assert answer["reason"] is None
    assert 0.5 < answer["share"] <= 1.0
    assert answer["share"] == answer["actions"][0]["share"]
    assert sum(action["share"] for action in answer["actions"]) == pytest.approx(1.0)
    assert len(answer["frames"]) == 5
    assert all(len(frame["neighbours"]) == 4 for frame in answer["frames"])
    assert [frame["bbox"] for frame in answer["frames"]] == BOXES
    nearest = answer["clips"][0]
    assert nearest["category"] == "cup"
    assert nearest["similarity"] <= 1.0
    assert answer["timings_ms"] is None
    assert answer["assumptions"] == []


def test_frames_alone_and_together_agree_with_the_vote(live: Live, clip: list[bytes]) -> None:
    """The clip's shares are the mean of what its images say one by one."""
    together = {a["category"]: a["share"] for a in ask(live, clip).json()["actions"]}
    alone: dict[str, float] = dict.fromkeys(together, 0.0)
    for image in clip:
        answer = ask(live, [image]).json()
        assert "One image was given" in answer["assumptions"][1]
        for action in answer["actions"]:
            alone[action["category"]] += action["share"] / len(clip)
    assert together == pytest.approx(alone, abs=1e-4)


def test_the_encoder_is_called_once(
    live: Live, clip: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    encode = Encoder.encode

    def counted(self: Encoder, crops: np.ndarray, *more: object) -> dict[str, np.ndarray]:
        calls.append(len(crops))
        return encode(self, crops, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(Encoder, "encode", counted)
    assert ask(live, clip).status_code == 200
    assert calls == [5]


def test_crops_for_all_or_one_each(live: Live, clip: list[bytes]) -> None:
    bbox = BOXES[0]
    one = ask(live, clip, {"bboxes": [bbox]}).json()
    each = ask(live, clip, {"bboxes": [bbox] * 5}).json()
    assert one["frames"] == each["frames"]
    assert one["frames"][3]["bbox"] == bbox
    whole = ask(live, clip).json()
    assert whole["frames"][0]["bbox"] == [-0.5, -0.5, 319.5, 239.5]
    assert "the whole images were taken" in whole["assumptions"][0]
    problem = assert_problem(ask(live, clip, {"bboxes": [bbox] * 2}), 422, "invalid-request")
    assert "2 bboxes for 5 images" in str(problem["detail"])


def test_filters_apply_and_nothing_left_is_said(live: Live, clip: list[bytes]) -> None:
    books = ask(live, clip, {"filters": {"category": "book"}}).json()
    assert books["category"] == "book"
    assert books["share"] == pytest.approx(1.0)
    nothing = ask(live, clip, {"filters": {"category": "boat"}}).json()
    assert (nothing["category"], nothing["share"], nothing["actions"]) == (None, 0.0, [])
    assert nothing["reason"] == "No view of the index passes the filters."
    assert [frame["category"] for frame in nothing["frames"]] == [None] * 5


@pytest.mark.parametrize(
    "request_part",
    [
        {"bboxes": []},
        {"bboxes": [[5, 5, 4, 9]]},
        {"bboxes": [1, 2, 3, 4]},
        {"bbox": [1, 2, 30, 40]},
        {"k": 0},
        {"k": 201},
        {"filters": {"colour": "red"}},
        {"camera": {}},
        [],
    ],
    ids=str,
)
def test_wrong_requests(live: Live, clip: list[bytes], request_part: object) -> None:
    assert_problem(ask(live, clip, request_part), 422, "invalid-request")


def test_the_refused_image_is_named(live: Live, clip: list[bytes]) -> None:
    cut = [*clip[:2], clip[2][:500], *clip[3:]]
    problem = assert_problem(ask(live, cut), 422, "broken-image")
    assert str(problem["detail"]).startswith("Image 3 of 5: ")
    problem = assert_problem(ask(live, [clip[0], b"GIF89a"]), 415, "unsupported-image")
    assert "Image 2 of 2" in str(problem["detail"])


def test_wrong_forms(live: Live, clip: list[bytes]) -> None:
    image = ("q.jpg", clip[0])
    assert_problem(live.client.post(ROUTE, json={}), 415, "not-multipart")
    assert_problem(live.client.post(ROUTE, files={"video": image}), 422, "invalid-request")
    twice = [("image", image), ("request", ("r", b"{}")), ("request", ("r", b"{}"))]
    assert_problem(live.client.post(ROUTE, files=twice), 422, "invalid-request")
    only = {"request": (None, b"{}", "application/json")}
    assert_problem(live.client.post(ROUTE, files=only), 422, "invalid-request")
    text = live.client.post(ROUTE, data={"image": "text"}, files={"request": ("r", b"{}")})
    assert_problem(text, 422, "invalid-request")
    assert_problem(ask(live, clip, {"index": "nope"}), 404, "unknown-index")


def test_limits_hold_for_all_images_together(start: Start, home: Path, clip: list[bytes]) -> None:
    size = len(clip[0])
    few = start(home, max_frames=3)
    problem = assert_problem(ask(few, clip), 422, "invalid-request")
    assert "5 images, above the limit of 3" in str(problem["detail"])
    assert ask(few, clip[:3]).status_code == 200
    assert few.client.get("/version").json()["limits"]["max_frames"] == 3
    light = start(home, max_image_bytes=4 * size)
    assert_problem(ask(light, clip), 413, "image-too-large")
    assert ask(light, clip[:3]).status_code == 200
    small = start(home, max_image_pixels=2 * 320 * 240)
    problem = assert_problem(ask(small, clip), 413, "image-too-large")
    assert "384000 pixels together" in str(problem["detail"])
    assert ask(small, clip[:2]).status_code == 200


def test_the_client_asks_it(live: Live, clip: list[bytes], tmp_path: Path) -> None:
    path = tmp_path / "first.jpg"
    path.write_bytes(clip[0])
    with Client(live.url) as client:
        answer = client.search_actions([path, *clip[1:]], {"k": 2, "bboxes": BOXES})
        assert answer.category == "cup"
        assert answer.clips[0].view.category == "cup"
        with pytest.raises(ProblemError, match="k is 500"):
            client.search_actions(clip, {"k": 500})


def test_images_of_a_video_are_spread_over_it(tmp_path: Path) -> None:
    path = tmp_path / "grey.avi"
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, (32, 32))
    for frame in range(20):
        video.write(np.full((32, 32, 3), 10 * frame, np.uint8))
    video.release()

    def greys(count: int) -> list[int]:
        images = [np.frombuffer(jpeg, np.uint8) for jpeg in clip_images(path, count)]
        return [round(cv2.imdecode(data, cv2.IMREAD_COLOR).mean() / 10) for data in images]

    assert greys(4) == [2, 7, 12, 17]
    assert greys(1) == [10]
    assert greys(50) == list(range(20))
    with pytest.raises(DataError, match="0 of the 20 frames"):
        clip_images(path, 0)


CLASSES = {"Archery": (30, 60, 220), "Basketball": (200, 90, 30), "YoYo": (60, 200, 60)}


def film(path: Path, name: str, group: int, clip: int) -> None:
    """A shape of the class's colour moves in the class's way before its group's background."""
    path.parent.mkdir(parents=True, exist_ok=True)
    background = np.random.default_rng(group).integers(90, 150, (48, 64, 3), dtype=np.uint8)
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, (64, 48))
    for frame in range(25):
        picture = cv2.blur(background, (5, 5))
        along = 8 + 2 * frame - clip
        place = {
            "Archery": ((along, 16), (along + 22, 22)),
            "Basketball": ((24 - clip, along // 2), (44, along // 2 + 20)),
            "YoYo": ((28, 4), (34, 6 + abs(24 - 2 * frame))),
        }[name]
        cv2.rectangle(picture, *place, CLASSES[name], -1)
        video.write(picture)
    video.release()


@pytest.fixture(scope="module")
def look_alike(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """UCF101's folders and lists in small: 3 classes, groups 1 and 2 to test, 8 to 10 to train."""
    root = tmp_path_factory.mktemp("ucf101")
    lists: dict[str, list[str]] = {"train": [], "test": []}
    for number, name in enumerate(sorted(CLASSES), 1):
        for group in (1, 2, 8, 9, 10):
            for clip in (1, 2):
                place = f"{name}/v_{name}_g{group:02}_c{clip:02}.avi"
                film(root / "UCF-101" / place, name, group, clip)
                label = f" {number}" if group >= 8 else ""
                lists["train" if group >= 8 else "test"].append(place + label)
    folder = root / "ucfTrainTestlist"
    folder.mkdir()
    for split, lines in lists.items():
        (folder / f"{split}list01.txt").write_text("\r\n".join(lines) + "\r\n")
    classes = [f"{number} {name}\r\n" for number, name in enumerate(sorted(CLASSES), 1)]
    (folder / "classInd.txt").write_text("".join(classes))
    return root


def test_a_look_alike_of_ucf101_from_folder_to_answer(
    look_alike: Path, tiny_encoder: Path, start: Start, tmp_path: Path
) -> None:
    reader = open_reader(look_alike)
    home = Home.open(tmp_path, f"sqlite:///{tmp_path / 'posebank.sqlite'}")
    encoder = Encoder.load(tiny_encoder, threads=1)
    built = build_index(
        home, "ucf101", [reader], encoder, encoder_folder=tiny_encoder, split="train"
    )
    assert reader.kind == "ucf101"
    assert built.version
    with Client(start(tmp_path).url) as client:
        (index,) = client.indexes()
        assert (index.sequences, index.instances, index.views) == (18, 9, 90)
        assert index.categories == sorted(CLASSES)
        for name in CLASSES:
            for group in (1, 2):
                video = look_alike / "UCF-101" / name / f"v_{name}_g{group:02}_c01.avi"
                answer = client.search_actions(clip_images(video, 6))
                assert answer.category == name, (video.name, answer.actions)
                assert answer.actions[0].frames >= 4
                match = answer.clips[0]
                assert match.sequence.startswith(f"{name}/v_{name}_g")
                assert match.view.split == "train"
                assert match.view.instance == match.sequence.replace("v_" + name + "_", "")[:-4]
