"""Compacting changes where views are kept and not one answer, wherever it is killed."""

from __future__ import annotations

import json
import signal
import sys
import threading

import numpy as np
import pytest
from typer.testing import CliRunner

from index import manage
from index.build import build_index
from index.building.lock import exclusive
from index.cli import app
from index.enrolment import compact, enrol, erase_instance
from index.home import Home
from index.manifest import Manifest
from index.search import Catalog, Gallery
from index.store.database import close_database, reading
from index.store.versions import find_version, list_versions
from index.verify import verify_version
from training.errors import BusyError, GalleryError

STAGES = ["in-the-files", "before-rename", "after-rename", "in-the-transaction", "before-commit"]


def answers(gallery: Gallery) -> list[list[tuple[int, float]]]:
    """What ten fixed questions are answered, to five decimals."""
    queries = np.random.default_rng(5).normal(size=(10, 24)).astype(np.float32)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    return [
        [(neighbour.view_id, round(neighbour.similarity, 5)) for neighbour in found]
        for found in gallery.search(queries, k=gallery.size)
    ]


@pytest.fixture
def enrolled(any_home, painted, encoder, new_view):
    """An index with seven enrolled views."""
    build_index(any_home, "things", [(painted, None)], encoder)
    enrol(any_home, "things", encoder.identity, [new_view(n) for n in range(7)])
    return any_home


def test_the_answers_stay_and_the_catalog_follows(enrolled):
    catalog = Catalog(enrolled)
    old = catalog.get("things")
    before = answers(old)
    done = compact(enrolled, "things")
    assert (done.old, done.views) == (old.version, 7)
    assert catalog.refresh() == ("things",)
    new = catalog.get("things")
    assert (new.version, new.size) == (done.new, 37)
    assert answers(new) == before == answers(old)
    assert new.counts() == new.manifest.counts
    verdict = verify_version(enrolled, "things")
    assert (verdict.problems, verdict.notes) == ((), ())
    again = compact(enrolled, "things")
    assert (again.old, again.new, again.views) == (done.new, done.new, 0)


def test_the_version_before_is_searched_with_the_enrolled_views_still(enrolled):
    before = answers(Gallery.open(enrolled, "things"))
    done = compact(enrolled, "things")
    manage.promote(enrolled, "things", done.old)
    assert answers(Gallery.open(enrolled, "things")) == before
    manage.promote(enrolled, "things", done.new)
    assert manage.drop(enrolled, "things", done.old).views == 0
    assert answers(Gallery.open(enrolled, "things")) == before


@pytest.mark.parametrize("stage", [*STAGES, "after-commit"])
def test_killed_anywhere_it_loses_nothing_and_can_be_repeated(enrolled, act, stage):
    before = answers(Gallery.open(enrolled, "things"))
    with act(enrolled, "compact", stage) as child:
        assert child.wait(60) == -signal.SIGKILL
    assert answers(Gallery.open(enrolled, "things")) == before
    compact(enrolled, "things")
    assert answers(Gallery.open(enrolled, "things")) == before
    assert Gallery.open(enrolled, "things").manifest.counts.views == 37
    assert verify_version(enrolled, "things").problems == ()
    with reading(enrolled) as connection:
        known = {record.version for record in list_versions(connection, "things")}
    assert len(known) == 2
    folder = enrolled.index_folder("things")
    assert {path.name for path in folder.iterdir()} - {".lock", ".work"} == known


def test_equal_contents_get_one_name_on_both_databases(
    tmp_path, postgres_url, painted, encoder, new_view
):
    names = set()
    for name, url in (("a", f"sqlite:///{tmp_path / 'a.sqlite'}"), ("b", postgres_url)):
        home = Home.open(tmp_path / name, url)
        build_index(home, "things", [(painted, None)], encoder)
        enrol(home, "things", encoder.identity, [new_view(n) for n in range(5)])
        compact(home, "things")
        erase_instance(home, "workshop", "drill3")
        names.add(Gallery.open(home, "things").version)
        close_database(home)
    assert len(names) == 1


def test_the_calibration_is_carried_over_and_the_manifest_says_so(home, turning, encoder, new_view):
    built = build_index(home, "things", [(turning, None)], encoder)
    assert built.manifest.confidence_sha256 is not None
    enrol(home, "things", encoder.identity, [new_view(1)])
    compact(home, "things")
    erase_instance(home, "things", "thing3")
    gallery = Gallery.open(home, "things")
    derived = gallery.manifest.derived
    assert (derived.by, derived.erased, derived.folded) == ("erase", 6, 0)
    assert derived.confidence_of == built.version
    assert gallery.confidence == Gallery.open(home, "things").confidence is not None
    assert gallery.manifest.confidence_sha256 == built.manifest.confidence_sha256
    assert gallery.manifest.canary == built.manifest.canary
    assert Manifest.parse(built.manifest.text, "x").derived is None
    assert "derived" not in json.loads(built.manifest.text)


def test_a_promotion_meanwhile_stands(home, build, encoder, new_view, monkeypatch):
    first = build(split="train")
    build()
    enrol(home, "things", encoder.identity, [new_view(1)])
    module = sys.modules["index.enrolment.compact"]
    real = module.rewritten

    def promoting(*arguments):
        result = real(*arguments)
        manage.promote(home, "things", first.version)
        return result

    monkeypatch.setattr(module, "rewritten", promoting)
    with pytest.raises(BusyError, match="was promoted meanwhile"):
        module.compact(home, "things")
    with reading(home) as connection:
        assert find_version(connection, "things").version == first.version


def test_an_unknown_or_busy_index_is_refused(home, build):
    build()
    with pytest.raises(GalleryError, match="'nothing' does not exist"):
        compact(home, "nothing")
    with exclusive(home.index_folder("things")), pytest.raises(BusyError):
        compact(home, "things")


def test_everything_at_once_loses_nothing(any_home, painted, encoder, new_view):
    build_index(any_home, "things", [(painted, None)], encoder, split="train")
    errors: list[BaseException] = []

    def run(work) -> threading.Thread:
        def guarded() -> None:
            try:
                work()
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=guarded)
        thread.start()
        return thread

    def patiently(call) -> None:
        while True:
            try:
                return call()
            except BusyError:
                continue

    def enrolling(first: int) -> None:
        for n in range(first, first + 12):
            enrol(any_home, "things", encoder.identity, [new_view(n)])
            if n % 3 == 0:
                assert erase_instance(any_home, "workshop", f"drill{n}").views == 1

    def compacting() -> None:
        for _ in range(4):
            patiently(lambda: compact(any_home, "things"))

    def building() -> None:
        patiently(lambda: build_index(any_home, "things", [(painted, None)], encoder))

    catalog = Catalog(any_home)
    threads = [
        run(lambda: enrolling(0)),
        run(lambda: enrolling(100)),
        run(compacting),
        run(building),
    ]
    while any(thread.is_alive() for thread in threads):
        catalog.refresh()
        answers(catalog.get("things"))
    assert errors == []
    catalog.refresh()
    patiently(lambda: compact(any_home, "things"))
    wanted = {f"drill{n}" for first in (0, 100) for n in range(first, first + 12) if n % 3}
    gallery = Gallery.open(any_home, "things")
    assert {name for name in gallery.values("instance") if name.startswith("drill")} == wanted
    assert gallery.manifest.counts.views == gallery.size
    assert gallery.size == 30 + len(wanted)
    assert verify_version(any_home, "things").problems == ()
    assert answers(catalog.get("things"))


def test_the_command_says_what_it_did(home, build, encoder, new_view, monkeypatch):
    build()
    enrol(home, "things", encoder.identity, [new_view(1)])
    monkeypatch.setenv("POSEBANK_DATABASE_URL", home.database_url)
    words = ["compact", "things", "--home", str(home.path)]
    told = CliRunner().invoke(app, [*words, "--json"])
    done = json.loads(told.stdout)
    assert done == {
        "name": "things",
        "old": done["old"],
        "new": Gallery.open(home, "things").version,
        "views": 1,
    }
    assert "Nothing was enrolled" in CliRunner().invoke(app, words).stdout
