"""A build writes its metadata shard by shard; nobody waits for all of it, nobody sees a part."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from index.build import build_index
from index.building import publish as publishing
from index.building.lock import exclusive
from index.enrolment import finish_erasures
from index.home import Home
from index.manage import drop, versions
from index.search import Catalog, Gallery
from index.store.database import reading, writing
from index.store.tables import index_versions, sequences, thumbnails, version_rows, views
from training.errors import GalleryError

TABLES = (index_versions, version_rows, sequences, views, thumbnails)


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("index.building.plan.SHARD_VIEWS", 8)


@pytest.fixture
def between(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], list[int]]:
    """``between(look)`` calls ``look`` before the rows of each shard; the list gets its number."""

    def install(look: Callable[[], None]) -> list[int]:
        seen: list[int] = []
        shard_rows = publishing.shard_rows

        def looked(plan, work, number):
            if len(seen) < len(plan.shards):  # later it is the last transaction that asks
                look()
            seen.append(number)
            return shard_rows(plan, work, number)

        monkeypatch.setattr(publishing, "shard_rows", looked)
        return seen

    return install


def counts(home: Home) -> dict[str, int]:
    with reading(home) as connection:
        statement = sa.select(sa.func.count())
        return {
            table.name: connection.execute(statement.select_from(table)).scalar_one()
            for table in TABLES
        }


def shown(home: Home, source: Catalog | Gallery) -> tuple[int, int]:
    """How many of the stored views, and of their thumbnails, are there for who asks by id."""
    with reading(home) as connection:
        ids = [row.id for row in connection.execute(sa.select(views.c.id))]
    return (
        sum(source.view(key) is not None for key in ids),
        sum(source.thumbnail(key) is not None for key in ids),
    )


def test_others_write_between_two_shards(home, painted, encoder, between):
    stored = []

    def write() -> None:
        with writing(home) as connection:  # SQLite has one writer: it would wait, then fail
            connection.execute(sa.text("CREATE TABLE IF NOT EXISTS theirs (id INTEGER)"))
            connection.execute(sa.text("INSERT INTO theirs VALUES (1)"))
        stored.append(counts(home)["views"])

    shards = between(write)
    build_index(home, "things", [(painted, "manifest")], encoder)
    assert shards == [0, 1, 2]
    assert stored == [0, 10, 20]
    with reading(home) as connection:
        assert connection.execute(sa.text("SELECT COUNT(*) FROM theirs")).scalar() == 3


def test_the_old_version_is_answered_with_its_metadata_until_the_last(
    home, paint_at, rewrite, encoder, tmp_path, between
):
    lines = paint_at(tmp_path / "things")
    old = build_index(home, "things", [(tmp_path / "things", "manifest")], encoder).version
    gallery = Gallery.open(home, "things")
    rows = gallery.rows()
    paint_at(tmp_path / "things", sequences=8)  # two sequences more, and all of it turned
    more = [item | {"attributes": {"turn": 99.0}} for item in lines]
    more += [item | {"sequence": f"{item['sequence']}-new"} for item in lines[:10]]
    rewrite(tmp_path / "things", more)

    def look() -> None:
        assert [record.version for record in versions(home, "things")] == [old]
        assert all(view.attributes["turn"] < 99 for view in gallery.views(rows).values())
        assert shown(home, gallery) == shown(home, Catalog(home)) == (30, 30)

    shards = between(look)
    new = build_index(home, "things", [(tmp_path / "things", "manifest")], encoder).version
    assert shards[:4] == [0, 1, 2, 3]
    assert {record.version for record in versions(home, "things")} == {old, new}
    assert all(view.attributes["turn"] == 99 for view in gallery.views(rows).values())
    assert counts(home)["views"] == Gallery.open(home, "things").size == 40
    assert shown(home, gallery) == shown(home, Catalog(home)) == (40, 40)


def test_a_build_that_is_refused_in_a_later_shard_leaves_nothing(
    home, paint_at, rewrite, encoder, tmp_path
):
    """Its last sequence is another index's, with other annotations."""
    lines = paint_at(tmp_path / "things")
    rewrite(tmp_path / "things", lines[-5:])
    build_index(home, "first", [(tmp_path / "things", "manifest")], encoder)
    before = counts(home)
    rewrite(tmp_path / "things", lines[:-5] + [one | {"category": "hat"} for one in lines[-5:]])
    with pytest.raises(GalleryError, match="differs from the one that index 'first' holds"):
        build_index(home, "second", [(tmp_path / "things", "manifest")], encoder)
    assert counts(home) == before
    assert [record.name for record in versions(home)] == ["first"]


def test_what_a_killed_build_published_is_not_seen_and_goes(home, painted, encoder, child):
    with child(home, painted, "in-the-second-transaction") as killed:
        assert killed.wait(60) == -signal.SIGKILL
    assert counts(home)["views"] == 10
    with pytest.raises(GalleryError, match="does not exist"):
        versions(home, "things")
    assert shown(home, Catalog(home)) == (0, 0)
    assert finish_erasures(home) == ()  # as a server does when it starts
    assert set(counts(home).values()) == {0}
    assert list(home.index_folder("things").glob("[0-9a-f]" * 12)) == []


def test_what_a_killed_build_published_keeps_nothing_of_a_dropped_index(
    home, paint_at, rewrite, encoder, child, tmp_path
):
    lines = paint_at(tmp_path / "things")
    rewrite(tmp_path / "things", lines[:10])
    built = build_index(home, "things", [(tmp_path / "things", "manifest")], encoder)
    rewrite(tmp_path / "things", lines)
    with child(home, tmp_path / "things", "in-the-second-transaction") as killed:
        assert killed.wait(60) == -signal.SIGKILL
    assert counts(home)["index_versions"] == 2
    assert drop(home, "things", built.version, force=True).views == 10
    assert set(counts(home).values()) == {0}


def test_what_a_killed_build_published_stands_in_no_other_index_way(
    home, paint_at, rewrite, encoder, monkeypatch, tmp_path
):
    lines = paint_at(tmp_path / "things")

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(publishing, "make_current", killed)
        with pytest.raises(KeyboardInterrupt):
            build_index(home, "killed", [(tmp_path / "things", "manifest")], encoder)
    assert counts(home)["views"] == 30
    rewrite(tmp_path / "things", [one | {"category": "hat"} for one in lines[:10]])
    with (
        exclusive(home.index_folder("killed")),  # as if it ran
        pytest.raises(GalleryError, match="differs from the one that index 'killed' holds"),
    ):
        build_index(home, "second", [(tmp_path / "things", "manifest")], encoder)
    build_index(home, "second", [(tmp_path / "things", "manifest")], encoder)
    assert (counts(home)["views"], counts(home)["index_versions"]) == (10, 1)
