"""A crop is an exact map of pixel centres, black outside the image."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data.crop import crop_transform, crop_view
from training.errors import DataError

coordinate = st.floats(-50, 150)
side = st.floats(2, 120)
boxes = st.tuples(coordinate, coordinate, side, side).map(
    lambda b: np.array([b[0], b[1], b[0] + b[2], b[1] + b[3]])
)
sizes = st.integers(8, 96)
margins = st.floats(0.8, 2.0)


def plane_image(width: int, height: int, fx: float, fy: float, base: float) -> np.ndarray:
    """An image whose red is a linear function of x and y."""
    y, x = np.mgrid[:height, :width]
    red = base + fx * x + fy * y
    return np.stack([red, np.zeros_like(red), np.zeros_like(red)], axis=2).round().astype(np.uint8)


@given(boxes, sizes, margins)
def test_the_box_centre_is_the_crop_centre(box, size, margin):
    scale, offset = crop_transform(box, size, margin)
    centre = (box[:2] + box[2:]) / 2
    assert scale * centre + offset == pytest.approx([(size - 1) / 2] * 2, abs=1e-6)
    longest = max(box[2:] - box[:2])
    assert scale * longest * margin == pytest.approx(size)


@given(boxes, sizes, margins)
def test_grey_inside_box_and_image_black_outside_both(box, size, margin):
    width, height = 100, 80
    image = np.full((height, width, 3), 200, np.uint8)
    centre, half = (box[:2] + box[2:]) / 2, margin * (box[2:] - box[:2]) / 2
    low = np.maximum(centre - half, -0.5)
    high = np.minimum(centre + half, (width - 0.5, height - 0.5))
    if (low >= high).any():
        with pytest.raises(DataError, match="does not touch"):
            crop_view(image, box, size, margin)
        return
    crop = crop_view(image, box, size, margin)
    assert crop.shape == (size, size, 3)
    assert crop.dtype == np.uint8
    scale, offset = crop_transform(box, size, margin)
    first, last = scale * low + offset, scale * high + offset  # edges in crop pixels
    for axis, strip in ((0, crop.max(axis=(0, 2))), (1, crop.max(axis=(1, 2)))):
        cells = np.arange(size)
        outside = (cells + 0.5 < first[axis] - 0.01) | (cells - 0.5 > last[axis] + 0.01)
        assert (strip[outside] == 0).all()
    x, y = np.meshgrid(np.arange(size), np.arange(size))
    whole = (
        (x - 0.5 > first[0] + 0.01)
        & (x + 0.5 < last[0] - 0.01)
        & (y - 0.5 > first[1] + 0.01)
        & (y + 0.5 < last[1] - 0.01)
    )
    assert (np.abs(crop[whole].astype(int) - 200) <= 1).all()


@given(
    st.tuples(st.floats(0, 30), st.floats(0, 20), st.floats(20, 60), st.floats(20, 50)),
    sizes,
)
def test_crop_pixels_show_what_lies_at_their_image_pixels(box, size):
    """On a linear image both area averages and bilinear samples are the value at the centre."""
    image = plane_image(100, 80, 0.9, 1.3, 20)
    box = np.array([box[0] + 2, box[1] + 2, box[0] + box[2], box[1] + box[3]])
    crop = crop_view(image, box, size)[..., 0].astype(float)
    scale, offset = crop_transform(box, size)
    y, x = np.mgrid[:size, :size]
    at_x, at_y = (x - offset[0]) / scale, (y - offset[1]) / scale
    reach = 0.5 / scale + 0.5
    inside = (
        (at_x > box[0] + reach)
        & (at_x < box[2] - reach)
        & (at_y > box[1] + reach)
        & (at_y < box[3] - reach)
    )
    expected = 20 + 0.9 * at_x + 1.3 * at_y
    assert np.abs(crop - expected)[inside].max(initial=0.0) < 1.6


def test_a_whole_square_image_comes_back_unchanged():
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    assert (crop_view(image, [-0.5, -0.5, 63.5, 63.5], 64) == image).all()


def test_halving_averages_blocks_exactly():
    image = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    blocks = image.reshape(32, 2, 32, 2, 3).mean(axis=(1, 3))
    crop = crop_view(image, [-0.5, -0.5, 63.5, 63.5], 32)
    assert np.abs(crop - blocks).max() <= 0.5


def test_the_aspect_is_kept_and_the_rest_is_black():
    image = np.full((50, 100, 3), 255, np.uint8)
    crop = crop_view(image, [-0.5, -0.5, 99.5, 49.5], 40)
    assert (crop[10:30] == 255).all()
    assert (crop[:10] == 0).all()
    assert (crop[30:] == 0).all()


def test_shrinking_much_does_not_alias():
    stripes = np.zeros((1000, 1000, 3), np.uint8)
    stripes[:, ::2] = 255
    crop = crop_view(stripes, [-0.5, -0.5, 999.5, 999.5], 37)
    assert np.abs(crop.astype(int) - 127).max() <= 6


@given(
    st.tuples(st.floats(-60, 250), st.floats(-60, 200), st.floats(30, 330), st.floats(30, 330)),
    st.sampled_from([8, 11, 16, 64]),
    st.floats(0.9, 1.3),
)
def test_shrinking_averages_over_the_very_area_of_every_crop_pixel(box, size, margin):
    """Against a naive oracle: the image as constant squares, integrated over fractional cells."""
    rng = np.random.default_rng(3)
    image = cv2.resize(
        rng.integers(0, 256, (12, 16, 3), dtype=np.uint8), (320, 240), interpolation=cv2.INTER_CUBIC
    )
    box = np.array([box[0], box[1], box[0] + box[2], box[1] + box[3]])
    half, centre = margin * (box[2:] - box[:2]) / 2, (box[:2] + box[2:]) / 2
    low = np.maximum(centre - half, -0.5)
    high = np.minimum(centre + half, (319.5, 239.5))
    scale, offset = crop_transform(box, size, margin)
    if (high - low < 2 / scale).any() or scale > 1:
        return
    expected, whole = image.astype(float), []
    for axis in (0, 1):
        edges = (np.arange(size + 1) - 0.5 - offset[axis]) / scale
        edges = np.clip(edges, low[axis], high[axis])[:, None]
        pixels = np.arange(image.shape[1 - axis])
        overlap = np.minimum(edges[1:], pixels + 0.5) - np.maximum(edges[:-1], pixels - 0.5)
        weights = np.clip(overlap, 0, None) * scale  # (crop pixels, image pixels)
        whole.append(weights.sum(axis=1) > 1 - 1e-6)
        expected = np.moveaxis(np.tensordot(weights, expected, (1, 1 - axis)), 0, 1 - axis)
    error = crop_view(image, box, size, margin) - expected
    inside = whole[1][:, None] & whole[0]
    # At 8 pixels and more to one, half a pixel is interpolated between blocks: a little softer.
    assert np.abs(error[inside]).max(initial=0.0) < (3 if scale > 1 / 8 else 7)
    assert not inside.any() or abs(error[inside].mean()) < 1


@pytest.mark.parametrize("shift", [0.0, 0.13, 0.5, 0.77])
@pytest.mark.parametrize("across", [40.0, 77.7, 129.3, 256.0, 900.4])
def test_a_spot_keeps_its_place_to_hundredths_of_a_crop_pixel(shift, across):
    y, x = np.mgrid[:300, :300] if across < 300 else np.mgrid[:1000, :1000]
    at = np.array([len(x) / 2 + 3.3, len(x) / 2 - 4.1])
    spread = across / 20
    spot = 250 * np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / (2 * spread**2))
    image = np.repeat(spot.round().astype(np.uint8)[..., None], 3, axis=2)
    corner = len(x) / 2 - across / 2 + shift
    box = [corner, corner - 0.21, corner + across, corner - 0.21 + across]
    crop = crop_view(image, box, 32)[..., 0].astype(float)
    scale, offset = crop_transform(box, 32)
    rows, columns = np.mgrid[:32, :32]
    found = np.array([(crop * columns).sum(), (crop * rows).sum()]) / crop.sum()
    assert found == pytest.approx(scale * at + offset, abs=0.03)


@pytest.mark.parametrize("side", [10.0, 100.0, 3000.0])
@pytest.mark.parametrize("touch", [1e-7, 0.01, 0.3, 0.7, 1.2])
def test_a_box_may_touch_the_image_by_a_fraction_of_a_pixel(side, touch):
    image = np.full((80, 90, 3), 255, np.uint8)
    for low in ([89.5 - touch, 79.5 - touch], [-0.5 - side + touch, -0.5 - side + touch]):
        crop = crop_view(image, [*low, low[0] + side, low[1] + side], 32)
        light = 255 * (touch * 32 / side) ** 2
        assert crop[..., 0].sum() == pytest.approx(light, rel=0.05, abs=1)


def test_a_giant_box_stays_cheap():
    image = np.full((50, 50, 3), 255, np.uint8)
    for half in (50, 700, 1e4, 1e7):
        crop = crop_view(image, [24.5 - half, 24.5 - half, 24.5 + half, 24.5 + half], 32)
        area = (50 * 32 / (2 * half)) ** 2  # the image's share of the crop keeps its light
        assert crop[..., 0].sum() == pytest.approx(255 * area, rel=0.02, abs=2)


@pytest.mark.parametrize(
    ("box", "problem"),
    [
        ([10, 10, 10, 20], "empty"),
        ([20, 10, 10, 20], "empty"),
        ([0, 0, np.nan, 5], "finite"),
        ([0, 0, np.inf, 5], "finite"),
        ([0, 0, 5], "four"),
        ([100, 100, 120, 120], "does not touch"),
    ],
)
def test_impossible_boxes_are_refused_with_a_remedy(box, problem):
    with pytest.raises(DataError, match=problem) as error:
        crop_view(np.zeros((50, 50, 3), np.uint8), box, 32)
    assert error.value.remedy
