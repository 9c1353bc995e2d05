"""The catalog follows promotions, and one bad version neither stops it nor keeps it busy."""

from __future__ import annotations

import time

import numpy as np
import pytest

from index.search import Catalog, Gallery
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
