"""What is enrolled is there: after a kill, in other processes, in every search; or not at all."""

from __future__ import annotations

import signal
import time

import numpy as np
import pytest
import sqlalchemy as sa

from index.build import build_index
from index.enrolment import enrol, erase_views, list_views
from index.filters import Filters
from index.search import Catalog, Gallery
from index.store.database import reading
from index.store.tables import changes, enrolled_vectors, sequences, views
from training.data.records import Box9, Camera
from training.errors import EnrolmentError, GalleryError, ViewExistsError


def found_first(gallery: Gallery, view, head: str = "pose"):
    return gallery.search(view.vectors[head], head, k=1)[0][0]


def test_an_enrolled_view_comes_back_as_it_was_given(any_home, painted, encoder, new_view):
    build_index(any_home, "things", [(painted, None)], encoder)
    box = Box9(np.eye(3), np.array([0.1, 0.2, 1.5]), np.array([0.3, 0.2, 0.1]))
    camera = Camera(50.0, 51.0, 31.5, 23.5, 64, 48)
    new = new_view(1, box9=box, camera=camera, frame=7, time_s=0.5, attributes={"turn": 3.0})
    (stored,) = enrol(any_home, "things", encoder.identity, [new])
    assert (stored.dataset, stored.sequence, stored.instance) == ("workshop", "shot1", "drill1")
    assert (stored.split, stored.frame, stored.time_s) == ("enrolled", 7, 0.5)
    np.testing.assert_array_equal(stored.box9.translation, box.translation)
    assert (stored.camera, stored.attributes) == (camera, {"turn": 3.0})
    for head in ("pose", "identity"):
        gallery = Gallery.open(any_home, "things")
        nearest = found_first(gallery, new, head)
        assert nearest.view_id == stored.id
        assert nearest.similarity == pytest.approx(1.0, abs=1e-6)
    assert gallery.thumbnail(stored.id) == new.thumbnail
    assert gallery.size == 31
    assert gallery.counts().instances == 4
    assert gallery.values("dataset") == ("things", "workshop")


def test_a_kill_right_after_the_acknowledgement_loses_nothing(any_home, painted, encoder, act):
    build_index(any_home, "things", [(painted, None)], encoder)
    acknowledged = set()
    for first, delay in ((0, 0.0), (1000, 0.013), (2000, 0.05)):
        with act(any_home, "enrol", first) as child:
            acknowledged.add(int(child.stdout.readline()))
            time.sleep(delay)
            child.kill()
            acknowledged |= {int(line) for line in child.stdout if line.endswith("\n")}
            assert child.wait(30) == -signal.SIGKILL
    gallery = Gallery.open(any_home, "things")
    there = {int(name.removeprefix("drill")) for name in gallery.values("instance", DRILLS)}
    assert there >= acknowledged
    assert len(there - acknowledged) <= 3  # committed, and killed before it could say so
    assert gallery.size == 30 + len(there)


DRILLS = Filters(category="drill")


def test_two_processes_see_each_other_after_one_look(any_home, painted, encoder, new_view, act):
    build_index(any_home, "things", [(painted, None)], encoder)
    catalog = Catalog(any_home)
    gallery = catalog.get("things")
    with act(any_home, "enrol", 0) as child:
        for _ in range(3):
            last = int(child.stdout.readline())
            catalog.refresh()
            assert catalog.get("things") is gallery
            assert f"drill{last}" in gallery.values("instance")
        child.kill()
    (mine,) = enrol(any_home, "things", encoder.identity, [new_view(5000)])
    catalog.follow()
    assert found_first(gallery, new_view(5000)).view_id == mine.id
    erase_views(any_home, [mine.id])
    catalog.follow()
    assert mine.instance not in gallery.values("instance")


def test_all_of_a_batch_is_enrolled_or_nothing(any_home, painted, encoder, new_view):
    build_index(any_home, "things", [(painted, None)], encoder)
    enrol(any_home, "things", encoder.identity, [new_view(1)])
    other = new_view(2, sequence="shot1", instance="drill1", category="saw")
    with pytest.raises(ViewExistsError, match="there already"):
        enrol(any_home, "things", encoder.identity, [new_view(3), other])
    with pytest.raises(ViewExistsError, match="given twice"):
        enrol(any_home, "things", encoder.identity, [new_view(4), new_view(4)])
    bad = new_view(5)
    bad.vectors["pose"] *= 2
    with pytest.raises(EnrolmentError, match="length 2"):
        enrol(any_home, "things", encoder.identity, [new_view(6), bad])
    with reading(any_home) as connection:
        for table, count in ((views, 31), (enrolled_vectors, 2), (sequences, 7), (changes, 1)):
            found = connection.execute(sa.select(sa.func.count()).select_from(table)).scalar()
            assert (table.name, found) == (table.name, count)
    assert enrol(any_home, "things", encoder.identity, []) == []


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"instance": ""}, "instance is ''"),
        ({"category": "a\x00b"}, "category is"),
        ({"sequence": "x" * 201}, "sequence is"),
        ({"frame": -1}, "frame is -1"),
    ],
)
def test_what_an_index_cannot_take_is_refused_by_name(
    home, build, encoder, new_view, wrong, message
):
    build()
    with pytest.raises(EnrolmentError, match=message):
        enrol(home, "things", encoder.identity, [new_view(1, **wrong)])


def test_embeddings_of_another_encoder_or_head_are_refused(
    home, build, encoder, other_encoder, new_view
):
    build()
    with pytest.raises(GalleryError, match="now is of encoder"):
        enrol(home, "things", other_encoder.identity, [new_view(1)])
    with pytest.raises(GalleryError, match="'nothing' does not exist"):
        enrol(home, "nothing", encoder.identity, [new_view(1)])
    for vectors, message in (
        ({"pose": new_view(1).vectors["pose"]}, r"embeddings of \['pose'\], the index of"),
        ({**new_view(1).vectors, "pose": np.ones(3, np.float32)}, r"shape \(3,\)"),
        ({**new_view(1).vectors, "pose": np.full(24, np.nan, np.float32)}, "length nan"),
    ):
        view = new_view(1)
        object.__setattr__(view, "vectors", vectors)
        with pytest.raises(EnrolmentError, match=message):
            enrol(home, "things", encoder.identity, [view])


def test_a_repeated_call_gives_back_what_is_there(home, build, encoder, new_view):
    build()
    (first,) = enrol(home, "things", encoder.identity, [new_view(1)])
    again = enrol(home, "things", encoder.identity, [new_view(1), new_view(2)])
    assert again[0].id == first.id
    assert Gallery.open(home, "things").size == 32


def test_a_sequence_has_one_split(home, build, encoder, new_view):
    build()
    with pytest.raises(EnrolmentError, match="has the split 'test', not 'enrolled'"):
        enrol(home, "things", encoder.identity, [new_view(1, dataset="things", sequence="s0")])
    (stored,) = enrol(
        home,
        "things",
        encoder.identity,
        [new_view(1, dataset="things", sequence="s0", split="test")],
    )
    assert stored.split == "test"


@pytest.mark.parametrize("when", ["before", "while"])
def test_the_data_of_a_build_wins_over_the_same_view_enrolled(
    home, build, painted, encoder, new_view, when
):
    """Also where that was erased and enrolled anew while the build ran."""
    old = build(split="train").version
    same = {"dataset": "things", "instance": "thing0", "sequence": "s0", "split": "test"}

    def act() -> None:
        for seed in (1, 2):
            (stored,) = enrol(home, "things", encoder.identity, [new_view(seed, **same)])
            if seed == 1:
                erase_views(home, [stored.id])
        assert found_first(Gallery.open(home, "things"), new_view(2)).view_id == stored.id

    class Acting:
        identity, heads, crop = encoder.identity, encoder.heads, encoder.crop
        acted = when == "before"

        def encode(self, crops, batch_size=64):
            if not self.acted:
                self.acted = True
                act()
            return encoder.encode(crops)

    if when == "before":
        act()
    result = build_index(home, "things", [(painted, "manifest")], Acting())
    gallery = Gallery.open(home, "things")
    assert (gallery.version, gallery.size) == (result.version, 30)
    (found,) = (
        view
        for view in gallery.views(gallery.rows()).values()
        if view.frame == 0 and view.sequence == "s0"
    )
    assert (found.category, found.attributes) == ("cup", {"turn": 0.0})
    assert gallery.thumbnail(found.id) != new_view(2).thumbnail
    assert found_first(gallery, new_view(2)).similarity < 0.99
    before = found_first(Gallery.open(home, "things", old), new_view(2))
    assert (before.view.category, before.similarity) == ("cup", pytest.approx(1.0, abs=1e-6))


def test_what_was_enrolled_outlives_builds_and_waits_for_its_encoder(
    home, build, painted, encoder, other_encoder, new_view
):
    build(split="train")
    enrol(home, "things", encoder.identity, [new_view(1)])
    build()
    assert "drill1" in Gallery.open(home, "things").values("instance")
    build_index(home, "things", [(painted, "manifest")], other_encoder)
    assert Gallery.open(home, "things").values("category", DRILLS) == ()
    assert list_views(home, "things", DRILLS).views == ()
    build()
    assert Gallery.open(home, "things").values("category", DRILLS) == ("drill",)
