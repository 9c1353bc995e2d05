"""API keys on SQLite and on Postgres: told once, kept as a hash, revoked for good."""

from __future__ import annotations

import dataclasses
import hashlib
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from index.filters import Filters
from index.home import Home
from index.keys import ApiKeyError, Keys, opens, parse_key
from index.search import Gallery
from index.store.database import reading


def test_a_key_comes_back_as_it_was_made(any_home: Home) -> None:
    keys, before = Keys(any_home), datetime.now(UTC)
    record, text = keys.create("robot", ["enrol", "query"], ["b", "a", "b"], 60)
    assert keys.all() == [record]
    assert (record.scopes, record.datasets, record.rate_per_minute) == (
        ("query", "enrol"),
        ("a", "b"),
        60,
    )
    assert before <= record.created_at <= datetime.now(UTC)
    whole, _ = keys.create("page", ["query"])
    assert (whole.datasets, whole.rate_per_minute) == (None, None)
    assert [key.name for key in keys.all()] == ["robot", "page"]
    none, _ = keys.create("nothing", ["query"], [])
    assert none in keys.all()
    assert none.datasets == ()
    assert text not in repr(keys.all())


def test_only_the_hash_of_the_secret_is_kept(any_home: Home) -> None:
    record, text = Keys(any_home).create("robot", ["query"])
    parts = parse_key(text)
    assert parts is not None
    identity, secret = parts
    assert identity == record.id
    assert record.hash == hashlib.sha256(secret.encode()).hexdigest()
    with reading(any_home) as connection:
        (row,) = connection.execute(sa.text("SELECT * FROM api_keys"))
    assert secret not in repr(tuple(row))


def test_a_secret_opens_its_own_active_key_alone(any_home: Home) -> None:
    keys = Keys(any_home)
    first, text = keys.create("first", ["query"])
    second, other = keys.create("second", ["query"])
    secret, another = text.rsplit("_")[-1], other.rsplit("_")[-1]
    assert len({first.id, second.id, secret, another}) == 4
    assert opens(secret, first)
    assert opens(another, second)
    assert not opens(another, first)
    assert not opens(secret[:-1], first)
    assert not opens("", first)
    assert not opens(secret, dataclasses.replace(first, revoked_at=datetime.now(UTC)))


def test_revoked_stays_revoked(any_home: Home) -> None:
    keys = Keys(any_home)
    kept, _ = keys.create("kept", ["query"])
    made, text = keys.create("lost", ["query"])
    revoked = keys.revoke(made.id)
    assert not revoked.active
    assert not opens(text.rsplit("_")[-1], revoked)
    assert keys.revoke(made.id).revoked_at == revoked.revoked_at
    assert keys.all() == [kept, revoked]
    keys.revoke(made.id, forget=True)
    assert keys.all() == [kept]
    with pytest.raises(ApiKeyError, match="There is no key"):
        keys.revoke(made.id)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("", ["query"]), "no name"),
        (("x" * 101, ["query"]), "no name"),
        (("a\nb", ["query"]), "no name"),
        (("a", []), "no scope"),
        (("a", ["query", "root"]), "no scope 'root'"),
        (("a", ["query"], [""]), "dataset of the key has no name"),
        (("a", ["query"], None, 0), "rate 0"),
        (("a", ["query"], None, 1_000_001), "rate 1000001"),
    ],
)
def test_keys_that_make_no_sense(home: Home, arguments: tuple, message: str) -> None:
    keys = Keys(home)
    with pytest.raises(ApiKeyError, match=message):
        keys.create(*arguments)
    assert keys.all() == []


@pytest.mark.parametrize(
    "text",
    ["", "pb_1_2", f"pb_{0:012}_{0:063}", f"pb_{0:012}_{0:064}\n", f"pb_{'é' * 12}_{0:064}"],
)
def test_other_texts_are_no_keys(text: str) -> None:
    assert parse_key(text) is None


def test_counts_and_values_are_those_that_the_filters_leave(build, home: Home, painted) -> None:
    build()
    gallery = Gallery.open(home, "things")
    every, manifest = gallery.counts(), gallery.manifest.counts
    assert every == manifest
    cups = gallery.counts(Filters(category="cup"))
    assert (cups.views, cups.sequences, cups.categories) == (10, 2, 1)
    assert gallery.values("category", Filters(category="cup")) == ("cup",)
    (dataset,) = gallery.values("dataset")
    for allowed, views in (((dataset,), every.views), (("other",), 0), ((), 0)):
        filters = Filters(allowed_datasets=allowed)
        assert gallery.counts(filters).views == views
        assert len(gallery.values("instance", filters)) == (3 if views else 0)
        assert gallery.count_instances(filters) == (3 if views else 0)
