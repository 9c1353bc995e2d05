"""Whatever was done to a file of a version, it is refused by name before FAISS reads it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import faiss
import pytest

from index.build import BuildResult
from index.search import Gallery
from index.verify import verify_version
from training.errors import GalleryError


def flip(path: Path, _other: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(path: Path, _other: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def empty(path: Path, _other: Path) -> None:
    os.truncate(path, 0)


def append(path: Path, _other: Path) -> None:
    with path.open("ab") as file:
        file.write(b" ")


def swap(path: Path, other: Path) -> None:
    path.write_bytes(other.read_bytes())


def link(path: Path, other: Path) -> None:
    path.unlink()
    path.symlink_to(other)


def link_to_nothing(path: Path, other: Path) -> None:
    path.unlink()
    path.symlink_to(other.with_name("nothing"))


def link_to_an_endless_file(path: Path, _other: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def pipe(path: Path, _other: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def folder(path: Path, _other: Path) -> None:
    path.unlink()
    path.mkdir()


def remove(path: Path, _other: Path) -> None:
    path.unlink()


DAMAGES = (flip, truncate, empty, append, swap, link, link_to_nothing)
DAMAGES += (link_to_an_endless_file, pipe, folder, remove)
TOLD = {
    link_to_nothing: "a link to nothing",
    link_to_an_endless_file: "a device, not a file",
    pipe: "a pipe, not a file",
    folder: "a folder, not a file",
    remove: "missing",
}
"""What is said of whatever is there in place of a file."""


@contextmanager
def damaged(path: Path, other: Path, damage: Callable[[Path, Path], None]) -> Iterator[None]:
    """A file changed while the block runs; ``other`` is the same file of another version."""
    content = path.read_bytes()
    damage(path, other)
    try:
        yield
    finally:
        if path.is_dir():
            path.rmdir()
        else:
            path.unlink(missing_ok=True)
        path.write_bytes(content)


@pytest.fixture
def versions(build, home, turning) -> tuple[BuildResult, BuildResult]:
    """Two versions of one index, the second of them current; it has every kind of file."""
    return build(root=turning, stride=2), build(root=turning)


def test_every_file_and_every_damage(versions, home, monkeypatch):
    old, new = versions
    assert Gallery.open(home, "things").version == new.version
    names = sorted(path.name for path in new.folder.iterdir())
    assert names == [
        *("confidence.json", "ids.npy", "manifest.json"),
        *("vectors-identity.faiss", "vectors-pose.faiss"),
    ]
    read: list[str] = []
    real = faiss.read_index
    monkeypatch.setattr(faiss, "read_index", lambda name: read.append(name) or real(name))
    for name in names:
        path, other = new.folder / name, old.folder / name
        if not other.exists():  # too few views to calibrate
            other = old.folder / "manifest.json"
        for damage in DAMAGES:
            if name == "manifest.json" and damage is append:
                continue  # a blank behind the JSON changes nothing
            read.clear()
            with damaged(path, other, damage):
                with pytest.raises(GalleryError) as caught:
                    Gallery.open(home, "things")
                what = f"{name}: {damage.__name__}: {caught.value}"
                told = caught.value.message
                assert str(path) in told or f"things {new.version}" in told, what
                assert "promote another version" in caught.value.remedy, what
                assert str(path) not in read, what
                if not name.startswith("vectors"):
                    assert read == [], what
                verdict = verify_version(home, "things")
                assert not verdict.ok, what
                assert any(name in text for text in verdict.problems), (what, verdict)
                if damage in TOLD:
                    assert f"is {TOLD[damage]}" in verdict.problems[0], (what, verdict)
                    assert f"is {TOLD[damage]}" in told, what
    assert Gallery.open(home, "things").version == new.version
    assert verify_version(home, "things").ok


def test_a_manifest_is_refused_or_the_same_whichever_byte_is_flipped(versions, home):
    path = versions[1].folder / "manifest.json"
    content = path.read_bytes()
    refused = 0
    for place in range(0, len(content), 41):
        path.write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
        try:
            assert Gallery.open(home, "things").version == versions[1].version
        except GalleryError:
            refused += 1
        assert not verify_version(home, "things").ok
    assert refused > 20
