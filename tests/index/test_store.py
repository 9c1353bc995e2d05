"""The same store on SQLite and on Postgres: schema history, times, round trips."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import given
from hypothesis import strategies as st

from index import manage
from index.build import build_index
from index.home import Home
from index.search import Gallery, parse_view_key, view_key
from index.store.database import close_database, engine_of, reading, writing
from index.store.migrate import HEAD, migrate, revision
from index.store.stored_view import sequence_row, view_id, view_row
from index.store.tables import metadata, sequences
from index.store.versions import list_versions
from index.store.views import fetch_views, store_views
from index.verify import verify_version
from training.data.images import FileImage
from training.data.records import Keypoints, Sequence, View
from training.errors import GalleryError

ROOT = Path(__file__).parents[2]


def test_migrations_from_nothing_end_in_the_tables_of_the_code(any_home):
    migrate(any_home)
    migrate(any_home)
    with reading(any_home) as connection:
        assert revision(connection) == HEAD
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_many_processes_migrate_at_once(any_home):
    code = "import sys; from index.home import Home; from index.store.migrate import migrate; "
    code += "migrate(Home.open(sys.argv[1], sys.argv[2]))"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(any_home.path), any_home.database_url], cwd=ROOT
        )
        for _ in range(4)
    ]
    assert [process.wait(60) for process in processes] == [0, 0, 0, 0]
    with reading(any_home) as connection:
        assert revision(connection) == HEAD


def test_a_newer_database_is_refused(any_home):
    migrate(any_home)
    with writing(any_home) as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(GalleryError, match="'9999' is not known"):
        migrate(any_home)


def test_the_whole_way_on_both_databases(any_home, painted, encoder):
    train = build_index(any_home, "things", [(painted, None)], encoder, split="train")
    whole = build_index(any_home, "things", [(painted, None)], encoder)
    gallery = Gallery.open(any_home, "things")
    found = gallery.search(np.eye(24, dtype=np.float32)[:2], k=5)
    assert [len(neighbours) for neighbours in found] == [5, 5]
    assert gallery.thumbnail(found[0][0].view_id)[:2] == b"\xff\xd8"
    assert verify_version(any_home, "things").problems == ()
    manage.promote(any_home, "things", train.version)
    assert manage.drop(any_home, "things", whole.version).views == 15
    with reading(any_home) as connection:
        (record,) = list_versions(connection)
    assert record.version == train.version
    for time in (record.created_at, record.promoted_at):
        assert time.tzinfo is UTC
        assert abs((datetime.now(UTC) - time).total_seconds()) < 60


def test_both_databases_give_the_same_version(tmp_path, postgres_url, painted, encoder):
    versions = set()
    for name, url in (("a", f"sqlite:///{tmp_path / 'a.sqlite'}"), ("b", postgres_url)):
        home = Home.open(tmp_path / name, url)
        versions.add(build_index(home, "things", [(painted, None)], encoder).version)
        close_database(home)
    assert len(versions) == 1


def test_keypoints_with_unknown_places_survive(any_home):
    migrate(any_home)
    keypoints = Keypoints(
        names=("left", "right"),
        xy=np.array([[1.5, 2.5], [np.nan, np.nan]]),
        xyz=None,
        visible=np.array([True, False]),
        valid=np.array([True, False]),
    )
    image = FileImage(Path("none.png"), "none")
    box = np.array([0.0, 1.0, 2.0, 3.0])
    view = View(image, box, "a", "cup", keypoints=keypoints, attributes={"x": 1.0, "y": "z"})
    sequence = Sequence("s", "d", "all", 30.0, (view,), ("blurred",))
    row = view_row(sequence, view, 4, 5)
    with writing(any_home) as connection:
        store_views(connection, "i", [sequence_row(sequence)], [row], [b"jpeg"])
        stored = fetch_views(connection, [row["id"], 5])
    assert list(stored) == [row["id"]]
    found = stored[row["id"]]
    assert found.keypoints.names == ("left", "right")
    np.testing.assert_array_equal(found.keypoints.xy, keypoints.xy)
    assert found.keypoints.xyz is None
    assert found.keypoints.valid.tolist() == [True, False]
    assert found.attributes == {"x": 1.0, "y": "z"}
    assert (found.camera, found.plane, found.box9) == (None, None, None)


def test_two_views_of_one_id_are_refused(home, monkeypatch):
    migrate(home)
    image = FileImage(Path("none.png"), "none")
    monkeypatch.setattr("index.store.stored_view._number", lambda text: len(text))
    views = [View(image, np.array([0.0, 0.0, 1.0, 1.0]), name, "cup") for name in "ab"]
    sequence = Sequence("s", "d", "all", 30.0, tuple(views))
    with writing(home) as connection:
        store_views(
            connection, "i", [sequence_row(sequence)], [view_row(sequence, views[0], 2, 2)], [b""]
        )
        with pytest.raises(GalleryError, match="share the id"):
            store_views(
                connection,
                "i",
                [sequence_row(sequence)],
                [view_row(sequence, views[1], 2, 2)],
                [b""],
            )


@given(st.integers(0, 2**63 - 1))
def test_view_keys_read_back(number):
    assert parse_view_key(view_key(number)) == number
    assert len(view_key(number)) == 16


def test_view_ids_are_fixed_for_ever():
    assert (
        view_key(view_id("objectron", "cup/batch-1/3", 42, "cup/batch-1/3#0")) == "769df433fb076675"
    )
    assert view_id("a", "b", 1, "2") != view_id("a", "b", 12, "")
    for wrong in ("", "12", "g" * 16, "F" * 16, "f" * 16):
        assert parse_view_key(wrong) is None


def test_a_naive_time_is_refused(home):
    from index.store.tables import current_versions

    migrate(home)
    with pytest.raises(sa.exc.StatementError, match="without a zone"), writing(home) as connection:
        connection.execute(
            sa.insert(current_versions).values(
                name="x", version_id=1, promoted_at=datetime(2026, 1, 1)
            )
        )


def test_a_postgres_database_without_an_encoding_is_used_as_utf8(tmp_path, postgres_url):
    server = sa.create_engine(postgres_url, isolation_level="AUTOCOMMIT")
    name = f"{sa.make_url(postgres_url).database}_ascii"
    like = "ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
    with server.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name} {like}"))
        try:
            url = sa.make_url(postgres_url).set(database=name)
            home = Home.open(tmp_path, url.render_as_string(hide_password=False))
            migrate(home)
            with writing(home) as writer:
                row = {"id": 1, "dataset": "Möbel", "name": "椅子", "split": "", "fps": 1.0}
                writer.execute(sa.insert(sequences).values(**row, flags=[]))
            with reading(home) as reader:
                assert reader.execute(sa.select(sequences.c.name)).scalar() == "椅子"
            close_database(home)
        finally:
            connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
    server.dispose()


def test_databases_that_cannot_be_used_say_so(tmp_path):
    away = Home.open(tmp_path, "postgresql://nobody:secret@127.0.0.1:1/none")
    assert away.database_url.startswith("postgresql+psycopg://")
    with pytest.raises(GalleryError, match="failed") as caught:
        migrate(away)
    assert "secret" not in str(caught.value)
    with pytest.raises(GalleryError, match=r"'mysql' is not supported|cannot be used"):
        engine_of(Home.open(tmp_path, "mysql://x@y/z"))
    with pytest.raises(GalleryError, match="cannot be used"):
        engine_of(Home.open(tmp_path, "no url"))
    (tmp_path / "file").write_text("")
    with pytest.raises(GalleryError, match="cannot be created"):
        Home.open(tmp_path / "file")


def test_the_home_follows_the_environment(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("POSEBANK_HOME", raising=False)
    monkeypatch.delenv("POSEBANK_DATABASE_URL", raising=False)
    assert Home.open().path == tmp_path / ".posebank"
    assert Home.open().database_url == f"sqlite:///{tmp_path}/.posebank/posebank.sqlite"
    monkeypatch.setenv("POSEBANK_HOME", str(tmp_path / "other"))
    monkeypatch.setenv("POSEBANK_DATABASE_URL", "postgres://u@h/d")
    assert Home.open().path == tmp_path / "other"
    assert Home.open().database_url == "postgresql+psycopg://u@h/d"


def test_an_error_of_the_database_does_not_tell_what_was_written(home):
    migrate(home)
    half = {"id": 7, "dataset": "SECRET"}
    with writing(home) as connection, pytest.raises(sa.exc.IntegrityError) as caught:
        connection.execute(sa.insert(metadata.tables["sequences"]), half)
    assert "SECRET" not in str(caught.value)


def test_a_database_whose_connections_are_all_in_use_says_so(home, monkeypatch):
    monkeypatch.setattr(engine_of(home).pool, "_timeout", 0.01)

    def read_at_once(readers: int) -> None:
        with ExitStack() as stack:
            for _ in range(readers):
                stack.enter_context(reading(home))

    with pytest.raises(GalleryError, match="all are in use") as caught:
        read_at_once(100)
    assert "POSEBANK_THREADS" in caught.value.remedy
    read_at_once(3)
