"""A view sent again after its index got another encoder is found again, once, whoever looks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import sqlalchemy as sa

from index.build import build_index
from index.enrolment import NewView, compact, enrol, erase_views, list_views
from index.filters import Filters
from index.home import Home
from index.manage import promote
from index.search import Catalog, Gallery
from index.store.database import reading
from index.store.enrolled import last_change
from index.store.tables import enrolled_vectors, enrolled_views
from index.verify import verify_version
from tests.index.enrolment.conftest import make_view
from training.encoder import Encoder

DRILLS = Filters(category="drill")


def found(gallery: Gallery, view: NewView) -> list[float]:
    """The similarities of the drills found by the view's own embedding, by either head."""
    ranked = {
        head: [n.similarity for n in gallery.search(vector, head, k=50, filters=DRILLS)[0]]
        for head, vector in view.vectors.items()
    }
    assert len(ranked["pose"]) == len(ranked["identity"])
    return ranked["pose"]


ONCE = [pytest.approx(1.0, abs=1e-6)]


def vectors_of(connection: sa.Connection) -> dict[tuple[int, str], bytes]:
    rows = connection.execute(sa.select(enrolled_vectors))
    return {(row.view_id, row.head): bytes(row.vector) for row in rows}


@pytest.fixture
def old(encoder) -> NewView:
    return make_view(1, encoder.heads)


@pytest.fixture
def new(old, other_encoder) -> NewView:
    """The same view as the other encoder sees it."""
    return replace(old, vectors=make_view(2, other_encoder.heads).vectors)


@pytest.fixture
def build_with(any_home, painted) -> Callable[[Encoder], str]:
    """``build_with(encoder)`` builds the index and makes it current; the version."""
    data = [(painted, "manifest")]
    return lambda encoder: build_index(any_home, "things", data, encoder).version


@pytest.fixture
def first(any_home, build_with, encoder, old) -> str:
    """The version that the view was enrolled under."""
    version = build_with(encoder)
    enrol(any_home, "things", encoder.identity, [old])
    return version


def change_of(home: Home) -> int:
    with reading(home) as connection:
        return last_change(connection)


def test_sent_again_it_takes_the_embeddings_of_the_new_encoder(
    any_home, build_with, first, encoder, other_encoder, old, new
):
    catalog = Catalog(any_home)
    before = catalog.get("things")
    current = build_with(other_encoder)
    catalog.refresh()
    gallery = catalog.get("things")
    assert (gallery.version, found(gallery, new)) == (current, [])
    (note,) = verify_version(any_home, "things").notes
    assert "1 views were enrolled with another encoder" in note

    other = make_view(3, other_encoder.heads)
    stored = enrol(any_home, "things", other_encoder.identity, [other, new])
    with reading(any_home) as connection:
        rows = {row.view_id: row for row in connection.execute(sa.select(enrolled_views))}
        vectors = vectors_of(connection)
    beside, again = rows[stored[0].id], rows[stored[1].id]
    assert again.encoder == other_encoder.identity
    assert again.enrolled_at == beside.enrolled_at
    for head, vector in new.vectors.items():
        assert vectors[stored[1].id, head] == vector.tobytes()

    catalog.follow()
    for opened in (gallery, Gallery.open(any_home, "things")):
        assert found(opened, new)[0] == ONCE[0]
        assert len(found(opened, new)) == 2
        assert opened.size == 32
    assert len(list_views(any_home, "things", DRILLS).views) == 2
    assert verify_version(any_home, "things").notes == ()
    assert found(before, old) == ONCE  # who holds the old gallery keeps it

    seen = change_of(any_home)
    repeated = enrol(any_home, "things", other_encoder.identity, [other, new])
    assert [view.id for view in repeated] == [view.id for view in stored]
    assert change_of(any_home) == seen


def test_galleries_that_stay_open_find_it_once_there_and_back(
    any_home, build_with, first, encoder, other_encoder, old, new
):
    """With the embeddings stored last, as who opens the version anew does."""
    catalog = Catalog(any_home)
    tail = catalog.get("things")
    second = build_with(other_encoder)
    enrol(any_home, "things", other_encoder.identity, [new])
    catalog.refresh()
    other = catalog.get("things")
    promote(any_home, "things", first)
    catalog.refresh()
    assert found(catalog.get("things"), old) == []
    turned = {head: np.roll(vector, 1) for head, vector in old.vectors.items()}
    again = replace(old, vectors=turned)
    enrol(any_home, "things", encoder.identity, [again])
    catalog.follow()
    for gallery in (tail, catalog.get("things"), Gallery.open(any_home, "things")):
        assert found(gallery, again) == ONCE
        assert (gallery.size, gallery.counts(DRILLS).views) == (31, 1)
    assert found(other, new) == ONCE
    assert found(Gallery.open(any_home, "things", second), new) == []


def test_a_snapshot_that_holds_it_is_enough(
    any_home, build_with, first, encoder, other_encoder, old, new
):
    """Of the current version, which needs no change, and of one that is open still."""
    folded = compact(any_home, "things").new
    catalog = Catalog(any_home)
    snapshot = catalog.get("things")
    second = build_with(other_encoder)
    enrol(any_home, "things", other_encoder.identity, [new])
    promote(any_home, "things", folded)
    assert verify_version(any_home, "things").notes == ()
    seen = change_of(any_home)
    enrol(any_home, "things", encoder.identity, [old])
    assert change_of(any_home) == seen
    promote(any_home, "things", first)
    catalog.refresh()
    enrol(any_home, "things", encoder.identity, [old])
    assert change_of(any_home) == seen + 1
    catalog.follow()
    for gallery in (snapshot, catalog.get("things"), Gallery.open(any_home, "things", folded)):
        assert found(gallery, old) == ONCE
        assert gallery.size == 31
    assert found(Gallery.open(any_home, "things", second), new) == []


def test_it_is_compacted_and_erased_like_any_other(
    any_home, build_with, first, encoder, other_encoder, old, new
):
    catalog = Catalog(any_home)
    held = [catalog.get("things")]
    compact(any_home, "things")
    catalog.refresh()
    held.append(catalog.get("things"))
    build_with(other_encoder)
    (stored,) = enrol(any_home, "things", other_encoder.identity, [new])
    catalog.refresh()
    held.append(catalog.get("things"))
    done = compact(any_home, "things")
    catalog.refresh()
    held.append(catalog.get("things"))
    assert (done.views, held[-1].version) == (1, done.new)
    for gallery, view in zip(held, (old, old, new, new), strict=True):
        assert found(gallery, view) == ONCE

    erased = erase_views(any_home, [stored.id])
    assert (erased.views, len(erased.versions)) == (1, 2)  # either encoder's compacted one
    catalog.refresh()
    for gallery in (*held, catalog.get("things"), Gallery.open(any_home, "things")):
        assert found(gallery, old) == found(gallery, new) == []
    with reading(any_home) as connection:
        assert vectors_of(connection) == {}
    secrets = [v.tobytes() for view in (old, new) for v in view.vectors.values()]
    for path in (path for path in any_home.path.parent.rglob("*") if path.is_file()):
        assert not any(secret in path.read_bytes() for secret in secrets), path
