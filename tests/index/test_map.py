"""The map is the projection that keeps most of the variance, of the views one may see alone."""

from __future__ import annotations

import numpy as np
import pytest

from index.filters import Filters
from index.map import draw_map, principal_plane
from index.search import Gallery
from training.errors import QueryError


def oracle(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """By the singular values of the centred vectors, one axis at a time."""
    centred = vectors - vectors.mean(axis=0)
    _, sizes, axes = np.linalg.svd(centred)
    columns = []
    for axis in axes[:2]:
        sign = 1.0 if max(axis, key=abs) > 0 else -1.0
        columns.append([sign * float(axis @ row) for row in centred])
    return np.array(columns).T, (sizes**2 / (sizes**2).sum())[:2]


@pytest.mark.parametrize("shape", [(40, 6), (5, 24), (3, 2)], ids=str)
def test_it_is_the_principal_plane(shape: tuple[int, int]) -> None:
    vectors = np.random.default_rng(3).normal(size=shape) * np.arange(1, shape[1] + 1)
    xy, explained = principal_plane(vectors)
    expected, share = oracle(vectors)
    np.testing.assert_allclose(xy, expected, atol=1e-9)
    np.testing.assert_allclose(explained, share, atol=1e-12)


@pytest.mark.parametrize(
    "vectors",
    [np.zeros((0, 8)), np.ones((1, 8)), np.ones((7, 8)) / np.sqrt(8)],
    ids=["none", "one", "all alike"],
)
def test_what_does_not_differ_lies_at_the_origin(vectors: np.ndarray) -> None:
    xy, explained = principal_plane(vectors)
    assert xy.shape == (len(vectors), 2)
    np.testing.assert_allclose(xy, 0.0, atol=1e-12)
    assert explained.tolist() == [0.0, 0.0]


def test_one_dimension_is_a_line() -> None:
    xy, explained = principal_plane(np.array([[1.0], [2.0], [4.0]]))
    np.testing.assert_allclose(xy[:, 0], np.array([1, 2, 4]) - 7 / 3)
    assert (xy[:, 1] == 0).all()
    assert explained.tolist() == pytest.approx([1.0, 0.0])


def test_views_stand_by_their_own_places(build, home) -> None:
    build()
    gallery = Gallery.open(home, "things")
    drawn = draw_map(gallery, "identity", 100)
    assert (drawn.head, drawn.total, len(drawn.views)) == ("identity", 30, 30)
    alone, _ = principal_plane(gallery.vectors(np.arange(30), "identity"))
    rows = gallery.views(np.arange(30))
    where = {view.id: alone[row] for row, view in rows.items()}
    for view, place in zip(drawn.views, drawn.xy, strict=True):
        np.testing.assert_allclose(place, where[view.id])


def test_more_views_than_wanted_are_spread_evenly(build, home) -> None:
    build()
    gallery = Gallery.open(home, "things")
    drawn = draw_map(gallery, "pose", 6)
    assert (drawn.total, len(drawn.views)) == (30, 6)
    assert len({view.sequence for view in drawn.views}) >= 5


def test_what_may_not_be_seen_has_no_part_in_it(build, home) -> None:
    build()
    gallery = Gallery.open(home, "things")
    train = Filters(split="train")
    drawn = draw_map(gallery, "pose", 100, train)
    assert {view.split for view in drawn.views} == {"train"}
    alone, explained = principal_plane(gallery.vectors(gallery.rows(train), "pose"))
    np.testing.assert_allclose(drawn.explained, explained)
    np.testing.assert_allclose(np.sort(drawn.xy, axis=0), np.sort(alone, axis=0))
    assert len(draw_map(gallery, "pose", 9, Filters(allowed_datasets=())).views) == 0


def test_a_head_that_is_not_there_is_refused(build, home) -> None:
    build()
    with pytest.raises(QueryError, match="no head 'gait'"):
        draw_map(Gallery.open(home, "things"), "gait", 9)


def test_wide_embeddings_are_placed_as_exactly_as_the_eye_sees() -> None:
    spread = np.arange(1, 301) ** -0.5
    vectors = np.random.default_rng(5).normal(size=(200, 300)) * spread
    xy, explained = principal_plane(vectors)
    expected, share = oracle(vectors)
    np.testing.assert_allclose(xy, expected, atol=1e-3 * np.ptp(expected))
    np.testing.assert_allclose(explained, share, rtol=1e-3)
