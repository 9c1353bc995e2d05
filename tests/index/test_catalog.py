"""The catalog follows promotions, and one bad version neither stops it nor keeps it busy."""

from __future__ import annotations

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
