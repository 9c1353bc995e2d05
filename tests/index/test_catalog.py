"""The catalog follows promotions, and one bad version neither stops it nor keeps it busy."""

from __future__ import annotations

import errno
import gc
import time
import weakref

import numpy as np
import pytest

from index.enrolment import enrol, erase_views
from index.search import Catalog, Gallery
from tests.index.enrolment.conftest import make_view
from training.errors import GalleryError


def test_the_catalog_follows_promotions_and_leaves_old_users_alone(build, home):
    catalog = Catalog(home)
    assert catalog.names() == ()
    with pytest.raises(GalleryError, match="does not exist"):
        catalog.get("things")
    build(split="train")
    assert catalog.refresh() == ("things",)
    old = catalog.get("things")
    assert catalog.refresh() == ()
    build()
    assert catalog.get("things") is old
    assert catalog.refresh() == ("things",)
    assert catalog.get("things").size == 30
    query = np.ones(24, np.float32) / np.sqrt(24)
    assert {neighbour.view.split for neighbour in old.search(query)[0]} == {"train"}


def test_the_catalog_keeps_the_old_gallery_where_the_new_one_is_damaged(build, home):
    build(split="train")
    catalog = Catalog(home)
    old = catalog.get("things")
    new = build()
    (new.folder / "vectors-pose.faiss").write_bytes(b"rubbish")
    catalog.refresh()
    assert catalog.get("things") is old
    assert "SHA-256" in catalog.errors["things"].message
    fresh = Catalog(home)
    with pytest.raises(GalleryError, match="SHA-256"):
        fresh.get("things")


def test_a_damaged_version_takes_a_tenth_of_the_time_at_most(build, home, monkeypatch):
    built = build()
    vectors = built.folder / "vectors-pose.faiss"
    whole = vectors.read_bytes()
    vectors.write_bytes(b"rubbish")
    tries = []
    real = Gallery.open

    def slow(*arguments):
        tries.append(arguments)
        time.sleep(0.05)
        return real(*arguments)

    monkeypatch.setattr(Gallery, "open", slow)
    catalog = Catalog(home)
    for _ in range(5):
        catalog.refresh()
        assert "SHA-256" in catalog.errors["things"].message
    assert len(tries) == 1
    vectors.write_bytes(whole)
    patience = time.monotonic() + 30
    while "things" not in catalog.names() and time.monotonic() < patience:
        catalog.refresh()
        time.sleep(0.05)
    assert catalog.errors == {}
    assert len(tries) == 2


def test_a_version_that_was_damaged_keeps_no_old_gallery_in_memory(build, home):
    """Not by the error that is told, however often it is raised, nor once it was superseded."""
    build(split="train")
    catalog = Catalog(home)
    (build(stride=2).folder / "manifest.json").write_text("{}")
    catalog.refresh()
    old = weakref.ref(catalog.get("things"))
    told = catalog.errors["things"]
    assert (told.__traceback__, told.__cause__, told.__context__) == (None, None, None)
    build()
    assert catalog.refresh() == ("things",)
    assert catalog.errors == {}
    gc.collect()
    assert old() is None
    assert "no manifest" in told.message


def test_the_error_that_is_raised_is_another_each_time(build, home):
    (build().folder / "manifest.json").write_text("{}")
    catalog = Catalog(home)
    raised = []
    for _ in range(2):
        with pytest.raises(GalleryError, match="no manifest") as error:
            catalog.get("things")
        raised.append(error.value)
    assert raised[0] is not raised[1]
    assert catalog.errors["things"].__traceback__ is None


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (MemoryError("std::bad_alloc"), "MemoryError."),
        (OSError(errno.EMFILE, "Too many open files", "x"), "OSError, Too many open files."),
        (RuntimeError("a driver's secret"), "RuntimeError."),
    ],
    ids=lambda value: type(value).__name__,
)
def test_whatever_one_index_fails_with_the_others_are_opened(build, home, monkeypatch, error, told):
    version = build("broken").version
    build("whole")
    tries = []
    real = Gallery.open

    def failing(home, name, *arguments):
        if name == "broken":
            tries.append(name)
            time.sleep(0.05)
            raise error
        return real(home, name, *arguments)

    monkeypatch.setattr(Gallery, "open", failing)
    catalog = Catalog(home)
    for _ in range(5):
        assert catalog.refresh() == ()
        assert catalog.names() == ("whole",)
        (name,) = catalog.errors
        message = f"Version {version} of index 'broken' could not be opened: {told}"
        assert (name, catalog.errors[name].message) == ("broken", message)
    assert len(tries) == 1
    monkeypatch.setattr(Gallery, "open", real)
    patience = time.monotonic() + 30
    while "broken" not in catalog.names() and time.monotonic() < patience:
        catalog.refresh()
        time.sleep(0.05)
    assert (catalog.names(), catalog.errors) == (("broken", "whole"), {})


def test_a_database_that_fails_is_no_matter_of_one_index(build, home, monkeypatch):
    build(split="train")
    catalog = Catalog(home)
    old = catalog.get("things")
    build()

    def gone(home):
        raise GalleryError("The database is away.", "Start it.")

    def failing(*arguments):
        monkeypatch.setattr("index.catalog.reading", gone)
        gone(home)

    with monkeypatch.context() as patched:
        patched.setattr(Gallery, "open", failing)
        with pytest.raises(GalleryError, match="is away"):
            catalog.refresh()
    assert (catalog.errors, catalog.get("things")) == ({}, old)
    monkeypatch.undo()
    assert catalog.refresh() == ("things",)


def test_what_is_enrolled_while_a_version_is_opened_is_in_it(build, home, encoder, monkeypatch):
    """Before it is read, while it is put in place, and once it is in place."""
    build(split="train")
    catalog = Catalog(home)
    old = catalog.get("things")
    seeds = iter(range(9))
    enrolled = []

    def write() -> None:
        """As a server does for its clients: what is enrolled is found when this returns."""
        new = make_view(next(seeds), encoder.heads)
        enrolled.extend(enrol(home, "things", encoder.identity, [new]))
        Catalog.follow(catalog)
        found = catalog.get("things").search(new.vectors["pose"], k=1)[0][0]
        assert found.view_id == enrolled[-1].id

    real = Gallery.open

    def opened(*arguments):
        gallery = real(*arguments)
        write()
        erase_views(home, [enrolled[0].id])
        return gallery

    def followed() -> None:
        Catalog.follow(catalog)
        write()

    build()
    write()
    monkeypatch.setattr(Gallery, "open", opened)
    monkeypatch.setattr(catalog, "follow", followed)
    assert catalog.refresh() == ("things",)
    assert (len(enrolled), catalog.get("things").size) == (3, 32)
    write()
    assert (catalog.get("things").size, old.size) == (33, 18)


def test_a_gallery_nobody_holds_any_more_is_let_go(build, home):
    build(stride=2)
    catalog = Catalog(home)
    old = weakref.ref(catalog.get("things"))
    build()
    catalog.refresh()
    assert old() is None
