"""A version is used only while its files, its rows and its manifest agree."""

from __future__ import annotations

import json

import faiss
import pytest
import sqlalchemy as sa

from index import manage
from index.home import Home
from index.manifest import Manifest
from index.search import Gallery
from index.store.database import reading, writing
from index.store.tables import sequences, thumbnails, version_rows, views
from index.store.versions import find_version
from index.store.views import delete_views
from index.verify import verify_version
from training.errors import GalleryError


def counts(home: Home) -> dict[str, int]:
    with reading(home) as connection:
        return {
            table.name: connection.execute(sa.select(sa.func.count()).select_from(table)).scalar()
            for table in (sequences, views, thumbnails, version_rows)
        }


def test_a_whole_version_verifies(build, home):
    build()
    verdict = verify_version(home, "things")
    assert verdict.ok
    assert verdict.notes == ()


@pytest.mark.parametrize("change", ["flip", "cut", "append", "remove"])
def test_a_changed_vector_file_is_refused_before_faiss_reads_it(build, home, monkeypatch, change):
    path = build().folder / "vectors-pose.faiss"
    content = bytearray(path.read_bytes())
    if change == "flip":
        content[5] ^= 1
    elif change == "cut":
        content = content[:-1]
    elif change == "append":
        content += b"\0"
    path.write_bytes(content)
    if change == "remove":
        path.unlink()
    read = faiss.read_index

    def guarded(name: str):
        if name == str(path):
            pytest.fail("FAISS read the file")
        return read(name)

    monkeypatch.setattr(faiss, "read_index", guarded)
    with pytest.raises(GalleryError, match=r"SHA-256|cannot be read"):
        Gallery.open(home, "things")
    verdict = verify_version(home, "things")
    assert not verdict.ok
    assert "vectors-pose.faiss" in verdict.problems[0]


def test_a_changed_manifest_is_refused(build, home):
    path = build().folder / "manifest.json"
    content = json.loads(path.read_text())
    content["counts"]["views"] = 29
    path.write_text(json.dumps(content))
    with pytest.raises(GalleryError, match="hashes to"):
        Gallery.open(home, "things")
    assert any("hashes to" in text for text in verify_version(home, "things").problems)
    path.write_text("{}")
    with pytest.raises(GalleryError, match="is no manifest"):
        Gallery.open(home, "things")


def test_rows_in_another_order_are_refused(build, home):
    build()
    with writing(home) as connection:
        for row, other in ((0, 1000), (1, 0), (1000, 1)):
            connection.execute(
                sa.update(version_rows).where(version_rows.c.row == row).values(row=other)
            )
    with pytest.raises(GalleryError, match="another order"):
        Gallery.open(home, "things")
    assert any("another order" in text for text in verify_version(home, "things").problems)


def test_lost_rows_are_refused(build, home):
    build()
    with writing(home) as connection:
        connection.execute(sa.delete(version_rows).where(version_rows.c.row == 29))
    assert any("29 rows" in text for text in verify_version(home, "things").problems)


def test_deleted_and_corrected_metadata_is_noted(build, home, paint_at, rewrite, tmp_path):
    first = build()
    lines = paint_at(tmp_path / "things")
    rewrite(tmp_path / "things", [item | {"category": "other"} for item in lines])
    build(root=tmp_path / "things")
    verdict = verify_version(home, "things", first.version)
    assert verdict.ok
    assert "changed by a later build" in verdict.notes[0]
    with reading(home) as connection:
        gone = connection.execute(sa.select(views.c.id).limit(3)).scalars().all()
    with writing(home) as connection:
        delete_views(connection, gone)
    verdict = verify_version(home, "things")
    assert verdict.ok
    assert "3 views was deleted" in verdict.notes[0]


def test_promote_goes_back_and_refuses_damage(build, home):
    first, second = build(split="train"), build()
    assert Gallery.open(home, "things").version == second.version
    manage.promote(home, "things", first.version)
    assert Gallery.open(home, "things").version == first.version
    (second.folder / "ids.npy").unlink()
    with pytest.raises(GalleryError, match=r"ids\.npy is missing"):
        manage.promote(home, "things", second.version)
    with pytest.raises(GalleryError, match="no version"):
        manage.promote(home, "things", "000000000000")
    assert Gallery.open(home, "things").version == first.version


def test_drop_takes_what_nothing_else_uses(build, home):
    train, whole = build(split="train"), build()
    with pytest.raises(GalleryError, match="is the current one"):
        manage.drop(home, "things", whole.version)
    dropped = manage.drop(home, "things", train.version)
    assert dropped.views == 0
    assert not train.folder.exists()
    assert counts(home) == {"sequences": 6, "views": 30, "thumbnails": 30, "version_rows": 30}
    half = build(split="test")
    assert manage.drop(home, "things", whole.version).views == 15
    assert counts(home) == {"sequences": 3, "views": 15, "thumbnails": 15, "version_rows": 15}
    assert Gallery.open(home, "things").size == 15
    assert manage.drop(home, "things", half.version, force=True).views == 15
    assert set(counts(home).values()) == {0}
    with pytest.raises(GalleryError, match="does not exist"):
        Gallery.open(home, "things")


def test_views_of_two_indexes_survive_the_drop_of_one(build, home):
    first, _ = build("first"), build("second")
    assert manage.drop(home, "first", first.version, force=True).views == 0
    assert Gallery.open(home, "second").search([1.0] + [0.0] * 23, k=30)[0][29].view.category


def test_equal_content_under_two_names_is_two_versions(build, home):
    assert build("first").version != build("second").version
    with reading(home) as connection:
        record = find_version(connection, "first")
    assert Manifest.parse(record.manifest, "row").name == "first"
