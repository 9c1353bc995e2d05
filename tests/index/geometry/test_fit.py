"""The fit in scenes built by hand: what it recovers, what it refuses, and what law it obeys."""

from __future__ import annotations

from dataclasses import fields, replace
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from index.geometry import (
    REASONS,
    FittedBoxes,
    QueryView,
    ReferenceViews,
    box_vertices,
    fit_boxes,
    iou_3d_pairs,
    project,
    projected_bbox,
    signed_distance,
)
from index.geometry.views import (
    BOX_BEHIND_CAMERA,
    BOX_OUTSIDE_IMAGE,
    DEGENERATE_QUERY,
    DEGENERATE_REFERENCE,
    OK,
    OPPOSITE_NORMALS,
    PLANE_BEHIND_CAMERA,
    RAY_PARALLEL_TO_PLANE,
)

Array = NDArray[np.float64]
K = np.array([[520.0, 0.0, 239.5], [0.0, 525.0, 319.5], [0.0, 0.0, 1.0]])
SIZE = np.array([480.0, 640.0])


def scene(
    count: int,
    seed: int,
    azimuth: Array | None = None,
    elevation: Array | float = np.radians(30.0),
    distance: Array | float = 1.2,
    scale: Array | None = None,
    aim: float = 0.05,
) -> ReferenceViews:
    """Boxes on a ground plane, seen by cameras that look at them from around and above."""
    rng = np.random.default_rng(seed)
    azimuth = rng.uniform(-np.pi, np.pi, count) if azimuth is None else azimuth
    scale = rng.uniform(0.1, 0.3, (count, 3)) if scale is None else scale
    azimuth, elevation, distance = (
        np.broadcast_to(x, (count,)) for x in (azimuth, elevation, distance)
    )
    towards = np.stack(
        [
            np.cos(elevation) * np.sin(azimuth),
            np.sin(elevation),
            np.cos(elevation) * np.cos(azimuth),
        ],
        axis=1,
    )
    x = np.cross(-towards, [0.0, 1.0, 0.0])
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    R = np.stack([x, np.cross(-towards, x), -towards], axis=1)
    R = Rotation.from_rotvec(rng.normal(size=(count, 3)) * aim).as_matrix() @ R
    t = -np.einsum("nij,nj->ni", R, distance[:, None] * towards)
    up = R[:, :, 1]
    # The annotated point of the plane is not the foot of the box.
    foot = t - up * scale[:, 1:2] / 2
    return ReferenceViews(
        rotation=R,
        translation=t,
        scale=scale,
        bbox_xyxy=projected_bbox(K, box_vertices(R, t, scale)),
        K=np.repeat(K[None], count, axis=0),
        image_size=np.repeat(SIZE[None], count, axis=0),
        plane_center=foot + R[:, :, 0] * 0.3 - R[:, :, 2] * 0.2,
        plane_normal=up,
    )


def as_query(views: ReferenceViews, plane: bool = True) -> QueryView:
    """The views with their boxes withheld; row i is asked of neighbour i."""
    return QueryView(
        views.bbox_xyxy,
        K,
        SIZE,
        views.plane_center if plane else None,
        views.plane_normal if plane else None,
    )


def iou(fitted: FittedBoxes, truth: ReferenceViews) -> Array:
    return iou_3d_pairs(
        fitted.rotation, fitted.translation, fitted.scale,
        truth.rotation, truth.translation, truth.scale,
    )  # fmt: skip


def rows(views: ReferenceViews, *which: int) -> ReferenceViews:
    return ReferenceViews(*(getattr(views, f.name)[list(which)] for f in fields(views)))


@pytest.mark.parametrize("plane", [True, False])
@pytest.mark.parametrize("clip", [True, False])
def test_the_same_view_gives_the_same_box(plane: bool, clip: bool) -> None:
    truth = scene(40, seed=0)
    fitted = fit_boxes(as_query(truth, plane), truth, clip_to_image=clip)
    assert (fitted.reason == OK).all()
    assert (fitted.grounded == plane).all()
    for name in ("rotation", "translation", "scale"):
        assert np.abs(getattr(fitted, name) - getattr(truth, name)).max() < 1e-6


def test_the_same_object_from_another_height_and_distance_is_found() -> None:
    # Azimuth relative to the camera is the neighbour's, as a good embedding finds it.
    azimuth = np.random.default_rng(1).uniform(-np.pi, np.pi, 40)
    scale = np.random.default_rng(2).uniform(0.1, 0.3, (40, 3))
    truth = scene(40, 3, azimuth, np.radians(30), 1.2, scale, aim=0.0)
    seen = scene(40, 4, azimuth, np.radians(40), 1.5, scale, aim=0.0)
    found = iou(fit_boxes(as_query(truth), seen), truth)
    assert found.min() > 0.75
    assert np.median(found) > 0.85
    # More rounds converge on the true size, for the rotation is exactly right here.
    many = fit_boxes(as_query(truth), seen, steps=30)
    assert np.abs(many.rotation - truth.rotation).max() < 1e-9
    assert np.median(iou(many, truth)) > np.median(found)


def test_a_bigger_neighbour_shrinks_to_the_query() -> None:
    truth = scene(20, seed=5)
    bigger = scene(20, 5, scale=1.3 * truth.scale, distance=1.2)
    fitted = fit_boxes(as_query(truth), bigger, steps=20)
    assert np.median(np.abs(fitted.scale / truth.scale - 1.0)) < 0.05


def test_the_fitted_box_stands_on_the_querys_plane_at_the_neighbours_relative_height() -> None:
    query, seen = scene(1, seed=6), scene(30, seed=7)
    one = QueryView(query.bbox_xyxy[0], K, SIZE, query.plane_center[0], query.plane_normal[0])
    fitted = fit_boxes(one, seen)
    assert fitted.ok.all()
    bottom = box_vertices(fitted.rotation, fitted.translation, fitted.scale)[:, [1, 2, 5, 6]]
    assert np.abs(signed_distance(bottom, query.plane_center, query.plane_normal)).max() < 1e-9
    assert np.allclose(fitted.rotation[:, :, 1], query.plane_normal)
    assert np.allclose(np.linalg.det(fitted.rotation), 1.0)
    assert np.allclose(fitted.scale / fitted.scale[:, :1], seen.scale / seen.scale[:, :1])


@pytest.mark.parametrize("cut", [False, True])
def test_it_is_the_naive_fit_neighbour_by_neighbour(naive: ModuleType, cut: bool) -> None:
    query, seen = scene(1, seed=8), scene(25, seed=9, aim=0.25 if cut else 0.05)
    bbox = query.bbox_xyxy[0] - (np.array([200.0, 0.0, 150.0, 0.0]) if cut else 0.0)
    one = QueryView(bbox, K, SIZE, query.plane_center[0], 3.0 * query.plane_normal[0])
    fitted = fit_boxes(one, seen)
    assert fitted.ok.sum() > 20
    asked = {f.name: getattr(one, f.name) for f in fields(one)}
    for i in np.nonzero(fitted.ok)[0]:
        neighbour = {f.name: getattr(seen, f.name)[i] for f in fields(seen)}
        R, t, s = naive.naive_fit(asked, neighbour)
        assert np.allclose(fitted.rotation[i], R, atol=1e-9)
        assert np.allclose(fitted.translation[i], t, atol=1e-9)
        assert np.allclose(fitted.scale[i], s, atol=1e-9)


@pytest.mark.parametrize("plane", [True, False])
def test_a_neighbour_does_not_depend_on_its_company(plane: bool) -> None:
    query, seen = scene(1, seed=10), scene(12, seed=11)
    broken = replace(seen, scale=seen.scale.copy(), plane_normal=seen.plane_normal.copy())
    broken.scale[3] = np.nan
    broken.plane_normal[5] = 0.0
    one = as_query(query, plane)
    one = replace(one, **{
        f.name: getattr(one, f.name)[0]
        for f in fields(one)
        if f.name not in ("K", "image_size") and getattr(one, f.name) is not None
    })  # fmt: skip
    together = fit_boxes(one, broken)
    for i in range(12):
        alone = fit_boxes(one, rows(broken, i))
        for f in fields(alone):
            assert np.allclose(getattr(together, f.name)[i], getattr(alone, f.name)[0], atol=1e-12)


def test_without_a_plane_the_size_is_kept_and_the_object_looks_the_same() -> None:
    query, seen = scene(1, seed=12), scene(30, seed=13, aim=0.2)
    fitted = fit_boxes(QueryView(query.bbox_xyxy[0], K, SIZE), seen)
    assert fitted.ok.all()
    assert not fitted.grounded.any()
    assert (fitted.scale == seen.scale).all()

    def seen_from(R: Array, t: Array) -> Array:
        """Direction to the camera in the object's frame."""
        towards = -np.einsum("nji,nj->ni", R, t)
        return towards / np.linalg.norm(towards, axis=1, keepdims=True)

    assert np.allclose(
        seen_from(fitted.rotation, fitted.translation),
        seen_from(seen.rotation, seen.translation),
    )
    crop = projected_bbox(K, box_vertices(fitted.rotation, fitted.translation, fitted.scale))
    diagonals = [np.hypot(b[..., 2] - b[..., 0], b[..., 3] - b[..., 1])
                 for b in (crop, query.bbox_xyxy)]  # fmt: skip
    assert np.allclose(diagonals[0], diagonals[1], rtol=0.01)


def test_a_neighbour_without_a_plane_is_placed_by_its_size_beside_others_that_stand() -> None:
    query, seen = scene(4, seed=14), scene(4, seed=15)
    seen.plane_center[1] = np.nan
    seen.plane_normal[2] = 0.0
    fitted = fit_boxes(as_query(query), seen)
    assert fitted.ok.all()
    assert fitted.grounded.tolist() == [True, False, False, True]
    by_size = fit_boxes(as_query(query, plane=False), seen)
    assert np.allclose(fitted.translation[1:3], by_size.translation[1:3], atol=1e-12)


def reason_of(query: QueryView, neighbour: ReferenceViews) -> int:
    fitted = fit_boxes(query, neighbour)
    if fitted.reason[0] != OK:
        for name in ("rotation", "translation", "scale", "grounded"):
            assert not getattr(fitted, name).any()
    return int(fitted.reason[0])


def test_every_reason_is_given_where_it_holds() -> None:
    view = scene(1, seed=16, aim=0.0)
    query = as_query(view)
    up, foot = view.plane_normal, view.plane_center
    side = np.array([[1.0, 0.0, 0.0]])
    ray = view.translation / np.linalg.norm(view.translation)
    along = np.cross(ray, side)
    off_right = view.bbox_xyxy + np.array([1000.0, 0.0, 1000.0, 0.0])
    point = view.bbox_xyxy[:, [0, 1, 0, 1]]
    huge = replace(view, scale=100.0 * view.scale)
    cases = [
        (query, view, OK),
        (replace(query, bbox_xyxy=off_right), view, DEGENERATE_QUERY),
        (replace(query, bbox_xyxy=point), view, DEGENERATE_QUERY),
        (replace(query, bbox_xyxy=point * np.nan), view, DEGENERATE_QUERY),
        (replace(query, K=np.zeros((3, 3))), view, DEGENERATE_QUERY),
        (replace(query, plane_normal=np.zeros((1, 3))), view, DEGENERATE_QUERY),
        (query, replace(view, bbox_xyxy=point), DEGENERATE_REFERENCE),
        (query, replace(view, scale=view.scale * [[1.0, 0.0, 1.0]]), DEGENERATE_REFERENCE),
        (query, replace(view, rotation=view.rotation * np.nan), DEGENERATE_REFERENCE),
        (query, replace(view, translation=-view.translation), DEGENERATE_REFERENCE),
        (query, replace(view, plane_normal=-up), OPPOSITE_NORMALS),
        (replace(query, plane_normal=along), replace(view, plane_normal=along),
         RAY_PARALLEL_TO_PLANE),
        (replace(query, plane_center=foot + 9.0 * up), view, PLANE_BEHIND_CAMERA),
        (query, replace(huge, plane_center=view.translation - 1e-3 * up), BOX_BEHIND_CAMERA),
    ]  # fmt: skip
    for asked, neighbour, expected in cases:
        assert REASONS[reason_of(asked, neighbour)] == REASONS[expected]
    assert {code for *_, code in cases} | {BOX_OUTSIDE_IMAGE} == set(REASONS)


def test_a_box_carried_out_of_the_image_says_so() -> None:
    # The neighbour's centre lies far outside its clipped 2-D box, so the query's does as well.
    view = scene(1, seed=17, aim=0.0)
    sliver = np.array([[470.0, 300.0, 479.5, 301.0]])
    query = replace(as_query(view), bbox_xyxy=sliver)
    outside = replace(view, bbox_xyxy=np.array([[-0.5, 318.0, 3.0, 321.0]]))
    tiny = replace(outside, scale=view.scale * 1e-3)
    assert reason_of(query, tiny) == BOX_OUTSIDE_IMAGE


numbers = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True, width=64),
    st.sampled_from([0.0, 1.0, -1.0, 1e-9, 1e8, 1e300]),
    st.floats(-10, 10),
)


@given(st.data())
def test_whatever_it_is_given_it_never_answers_with_nan(data: st.DataObject) -> None:
    view = scene(2, seed=18)
    query = as_query(view)
    for _ in range(data.draw(st.integers(1, 3))):
        record = data.draw(st.sampled_from(["query", "neighbour"]))
        target = query if record == "query" else view
        name = data.draw(st.sampled_from([f.name for f in fields(target)]))
        shape = {"bbox_xyxy": (2, 4), "image_size": (2, 2)}.get(name) or getattr(view, name).shape
        values = np.array(np.broadcast_to(getattr(target, name), shape))
        values.flat[data.draw(st.integers(0, values.size - 1))] = data.draw(numbers)
        if record == "query":
            query = replace(query, **{name: values})
        else:
            view = replace(view, **{name: values})
    fitted = fit_boxes(query, view)
    for f in fields(fitted):
        assert np.isfinite(getattr(fitted, f.name)).all()
    assert (fitted.scale[fitted.ok] > 0).all()
    assert (fitted.translation[fitted.ok, 2] > 0).all()


@given(st.floats(0.1, 10.0))
def test_a_world_measured_in_other_units_gives_the_same_boxes_in_them(unit: float) -> None:
    query, seen = scene(5, seed=19), scene(5, seed=20)
    scaled_query, scaled_seen = (
        replace(v, translation=unit * v.translation, scale=unit * v.scale,
                plane_center=unit * v.plane_center)
        for v in (query, seen)
    )  # fmt: skip
    for plane in (True, False):
        fitted = fit_boxes(as_query(query, plane), seen)
        scaled = fit_boxes(as_query(scaled_query, plane), scaled_seen)
        assert np.allclose(scaled.translation, unit * fitted.translation)
        assert np.allclose(scaled.scale, unit * fitted.scale)
        assert np.allclose(scaled.rotation, fitted.rotation)


def test_none_asked_none_answered() -> None:
    empty = rows(scene(1, seed=21))
    none = ReferenceViews(*(getattr(empty, f.name)[:0] for f in fields(empty)))
    assert fit_boxes(as_query(none), none).reason.shape == (0,)


def test_the_centre_keeps_its_place_in_the_2d_box() -> None:
    query, seen = scene(1, seed=22), scene(10, seed=23)
    fitted = fit_boxes(QueryView(query.bbox_xyxy[0], K, SIZE), seen)
    place = [
        (project(K, t[:, None])[:, 0] - bbox[:, :2]) / (bbox[:, 2:] - bbox[:, :2])
        for t, bbox in ((fitted.translation, query.bbox_xyxy), (seen.translation, seen.bbox_xyxy))
    ]
    assert np.allclose(place[0], place[1])
