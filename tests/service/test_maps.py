"""Maps are drawn once while they are asked for, and however many are, little memory is held."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import service.maps
from index.enrolment import erase_views
from index.gallery import Gallery
from index.home import Home
from index.store.database import reading
from service.maps import Maps
from service.schemas.map import MapOut
from service.security import ANONYMOUS, Caller
from tests.service.conftest import BuildToys

LIMITED = Caller("limited", frozenset(), ("elsewhere",))


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The limits of the maps that were drawn."""
    limits: list[int] = []
    real = service.maps.draw_map

    def draw(gallery, head, limit, filters):
        limits.append(limit)
        return real(gallery, head, limit, filters)

    monkeypatch.setattr("service.maps.draw_map", draw)
    return limits


def opened(folder: Path, name: str = "toys") -> Gallery:
    return Gallery.open(Home.open(folder, f"sqlite:///{folder / 'posebank.sqlite'}"), name)


def test_what_is_asked_for_again_is_not_drawn_again(home: Path, drawn: list[int]) -> None:
    gallery, maps = opened(home), Maps()
    first = maps.answer(gallery, None, 7, ANONYMOUS)
    assert maps.answer(gallery, "pose", 7, ANONYMOUS) == first
    assert drawn == [7]
    for head, limit, caller in (("identity", 7, ANONYMOUS), ("pose", 7, LIMITED)):
        assert maps.answer(gallery, head, limit, caller) != first
    assert drawn == [7, 7, 7]


def test_of_many_the_ones_asked_for_last_are_kept(home: Path, drawn: list[int]) -> None:
    gallery, maps = opened(home), Maps(kept=3)
    for limit in (1, 2, 3, 1, 4):  # 2 was asked for longest ago
        maps.answer(gallery, None, limit, ANONYMOUS)
    drawn.clear()
    for limit in (1, 3, 4, 2):
        assert len(MapOut.model_validate_json(maps.answer(gallery, None, limit, ANONYMOUS)).points)
    assert drawn == [2]


def test_they_take_no_more_than_their_bytes(home: Path, drawn: list[int]) -> None:
    gallery = opened(home)
    sizes = [sys.getsizeof(Maps().answer(gallery, None, limit, ANONYMOUS)) for limit in (20, 21)]
    maps = Maps(kept_bytes=sum(sizes))
    drawn.clear()
    for limit in (20, 21, 20, 21, 3, 21, 3, 20):
        maps.answer(gallery, None, limit, ANONYMOUS)
    assert drawn == [20, 21, 3, 20]
    tiny = Maps(kept_bytes=1)
    assert tiny.answer(gallery, None, 20, ANONYMOUS) == tiny.answer(gallery, None, 20, ANONYMOUS)
    assert drawn[4:] == [20, 20]


def test_nothing_of_an_older_state_is_kept(
    tmp_path: Path, build_toys: BuildToys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor of one that passed while its map was drawn; of other indexes everything is."""
    build_toys(tmp_path, frames=2)
    build_toys(tmp_path, "other", frames=3, dataset="other")
    gallery, maps = opened(tmp_path), Maps()
    kept = maps.answer(opened(tmp_path, "other"), None, 10, ANONYMOUS)
    old = maps.answer(gallery, None, 10, ANONYMOUS)
    gone = MapOut.model_validate_json(old).points[0].id
    real = service.maps.map_out

    def erased(*arguments):
        monkeypatch.undo()
        erase_views(gallery.home, [int(gone, 16)])
        with reading(gallery.home) as connection:
            gallery.follow(connection)
        assert gone not in maps.answer(gallery, None, 10, ANONYMOUS)
        return real(*arguments)

    monkeypatch.setattr("service.maps.map_out", erased)
    assert gone in maps.answer(gallery, None, 9, ANONYMOUS)  # as it was when that was asked
    assert gone not in maps.answer(gallery, None, 9, ANONYMOUS)
    assert gone not in "".join(maps._texts.values())
    assert kept in maps._texts.values()
