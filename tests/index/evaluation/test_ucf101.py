"""UCF101's retrieval: oracles, chance, and each of the three figures against its definition."""

from __future__ import annotations

import json
from collections.abc import Sequence as Texts
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from index.evaluation.cli import app
from index.evaluation.embeddings import EmbeddedViews
from index.evaluation.ucf101 import TOP_K, evaluate_ucf101
from index.evaluation.views import ViewTable, view_table
from tests.index.evaluation.conftest import NoImage
from training.data.records import Sequence, View

CLASSES = ("Archery", "Basketball", "YoYo", "Typing")


def clips(split: str, groups: range, frames: int = 6, classes: Texts[str] = CLASSES) -> ViewTable:
    """Two clips a group and class."""
    return view_table(
        Sequence(
            f"{name}/g{group}_c{clip}",
            "ucf101",
            split,
            5.0,
            tuple(
                View(
                    image=NoImage(f"{name}{group}{clip}#{frame}"),
                    bbox_xyxy=np.array([0.0, 0.0, 9.0, 9.0]),
                    instance=f"{name}/g{group}",
                    category=name,
                    frame=frame,
                )
                for frame in range(frames)
            ),
        )
        for name in classes
        for group in groups
        for clip in (1, 2)
    )


def embedded(table: ViewTable, vectors: np.ndarray) -> EmbeddedViews:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return EmbeddedViews(table, {"pose": (vectors / lengths).astype(np.float32)})


def by_class(table: ViewTable, noise: float, seed: int) -> EmbeddedViews:
    names = np.array(CLASSES)
    known = (table.category[:, None] == names).astype(np.float64)
    return embedded(table, known + np.random.default_rng(seed).normal(0, noise, known.shape))


def test_an_oracle_of_the_class_scores_one() -> None:
    result = evaluate_ucf101(
        by_class(clips("test", range(2)), 0.01, 0), by_class(clips("train", range(2, 9)), 0.01, 1),
        "pose",
    )  # fmt: skip
    for row in (result.frame_top_k, result.video_top_k, result.video_vote_top_k):
        assert row == {"1": 1.0, "5": 1.0, "10": 1.0, "20": 1.0}
    assert result.video_top_1_by_category == {**dict.fromkeys(CLASSES, 1.0), "mean": 1.0}
    assert (result.n_query_frames, result.n_query_videos) == (96, 16)
    assert (result.n_gallery_frames, result.n_gallery_videos) == (336, 56)
    assert result.groups_in_both == result.n_queries_without_class == 0


def test_noise_scores_chance_and_more_neighbours_hit_more_often() -> None:
    rng = np.random.default_rng(2)
    asked, known = clips("test", range(20)), clips("train", range(20, 40))
    result = evaluate_ucf101(
        embedded(asked, rng.normal(size=(len(asked), 32))),
        embedded(known, rng.normal(size=(len(known), 32))),
        "pose",
    )
    for row in (result.frame_top_k, result.video_top_k):
        assert row["1"] == pytest.approx(0.25, abs=0.08)
        assert row["5"] == pytest.approx(1 - 0.75**5, abs=0.08)
        assert list(row.values()) == sorted(row.values())
    assert result.video_vote_top_k["1"] == pytest.approx(0.25, abs=0.1)
    assert result.video_vote_top_k["5"] == 1.0  # of four classes


def test_a_collapsed_encoder_scores_chance_whatever_the_order() -> None:
    asked, known = clips("test", range(3)), clips("train", range(3, 6))
    result = evaluate_ucf101(
        embedded(asked, np.ones((len(asked), 4))), embedded(known, np.ones((len(known), 4))), "pose"
    )
    assert result.frame_top_k["1"] == pytest.approx(0.25)
    assert result.video_top_k["1"] == pytest.approx(0.25)


def test_frames_and_videos_are_counted_apart() -> None:
    """One frame of three looks like another class: a third of the frames err, and no video."""
    asked, known = clips("test", range(1), 3), clips("train", range(1, 30), 3)
    vectors = (asked.category[:, None] == np.array(CLASSES)).astype(float)
    wrong = asked.frame == 1
    vectors[wrong] = np.roll(vectors[wrong], 1, axis=1)
    result = evaluate_ucf101(embedded(asked, vectors), by_class(known, 0.001, 3), "pose")
    assert result.frame_top_k == pytest.approx(dict.fromkeys(map(str, TOP_K), 2 / 3))
    assert set(result.video_top_k.values()) == {1.0}
    assert result.video_vote_top_k["1"] == 1.0


def test_the_figures_against_loops() -> None:
    asked, known = (
        by_class(clips("test", range(3)), 0.8, 4),
        by_class(clips("train", range(3, 9)), 0.8, 5),
    )
    result = evaluate_ucf101(asked, known, "pose")
    query, gallery = asked.vectors["pose"], known.vectors["pose"]
    for k in TOP_K:
        hits = [
            category in known.table.category[np.argsort(-(gallery @ vector))[:k]]
            for vector, category in zip(query, asked.table.category, strict=True)
        ]
        assert result.frame_top_k[str(k)] == pytest.approx(np.mean(hits))

    def mean_of(views: EmbeddedViews, name: str) -> np.ndarray:
        mean = views.vectors["pose"][views.table.sequence == name].mean(axis=0)
        return mean / np.linalg.norm(mean)

    videos = sorted(set(known.table.sequence))
    means = np.stack([mean_of(known, name) for name in videos])
    right = {k: [] for k in TOP_K}
    voted = []
    for name in sorted(set(asked.table.sequence)):
        order = np.argsort(-(means @ mean_of(asked, name)))
        for k in TOP_K:
            right[k].append(name.split("/")[0] in {videos[i].split("/")[0] for i in order[:k]})
        votes = dict.fromkeys(CLASSES, 0.0)
        for vector in query[asked.table.sequence == name]:
            similarity = gallery @ vector
            nearest = np.argsort(-similarity)[:10]
            total = np.exp(similarity[nearest] / 0.07).sum()
            for i in nearest:
                votes[known.table.category[i]] += np.exp(similarity[i] / 0.07) / total
        voted.append(max(votes, key=votes.__getitem__) == name.split("/")[0])
    assert result.video_top_k == pytest.approx({str(k): np.mean(right[k]) for k in TOP_K})
    assert 0.3 < np.mean(voted) < 1.0
    assert result.video_vote_top_k["1"] == pytest.approx(np.mean(voted))


def test_what_spoils_a_figure_is_counted() -> None:
    asked = by_class(clips("test", range(3)), 0.1, 6)
    known = by_class(clips("train", range(2, 6), classes=CLASSES[:3]), 0.1, 7)
    result = evaluate_ucf101(asked, known, "pose")
    assert result.groups_in_both == 3
    assert result.n_queries_without_class == 6
    assert result.video_top_1_by_category["Typing"] == 0.0
    assert result.video_vote_top_k["20"] == 0.75


def test_max_queries_draws_whole_videos() -> None:
    asked = by_class(clips("test", range(3)), 0.1, 8)
    known = by_class(clips("train", range(3, 6)), 0.1, 9)
    result = evaluate_ucf101(asked, known, "pose", max_queries=5, seed=1)
    assert (result.n_query_videos, result.n_query_frames) == (5, 30)


@pytest.fixture
def look_alike(tmp_path: Path) -> Path:
    """Three classes of moving shapes, groups 1 and 2 to test, 8 and 9 to train; no UCF101."""
    lists: dict[str, list[str]] = {"train": [], "test": []}
    for number, name in enumerate(("Archery", "Basketball", "YoYo"), 1):
        for group in (1, 2, 8, 9):
            clip = f"{name}/v_{name}_g{group:02}_c01.avi"
            path = tmp_path / "UCF-101" / clip
            path.parent.mkdir(parents=True, exist_ok=True)
            video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, (64, 48))
            for frame in range(15):
                picture = np.full((48, 64, 3), 10 * group, np.uint8)
                colour = [0, 0, 0]
                colour[number - 1] = 255
                cv2.circle(picture, (8 + 3 * frame, 24), 10, colour, -1)
                video.write(picture)
            video.release()
            lists["test" if group < 8 else "train"].append(clip + f" {number}" * (group >= 8))
    folder = tmp_path / "ucfTrainTestlist"
    folder.mkdir()
    for split, lines in lists.items():
        (folder / f"{split}list01.txt").write_text("\r\n".join(lines))
    return tmp_path


def invoke(root: Path, *options: str) -> str:
    command = ["ucf101", "--root", str(root), "--encoder", "baseline:pixels16", *options]
    result = CliRunner().invoke(app, command, catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_the_command_reads_the_folder_and_its_lists(look_alike: Path) -> None:
    figures: dict[str, Any] = json.loads(invoke(look_alike, "--json").splitlines()[-1])
    assert figures["protocol"] == "ucf101"
    assert figures["video_top_k"]["1"] == figures["video_vote_top_k"]["1"] == 1.0
    assert figures["n_query_frames"] == 6 * 3  # every fifth of 15
    assert figures["dataset"]["views"] == {"test": 18, "train": 18}
    assert (figures["dataset"]["kind"], figures["dataset"]["fold"]) == ("ucf101", 1)
    assert figures["encoder"]["heads_used"] == {"pose": "pose"}
    assert any("12 clips of 3 classes" in note for note in figures["dataset"]["notes"])


def test_the_table_stands_beside_the_paper_and_says_how_it_differs(look_alike: Path) -> None:
    shown = invoke(look_alike)
    assert max(map(len, shown.splitlines())) <= 80
    text = " ".join(shown.split())
    for row in ("a frame, among frames", "a video, among videos", "a video, by vote"):
        assert row in text
    assert "paper: Nearby frame pairs │ 0.414 │ 0.573 │ 0.621 │ 0.662" in text
    assert "18 frames of 6 videos ask 18 frames of 6 videos." in text
    assert "does not say whether a query is a frame or a video" in text


def test_a_report_has_the_table_neighbours_and_maps(look_alike: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra: report)")
    invoke(look_alike, "--report", str(tmp_path / "report"))
    page = (tmp_path / "report" / "index.html").read_text("utf-8")
    for text in ("a video, among videos", 'id="neighbours"', 'id="maps"', "Archery"):
        assert text in page
