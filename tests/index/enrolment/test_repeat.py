"""Enrolling the very same view again is harmless: who lost an answer can repeat the call."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from index.build import build_index
from index.enrolment import NewView, enrol
from index.store.database import reading
from index.store.enrolled import last_change
from training.errors import EnrolmentError, ViewExistsError


@pytest.fixture
def new_view(encoder) -> NewView:
    vectors = {name: rows[0] for name, rows in encoder.encode(np.zeros((1, 16, 16, 3))).items()}
    jpeg = cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))[1].tobytes()
    return NewView(
        dataset="workshop",
        instance="drill-7",
        category="drill",
        sequence="photo",
        image_reference="sha256:0123456789abcdef",
        bbox_xyxy=np.array([0.0, 0.0, 8.0, 8.0]),
        image_width=8,
        image_height=8,
        vectors=vectors,
        thumbnail=jpeg,
    )


@pytest.fixture
def enrolled(any_home, painted, encoder, new_view):
    """``enrolled(*views)`` enrols into an index; their ids and the newest change."""
    build_index(any_home, "things", [(painted, "manifest")], encoder)

    def run(*views: NewView) -> tuple[list[int], int]:
        stored = enrol(any_home, "things", encoder.identity, views)
        with reading(any_home) as connection:
            return [view.id for view in stored], last_change(connection)

    return run


def test_the_same_view_again_changes_nothing(enrolled, new_view):
    assert enrolled(new_view) == enrolled(new_view)


def test_a_batch_that_was_there_in_part_is_completed(enrolled, new_view):
    (first,), change = enrolled(new_view)
    other = replace(new_view, frame=1)
    ids, later = enrolled(other, new_view)
    assert ids[1] == first
    assert later == change + 1
    assert enrolled(other, new_view) == (ids, later)


@pytest.mark.parametrize(
    "change", [{"category": "saw"}, {"image_reference": "sha256:f"}, {"time_s": 1.0}], ids=str
)
def test_another_view_of_that_identity_is_refused_and_none_enrolled(enrolled, new_view, change):
    _, before = enrolled(new_view)
    with pytest.raises(ViewExistsError, match="there already") as refused:
        enrolled(replace(new_view, frame=9), replace(new_view, **change))
    assert refused.value.position == 1
    assert enrolled(new_view)[1] == before


def test_one_view_twice_in_a_batch_is_refused(enrolled, new_view):
    with pytest.raises(ViewExistsError, match="given twice") as refused:
        enrolled(new_view, replace(new_view, frame=1), new_view)
    assert refused.value.position == 2


def test_another_split_is_named_by_its_position(enrolled, new_view):
    with pytest.raises(EnrolmentError, match="has the split 'enrolled'") as refused:
        enrolled(new_view, replace(new_view, frame=1, split="test"))
    assert refused.value.position == 1
