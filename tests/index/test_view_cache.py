"""A view read before is answered from memory only while the database holds the same one."""

from __future__ import annotations

import sqlalchemy as sa

from index.search import Gallery
from index.store.database import reading, writing
from index.store.tables import views
from index.store.view_cache import ViewCache
from index.store.views import delete_views, fetch_views


def ids_of(home, count):
    gallery = Gallery.open(home, "things")
    return sorted(view.id for view in gallery.views(gallery.rows()[:count]).values())


def test_what_was_read_is_not_read_again_and_what_is_gone_or_changed_is(build, home, monkeypatch):
    build()
    ids, cache, asked = ids_of(home, 5), ViewCache(), []

    def counted(connection, wanted):
        asked.append(list(wanted))
        return fetch_views(connection, wanted)

    monkeypatch.setattr("index.store.view_cache.fetch_views", counted)
    with reading(home) as connection:
        first = cache.fetch(connection, ids[:4], seen=0)
        again = cache.fetch(connection, ids, seen=0)
    assert list(first) == ids[:4]
    assert asked == [ids[:4], ids[4:]]
    assert all(again[key] is first[key] for key in ids[:4])
    with writing(home) as connection:
        delete_views(connection, ids[:1])
        changed = sa.update(views).where(views.c.id == ids[1])
        connection.execute(changed.values(category="other", fingerprint="0" * 32))
    with reading(home) as connection:
        later = cache.fetch(connection, ids, seen=0)
    assert asked[-1] == [ids[1]]
    assert set(later) == set(ids[1:])
    assert later[ids[1]].category == "other"


def test_it_keeps_no_more_than_it_may_and_what_was_asked_for_last(build, home, monkeypatch):
    build()
    ids, cache, asked = ids_of(home, 4), ViewCache(kept=2), []
    with reading(home) as connection:
        for wanted in (ids[:1], ids[1:2], ids[:1], ids[2:3]):
            cache.fetch(connection, wanted, seen=0)
        monkeypatch.setattr(
            "index.store.view_cache.fetch_views",
            lambda connection, wanted: asked.append(list(wanted)) or {},
        )
        cache.fetch(connection, ids[:3], seen=0)
    assert asked == [[ids[1]]]
