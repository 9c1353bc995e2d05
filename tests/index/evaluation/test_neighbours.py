"""Chunked search agrees with one big product, whatever the size of the chunks."""

import numpy as np
import pytest

from index.evaluation import neighbours
from index.evaluation.neighbours import nearest, rank_gallery


@pytest.mark.parametrize("entries", [1, 50, 1000, 1 << 23])
def test_chunks_do_not_change_the_answers(entries: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "ENTRIES_AT_ONCE", entries)
    rng = np.random.default_rng(0)
    query, gallery = rng.normal(size=(23, 6)).astype("f4"), rng.normal(size=(31, 6)).astype("f4")
    permitted, positive = rng.random((23, 31)) < 0.5, rng.random((23, 31)) < 0.3
    similarity = query @ gallery.T
    expected = np.where(permitted, similarity, -np.inf).argmax(axis=1)
    np.testing.assert_array_equal(nearest(query, gallery, lambda rows: permitted[rows]), expected)
    np.testing.assert_array_equal(nearest(query, gallery), similarity.argmax(axis=1))
    precision, rank1 = rank_gallery(
        query, gallery, lambda rows: positive[rows], lambda rows: permitted[rows]
    )
    assert precision.shape == rank1.shape == (23,)
    for row in range(23):
        order = np.argsort(-similarity[row])
        hits = positive[row][order][permitted[row][order]]
        ranks = np.flatnonzero(hits) + 1
        if ranks.size:
            expected_ap = (np.arange(1, ranks.size + 1) / ranks).mean()
            assert precision[row] == pytest.approx(expected_ap)
            assert rank1[row] == hits[0]
        else:
            assert np.isnan(precision[row])


def test_no_allowed_view_is_no_neighbour() -> None:
    vectors = np.eye(3, dtype=np.float32)
    found = nearest(vectors, vectors, lambda rows: rows[:, None] == np.array([[0, 0, 0]]))
    assert found.tolist() == [0, -1, -1]
    assert nearest(vectors, np.empty((0, 3), np.float32)).tolist() == [-1, -1, -1]
    precision, _ = rank_gallery(
        vectors,
        np.empty((0, 3), np.float32),
        lambda rows: np.ones((len(rows), 0), bool),
        lambda rows: np.ones((len(rows), 0), bool),
    )
    assert np.isnan(precision).all()
