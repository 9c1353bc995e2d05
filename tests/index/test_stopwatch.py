"""Where time went: stages add up, also over threads and where the work fails."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np
import pytest

from index.answers import PoseQuery, answer_action, answer_pose, answer_reid
from index.build import BuildResult
from index.gallery import Gallery
from index.home import Home
from index.stopwatch import Stopwatch

SECONDS = 0.02


def test_spells_of_one_stage_add_up() -> None:
    watch = Stopwatch("disk")
    for _ in range(2):
        with watch.stage("fit"):
            time.sleep(SECONDS)
    watch.add("fit", 10.0)
    assert watch.seconds["disk"] == 0.0
    assert 10.0 + 2 * SECONDS <= watch.seconds["fit"] <= 10.0 + watch.total


def test_work_that_fails_counts_too() -> None:
    watch = Stopwatch()
    with pytest.raises(KeyError), watch.stage("fetch"):
        raise KeyError
    assert watch.seconds.keys() == {"fetch"}


def test_threads_lose_nothing() -> None:
    watch = Stopwatch()

    def work() -> None:
        for _ in range(1000):
            watch.add("search", 1.0)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert watch.seconds == {"search": 8000.0}


def test_each_answer_names_its_stages(build: Callable[..., BuildResult], home: Home) -> None:
    build()
    gallery = Gallery.open(home, "things")
    vector = np.zeros(24, np.float32)
    vector[0] = 1.0
    asked = {}
    watch = asked["pose"] = Stopwatch()
    answer_pose(gallery, vector, PoseQuery(np.array([1.0, 1.0, 30.0, 30.0]), (64, 48)), watch=watch)
    watch = asked["reid"] = Stopwatch()
    answer_reid(gallery, vector[:8], watch=watch)
    watch = asked["action"] = Stopwatch()
    answer_action(gallery, vector[None], watch=watch)
    assert {name: set(watch.seconds) for name, watch in asked.items()} == {
        "pose": {"search", "fetch", "fit"},
        "reid": {"search", "fetch"},
        "action": {"search", "fetch"},
    }
    for watch in asked.values():
        assert 0 < sum(watch.seconds.values()) <= watch.total
