"""Killed anywhere, a build goes on and ends in the same bytes; two builds never mix."""

from __future__ import annotations

import random
import signal
import sqlite3
import time
from contextlib import closing

import pytest
import sqlalchemy as sa

from index.build import build_index
from index.home import Home
from index.search import Gallery
from index.store.database import close_database, engine_of, reading
from index.store.versions import list_versions
from index.verify import verify_version
from training.errors import GalleryError

STAGES = [
    "in-a-shard",
    "after-a-shard",
    "after-vectors",
    "before-rename",
    "after-rename",
    "in-the-second-transaction",
    "before-commit",
    "after-commit",
]


@pytest.fixture
def whole(painted, encoder, tmp_path, monkeypatch) -> dict[str, bytes]:
    """The files of a build that nothing disturbed."""
    monkeypatch.setattr("index.building.plan.SHARD_VIEWS", 8)
    calm = Home.open(tmp_path / "calm", f"sqlite:///{tmp_path / 'calm.sqlite'}")
    result = build_index(calm, "things", [(painted, "manifest")], encoder)
    close_database(calm)
    return {path.name: path.read_bytes() for path in result.folder.iterdir()}


def assert_same(home: Home, whole: dict[str, bytes]) -> None:
    gallery = Gallery.open(home, "things")
    folder = home.version_folder("things", gallery.version)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == whole
    assert verify_version(home, "things").notes == ()
    assert verify_version(home, "things").problems == ()
    with reading(home) as connection:
        assert len(list_versions(connection)) == 1


@pytest.mark.parametrize("stage", STAGES)
def test_killed_at_each_stage_the_same_command_ends_in_the_same_bytes(
    home, painted, encoder, whole, child, stage
):
    with child(home, painted, stage) as killed:
        assert killed.wait(60) == -signal.SIGKILL
    build_index(home, "things", [(painted, "manifest")], encoder)
    assert_same(home, whole)


def test_killed_at_random_moments_the_manifest_is_identical(home, painted, encoder, whole, child):
    moments = random.Random(5)
    lock = home.index_folder("things") / ".lock"
    for _ in range(4):
        lock.unlink(missing_ok=True)
        with child(home, painted, "slow") as process:
            while not lock.exists() and process.poll() is None:
                time.sleep(0.005)
            time.sleep(moments.uniform(0.0, 0.35))
            process.kill()
    build_index(home, "things", [(painted, "manifest")], encoder)
    assert_same(home, whole)


def test_a_resumed_build_encodes_only_what_is_missing(home, painted, encoder, whole, child):
    with child(home, painted, "after-a-shard") as killed:
        killed.wait(60)

    class Counting:
        identity, heads, crop = encoder.identity, encoder.heads, encoder.crop
        crops = 0

        def encode(self, crops, batch_size=64):
            self.crops += len(crops)
            return encoder.encode(crops)

    counting = Counting()
    build_index(home, "things", [(painted, "manifest")], counting)
    # Two shards of two sequences of 5 views were done; one crop more is the canary's.
    assert counting.crops == 10 + 1
    assert_same(home, whole)


def test_a_damaged_shard_is_made_again(home, painted, encoder, whole, child):
    with child(home, painted, "before-rename") as killed:
        killed.wait(60)
    shards = sorted((home.index_folder("things") / ".work").glob("*/shard-*.npz"))
    assert len(shards) == 3
    flipped = bytearray(shards[0].read_bytes())
    flipped[len(flipped) // 2] ^= 255
    shards[0].write_bytes(flipped)
    shards[1].write_bytes(shards[1].read_bytes()[:-100])
    build_index(home, "things", [(painted, "manifest")], encoder)
    assert_same(home, whole)


def test_a_damaged_version_folder_is_replaced(home, painted, encoder, whole):
    result = build_index(home, "things", [(painted, "manifest")], encoder)
    (result.folder / "vectors-pose.faiss").write_bytes(b"rubbish")
    build_index(home, "things", [(painted, "manifest")], encoder)
    assert_same(home, whole)


def test_a_second_build_is_refused_while_the_first_lives_and_not_after(
    home, painted, encoder, whole, child
):
    with child(home, painted, "wait") as holder:
        assert holder.stdout.readline() == "encoding\n"
        with pytest.raises(GalleryError, match=f"built or changed by process {holder.pid} on "):
            build_index(home, "things", [(painted, "manifest")], encoder)
        build_index(home, "other", [(painted, "manifest")], encoder)
        holder.kill()
    assert (home.index_folder("things") / ".lock").read_text()  # stale: its process is dead
    build_index(home, "things", [(painted, "manifest")], encoder)
    assert Gallery.open(home, "things").size == 30


def test_a_full_disk_is_said_and_the_old_version_stays(home, painted, encoder, monkeypatch):
    old = build_index(home, "things", [(painted, "manifest")], encoder, split="train")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(GalleryError, match="is full") as caught:
            build_index(home, "things", [(painted, "manifest")], encoder)
    assert "Free space" in caught.value.remedy
    assert Gallery.open(home, "things").version == old.version
    assert build_index(home, "things", [(painted, "manifest")], encoder).version != old.version


def test_a_full_database_is_said_and_the_old_version_stays(home, painted, encoder):
    old = build_index(home, "things", [(painted, "manifest")], encoder, split="train")
    close_database(home)

    def small(connection, _record) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")

    sa.event.listen(engine_of(home), "connect", small)
    with pytest.raises(GalleryError, match="database or disk is full") as caught:
        build_index(home, "things", [(painted, "manifest")], encoder)
    assert "Free space" in caught.value.remedy
    assert Gallery.open(home, "things").version == old.version
    sa.event.remove(engine_of(home), "connect", small)
    close_database(home)
    assert build_index(home, "things", [(painted, "manifest")], encoder).version != old.version
    assert verify_version(home, "things").problems == ()


def test_a_disk_that_forgets_what_it_wrote_ends_the_build(home, painted, encoder, monkeypatch):
    """Making such a shard again and again would never end."""
    from index.building import embed

    real = embed.write_shard

    def forget(path, shard):
        real(path, shard)
        damaged = bytearray(path.read_bytes())
        damaged[len(damaged) // 2] ^= 0x55
        path.write_bytes(damaged)

    monkeypatch.setattr(embed, "write_shard", forget)
    with pytest.raises(GalleryError, match="although it was just written"):
        build_index(home, "things", [(painted, "manifest")], encoder)


def test_a_database_that_another_process_writes_is_said(home, painted, encoder):
    build_index(home, "things", [(painted, "manifest")], encoder)
    close_database(home)

    def impatient(connection, _record) -> None:
        connection.execute("PRAGMA busy_timeout = 50")

    sa.event.listen(engine_of(home), "connect", impatient)
    with closing(sqlite3.connect(home.database_url.removeprefix("sqlite:///"))) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(GalleryError, match="locked") as caught:
            build_index(home, "things", [(painted, "manifest")], encoder)
    assert "Another process is writing" in caught.value.remedy
    sa.event.remove(engine_of(home), "connect", impatient)
    close_database(home)


def test_a_damaged_database_is_said(tmp_path):
    home = Home.open(tmp_path, None)
    (tmp_path / "posebank.sqlite").write_bytes(b"not a database" * 500)
    with pytest.raises(GalleryError, match="file is not a database") as caught, reading(home):
        pass
    assert "move it away" in caught.value.remedy
    close_database(home)
