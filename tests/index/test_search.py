"""The search agrees with a brute-force one under any filter, and returns nothing deleted."""

from __future__ import annotations

import threading

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.filters import Filters
from index.home import Home
from index.search import Gallery
from index.store.database import close_database, writing
from index.store.views import delete_views, fetch_views
from index.vectors import FlatIndex, GrowingIndex
from training.errors import GalleryError, QueryError

CATEGORIES = ("cup", "shoe", "book", "unknown")
SEQUENCES = tuple(f"s{number}" for number in range(7))
INSTANCES = ("thing0", "thing1", "thing2", "thing3")


def some(values: tuple[str, ...]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(values), unique=True, max_size=2).map(tuple)


FILTERS = st.builds(
    Filters,
    dataset=some(("things", "elsewhere")),
    split=some(("train", "test")),
    category=some(CATEGORIES),
    sequence=some(SEQUENCES),
    instance=some(INSTANCES),
    exclude_sequence=some((*SEQUENCES, "things/s1", "elsewhere/s2")),
    exclude_instance=some((*INSTANCES, "things/thing1", "elsewhere/thing2")),
    has_box9=st.sampled_from([None, None, True, False]),
)


@pytest.fixture(scope="module")
def world(tmp_path_factory, painted, encoder):
    """An opened gallery, its views in row order and its vectors."""
    from index.build import build_index

    folder = tmp_path_factory.mktemp("world")
    home = Home.open(folder, f"sqlite:///{folder / 'home.sqlite'}")
    result = build_index(home, "things", [(painted, "manifest")], encoder)
    gallery = Gallery.open(home, "things")
    ids = np.load(result.folder / "ids.npy").tolist()
    with writing(home) as connection:
        stored = fetch_views(connection, ids)
    views = [stored[identity] for identity in ids]
    vectors = gallery.vectors(np.arange(gallery.size), "pose")
    yield gallery, views, vectors
    close_database(home)


def allowed(view, filters: Filters) -> bool:
    """The filters said in the plainest way."""
    for name in ("dataset", "split", "category", "sequence", "instance"):
        wanted = getattr(filters, name)
        if wanted and getattr(view, name) not in wanted:
            return False
    for name in ("sequence", "instance"):
        value = getattr(view, name)
        if {value, f"{view.dataset}/{value}"} & set(getattr(filters, f"exclude_{name}")):
            return False
    return filters.has_box9 is None or (view.box9 is not None) == filters.has_box9


@settings(max_examples=150)
@given(filters=FILTERS, k=st.integers(1, 40), seed=st.integers(0, 2**32 - 1))
def test_search_agrees_with_brute_force(world, filters, k, seed):
    gallery, views, vectors = world
    queries = np.random.default_rng(seed).normal(size=(3, 24)).astype(np.float32)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    found = gallery.search(queries, "pose", k, filters)
    rows = [row for row, view in enumerate(views) if allowed(view, filters)]
    for query, neighbours in zip(queries, found, strict=True):
        scores = {row: float(vectors[row].astype(float) @ query.astype(float)) for row in rows}
        best = sorted(scores, key=lambda row: -scores[row])[:k]
        assert [neighbour.view_id for neighbour in neighbours] == [views[r].id for r in best]
        np.testing.assert_allclose(
            [neighbour.similarity for neighbour in neighbours],
            [scores[row] for row in best],
            atol=1e-6,
        )


@settings(max_examples=40)
@given(
    grows=st.booleans(),
    rows=st.integers(1, 200),
    dim=st.sampled_from([1, 3, 16]),
    batch=st.integers(1, 30),
    k=st.integers(1, 220),
    share=st.floats(0, 1),
    seed=st.integers(0, 2**32 - 1),
)
def test_exact_indexes_agree_with_numpy_under_masks(grows, rows, dim, batch, k, share, seed):
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(rows, dim)).astype(np.float32)
    queries = random.normal(size=(batch, dim)).astype(np.float32)
    mask = random.random(rows) < share
    index = growing(vectors) if grows else FlatIndex.of(vectors, threads=1)
    similarity, found = index.search(queries, k, mask)
    np.testing.assert_array_equal(index.vectors(np.arange(rows)[::-1]), vectors[::-1])
    exact = queries.astype(float) @ vectors.astype(float).T
    exact[:, ~mask] = -np.inf
    for i in range(batch):
        count = min(k, int(mask.sum()))
        got = found[i][found[i] >= 0]
        assert len(got) == count
        assert len(set(got.tolist())) == count
        np.testing.assert_allclose(exact[i, got], np.sort(exact[i])[::-1][:count], atol=1e-4)
        np.testing.assert_allclose(similarity[i][:count], exact[i, got], atol=1e-4)


def growing(vectors: np.ndarray) -> GrowingIndex:
    """One that got the vectors bit by bit."""
    index = GrowingIndex(vectors.shape[1])
    for start in range(0, len(vectors), 50):
        index.append(vectors[start : start + 50])
    return index


def test_what_is_appended_or_wiped_does_not_disturb_a_search():
    vectors = np.random.default_rng(0).normal(size=(500, 8)).astype(np.float32)
    index = growing(vectors[:40])
    mask = np.ones(40, bool)
    before = index.search(vectors[:3], 5, mask)
    index.append(vectors[40:])
    after = index.search(vectors[:3], 5, mask)
    np.testing.assert_array_equal(before[1], after[1])
    index.wipe(np.array([3, 499]))
    assert not index.vectors(np.array([3, 499])).any()
    np.testing.assert_array_equal(index.vectors(np.array([4])), vectors[4:5])


def test_a_gpu_is_used_where_faiss_finds_one_and_has_room(monkeypatch):
    asked = []

    class Copy:
        def __init__(self, index) -> None:
            self._index = index

        def search(self, queries, k):
            asked.append(k)
            return self._index.search(queries, k)

    monkeypatch.setattr(faiss, "StandardGpuResources", object, raising=False)
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 1, raising=False)
    monkeypatch.setattr(faiss, "index_cpu_to_gpu", lambda _, __, i: Copy(i), raising=False)
    vectors = np.eye(3, dtype=np.float32)
    index = FlatIndex.of(vectors)
    assert index.search(vectors, 2)[1][:, 0].tolist() == [0, 1, 2]
    assert asked == [2]
    # A GPU index takes no mask: the CPU answers, as exactly.
    assert index.search(vectors, 2, np.array([False, True, True]))[1][1].tolist() == [1, 2]
    assert asked == [2]

    def no_room(*_):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(faiss, "index_cpu_to_gpu", no_room, raising=False)
    assert FlatIndex.of(vectors).search(vectors, 1)[1][:, 0].tolist() == [0, 1, 2]


def test_masked_and_whole_search_agree(world):
    _, _, vectors = world
    index = FlatIndex.of(vectors)
    whole = index.search(vectors, 30)
    masked = index.search(vectors, 30, np.ones(30, bool))
    np.testing.assert_array_equal(whole[1], masked[1])


def test_deleted_metadata_is_never_returned_and_the_search_goes_on(build, home):
    build()
    gallery = Gallery.open(home, "things")
    query = np.ones(24, np.float32) / np.sqrt(24)
    before = [neighbour.view_id for neighbour in gallery.search(query, k=30)[0]]
    with writing(home) as connection:
        assert delete_views(connection, before[:7]) == 7
    after = [neighbour.view_id for neighbour in gallery.search(query, k=10)[0]]
    assert after == before[7:17]
    assert gallery.view(before[0]) is None
    assert gallery.thumbnail(before[0]) is None
    reopened = Gallery.open(home, "things")
    assert [neighbour.view_id for neighbour in reopened.search(query, k=30)[0]] == before[7:]


def test_questions_that_make_no_sense_are_refused(world):
    gallery, _, vectors = world
    with pytest.raises(QueryError, match="no head 'depth'"):
        gallery.search(vectors[:1], "depth")
    with pytest.raises(QueryError, match="k is 0"):
        gallery.search(vectors[:1], k=0)
    with pytest.raises(QueryError, match="24 dimensions"):
        gallery.search(vectors[:1, :8])
    with pytest.raises(QueryError, match="not finite"):
        gallery.search(vectors[:1] * np.nan)
    assert gallery.search(np.zeros((0, 24), np.float32)) == []


def test_only_the_encoder_of_the_index_may_ask(world, encoder, other_encoder):
    gallery, _, _ = world
    gallery.check_encoder(encoder.identity)
    with pytest.raises(GalleryError, match="was built with encoder"):
        gallery.check_encoder(other_encoder.identity)


def test_heads_stand_in_for_each_other_with_a_note(world):
    gallery, _, _ = world
    assert gallery.resolve_head("identity") == ("identity", None)
    only_pose = object.__new__(Gallery)
    only_pose.name, only_pose.heads = "things", {"pose": 24}
    head, note = only_pose.resolve_head("identity")
    assert head == "pose"
    assert "no 'identity' head" in note
    with pytest.raises(QueryError, match="no head 'depth'"):
        only_pose.resolve_head("depth")


def test_values_of_the_columns(world):
    gallery, _, _ = world
    assert gallery.values("category") == ("book", "cup", "shoe")
    assert gallery.values("split") == ("test", "train")


def test_unknown_indexes_name_the_known_ones(world):
    gallery, _, _ = world
    with pytest.raises(GalleryError, match="'nothing' does not exist") as caught:
        Gallery.open(gallery.home, "nothing")
    assert "things" in caught.value.remedy
    with pytest.raises(GalleryError, match="no version 'ffffffffffff'"):
        Gallery.open(gallery.home, "things", "ffffffffffff")


def test_threads_share_a_gallery(world):
    gallery, views, vectors = world
    wrong: list[int] = []

    def ask(start: int) -> None:
        for row in range(start, 30, 4):
            if gallery.search(vectors[row], k=3)[0][0].view_id != views[row].id:
                wrong.append(row)

    threads = [threading.Thread(target=ask, args=(start,)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
