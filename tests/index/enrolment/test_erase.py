"""Erased is gone: from searches at once, from every file when the call returns."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import numpy as np
import pytest

from index import manage
from index.build import build_index
from index.building.lock import exclusive
from index.enrolment import (
    compact,
    enrol,
    erase_instance,
    erase_views,
    finish_erasures,
    list_views,
)
from index.filters import Filters
from index.home import Home
from index.search import Catalog, Gallery
from index.store.database import close_database, reading
from index.store.versions import list_versions
from index.verify import verify_version
from training.errors import BusyError, GalleryError


def secrets_of(home: Home, filters: Filters) -> list[bytes]:
    """The embeddings and thumbnails of the views that the filters leave, as bytes in files."""
    gallery = Gallery.open(home, "things")
    rows = gallery.rows(filters)
    views = gallery.views(rows)
    found = [gallery.thumbnail(view.id)[-300:] for view in views.values()]  # its head is any JPEG's
    for head in gallery.heads:
        found += [vector.astype("<f4").tobytes() for vector in gallery.vectors(rows, head)]
    assert len(found) == 3 * len(rows) > 0
    return found


def holding(home: Home, secrets: list[bytes]) -> set[str]:
    """The files below the home, the database's too, in which one of them occurs."""
    found = set()
    for path in home.path.parent.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            if any(secret in content for secret in secrets):
                found.add(str(path.relative_to(home.path.parent)))
    return found


@pytest.fixture
def world(home, build, encoder, new_view) -> Home:
    """Two built versions, two more with enrolled views folded in, and two views in the tail."""
    build(split="train")
    build()
    for seed in (1, 2, 3):
        views = [new_view(10 * seed + n, instance=f"drill{n}") for n in range(3)]
        enrol(home, "things", encoder.identity, views)
        if seed < 3:
            compact(home, "things")
    return home


@pytest.mark.parametrize(
    ("dataset", "instance", "views", "versions"),
    [("workshop", "drill1", 3, 2), ("things", "thing0", 10, 4)],
)
def test_no_file_holds_an_erased_embedding_or_picture(world, dataset, instance, views, versions):
    chosen = Filters(dataset=dataset, instance=instance)
    secrets = secrets_of(world, chosen)
    kept = secrets_of(world, Filters(exclude_instance=f"{dataset}/{instance}"))
    before = set(holding(world, secrets))
    assert any(name.startswith("home.sqlite") for name in before)
    assert any("vectors-pose.faiss" in name for name in before)
    with reading(world) as connection:
        old = {record.version for record in list_versions(connection)}
    erased = erase_instance(world, dataset, instance)
    assert (erased.views, len(erased.versions)) == (views, versions)
    assert holding(world, secrets) == set()
    assert all(holding(world, [secret]) for secret in kept)
    with reading(world) as connection:
        records = list_versions(connection)
    assert {record.version for record in records} == (
        old - {item.old for item in erased.versions} | {item.new for item in erased.versions}
    )
    folders = {path.name for path in world.index_folder("things").iterdir()} - {".lock", ".work"}
    assert folders == {record.version for record in records}
    assert sum(record.current for record in records) == 1
    for record in records:
        verdict = verify_version(world, "things", record.version)
        assert (verdict.problems, verdict.notes) == ((), ())
    assert Gallery.open(world, "things").size == 39 - views
    assert instance not in Gallery.open(world, "things").values("instance")
    assert erase_instance(world, dataset, instance).views == 0


def test_postgres_forgets_as_well(postgres_url, tmp_path, painted, encoder, new_view):
    home = Home.open(tmp_path / "home", postgres_url)
    build_index(home, "things", [(painted, None)], encoder)
    enrol(home, "things", encoder.identity, [new_view(1), new_view(2)])
    compact(home, "things")
    secrets = secrets_of(home, Filters(instance=("drill1", "thing0")))
    erase_instance(home, "workshop", "drill1")
    erased = erase_instance(home, "things", "thing0")
    assert (erased.views, len(erased.versions)) == (10, 2)
    assert holding(home, secrets) == set()
    assert Gallery.open(home, "things").size == 21
    close_database(home)


def test_a_reader_that_holds_the_old_gallery_never_answers_with_it(world, encoder, new_view):
    old = Gallery.open(world, "things")
    asked = new_view(11)  # in a snapshot
    in_tail = new_view(31)
    assert old.search(asked.vectors["pose"], k=1)[0][0].view.instance == "drill1"
    erase_instance(world, "workshop", "drill1")
    for view in (asked, in_tail):
        for neighbour in old.search(view.vectors["pose"], k=39)[0]:
            assert neighbour.view.instance != "drill1"
    # The same name comes back with another picture: it is not the one the old gallery remembers.
    for seed, again in ((500, asked), (501, in_tail)):
        other = new_view(seed, instance="drill1", sequence=again.sequence)
        (stored,) = enrol(world, "things", encoder.identity, [other])
        found = old.search(again.vectors["pose"], k=39)[0]
        assert stored.id not in {neighbour.view_id for neighbour in found}
        with reading(world) as connection:
            old.follow(connection)
        (nearest,) = old.search(other.vectors["pose"], k=1)[0]
        assert (nearest.view_id, round(nearest.similarity, 5)) == (stored.id, 1.0)
        found = old.search(again.vectors["pose"], k=39)[0]
        assert {n.view_id: n.similarity for n in found}[stored.id] < 0.99


def test_searching_threads_never_see_what_is_erased_beneath_them(world, encoder, new_view):
    catalog = Catalog(world)
    gone: set[int] = set()
    wrong: list[int] = []
    done = threading.Event()
    queries = np.random.default_rng(0).normal(size=(4, 24)).astype(np.float32)

    def ask() -> None:
        while not done.is_set():
            before = set(gone)
            for neighbours in catalog.get("things").search(queries, k=20):
                wrong.extend(n.view_id for n in neighbours if n.view_id in before)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for n in range(3):
            page = list_views(world, "things", Filters(instance=f"drill{n}"))
            erase_instance(world, "workshop", f"drill{n}")
            gone.update(view.id for view in page.views)
            catalog.refresh()
        erase_instance(world, "things", "thing1")
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert (wrong, len(gone)) == ([], 9)
    catalog.refresh()
    assert catalog.get("things").size == 20


STAGES = ["after-the-rows", "in-the-files", "before-rename", "after-rename", "in-the-transaction"]


@pytest.mark.parametrize("stage", [*STAGES, "before-commit", "after-commit"])
def test_killed_anywhere_an_erasure_is_completed_by_the_next_call(world, act, stage):
    secrets = secrets_of(world, Filters(instance="drill1"))
    with act(world, "erase", "drill1", stage) as child:
        assert child.wait(60) == -signal.SIGKILL
    assert "drill1" not in Gallery.open(world, "things").values("instance")
    assert holding(world, secrets)
    assert finish_erasures(world)
    assert holding(world, secrets) == set()
    assert finish_erasures(world) == ()
    assert verify_version(world, "things").problems == ()
    assert Gallery.open(world, "things").size == 36


@pytest.mark.parametrize("stage", ["after-a-shard", "before-rename", "after-rename"])
def test_what_a_killed_build_left_is_erased_too(home, painted, encoder, build, child, stage):
    build("other")  # that the views are known
    with child(home, painted, stage) as killed:
        killed.wait(60)
    gallery = Gallery.open(home, "other")
    rows = gallery.rows(Filters(instance="thing0"))
    secrets = [vector.tobytes() for vector in gallery.vectors(rows, "pose")]
    left = {name for name in holding(home, secrets) if "/things/" in name}
    assert left
    erase_instance(home, "things", "thing0")
    assert holding(home, secrets) == set()


def test_erased_while_an_index_is_built_does_not_come_back(home, painted, encoder, build):
    build("other")

    class Erasing:
        identity, heads, crop = encoder.identity, encoder.heads, encoder.crop
        erased = False

        def encode(self, crops, batch_size=64):
            if not self.erased:
                self.erased = True
                erase_instance(home, "things", "thing0")
            return encoder.encode(crops)

    gallery = Gallery.open(home, "other")
    rows = gallery.rows(Filters(instance="thing0"))
    secrets = [vector.tobytes() for vector in gallery.vectors(rows, "pose")]
    result = build_index(home, "things", [(painted, "manifest")], Erasing())
    assert holding(home, secrets) == set()
    assert result.manifest.derived.erased == 10
    assert Gallery.open(home, "things").version == result.version
    assert Gallery.open(home, "things").size == 20


@pytest.mark.parametrize("built", ["things", "other"])
def test_a_build_brings_back_nothing_that_is_half_erased(home, build, built):
    """The old rows would be taken for theirs, and stay."""
    build()
    secrets = secrets_of(home, Filters(instance="thing0"))
    with exclusive(home.index_folder("things")), pytest.raises(BusyError):
        erase_instance(home, "things", "thing0", patience_s=0.0)
    assert build(built, split="test").manifest.derived.erased == 5
    finish_erasures(home)
    assert holding(home, secrets) == set()
    assert Gallery.open(home, built).size == 10
    assert build(built).manifest.counts.views == 30  # now they do


def test_a_busy_index_is_told_and_the_holder_finishes(world, monkeypatch):
    monkeypatch.setattr("index.enrolment.erase.PATIENCE_S", 0.05)
    secrets = secrets_of(world, Filters(instance="drill1"))
    with exclusive(world.index_folder("things")):
        with pytest.raises(BusyError, match="out of every search") as caught:
            erase_instance(world, "workshop", "drill1")
        assert "completes it" in caught.value.remedy
        assert "drill1" not in Gallery.open(world, "things").values("instance")
    compact(world, "things")
    assert holding(world, secrets) == set()


def test_no_view_comes_back_in_the_place_of_one_that_is_still_in_a_file(world, encoder, new_view):
    secrets = secrets_of(world, Filters(instance="drill1"))
    again = new_view(500, instance="drill1", sequence=new_view(11).sequence)
    with exclusive(world.index_folder("things")):
        with pytest.raises(BusyError, match="out of every search"):
            erase_instance(world, "workshop", "drill1", patience_s=0.0)
        with pytest.raises(BusyError, match="a file still holds its embedding"):
            enrol(world, "things", encoder.identity, [new_view(501), again])
        enrol(world, "things", encoder.identity, [new_view(501)])
    assert len(finish_erasures(world)) == 2
    (stored,) = enrol(world, "things", encoder.identity, [again])
    assert holding(world, secrets) == set()
    (nearest,) = Gallery.open(world, "things").search(again.vectors["pose"], k=1)[0]
    assert (nearest.view_id, round(nearest.similarity, 5)) == (stored.id, 1.0)


def test_a_damaged_version_is_named_and_the_others_are_seen_to(world):
    secrets = secrets_of(world, Filters(instance="drill1"))
    with reading(world) as connection:
        records = list_versions(connection, "things")
    bad = world.version_folder("things", records[-2].version) / "vectors-pose.faiss"
    bad.write_bytes(bad.read_bytes()[:-1])
    with pytest.raises(GalleryError, match=f"Version {records[-2].version} of 'things'") as caught:
        erase_instance(world, "workshop", "drill1")
    assert f"index drop things {records[-2].version}" in caught.value.remedy
    assert Gallery.open(world, "things").size == 36
    assert {Path(name).parent.name for name in holding(world, secrets)} == {records[-2].version}
    manage.drop(world, "things", records[-2].version, force=True)
    assert finish_erasures(world) == ()
    assert holding(world, secrets) == set()


def test_unknown_views_count_for_nothing_and_an_index_may_be_emptied(home, build, encoder):
    built = build()
    assert erase_views(home, [1, 2, 3]).views == 0
    everything = [view.id for view in list_views(home, "things").views]
    assert erase_views(home, everything).views == 30
    gallery = Gallery.open(home, "things")
    assert (gallery.size, gallery.counts().instances) == (0, 0)
    assert gallery.search(np.ones((2, 24), np.float32), k=3) == [[], []]
    assert not built.folder.exists()
    assert list_views(home, "things").views == ()


def test_the_last_version_takes_what_was_enrolled_with_it(world):
    secrets = secrets_of(world, Filters(dataset="workshop"))
    with reading(world) as connection:
        records = list_versions(connection, "things")
    for record in records[:-1]:
        manage.drop(world, "things", record.version, force=True)
        assert Gallery.open(world, "things").size == 39
    assert manage.drop(world, "things", records[-1].version, force=True).views == 39
    close_database(world)
    assert holding(world, secrets) == set()
