"""What lies under and around the objects: ground textures, walls, skies."""

from __future__ import annotations

import cv2
import numpy as np

from training.data.render import paint
from training.data.render.model import Texture

GROUND_SIZE = 512
INDOOR = ("planks", "tiles", "carpet", "plain", "cloth", "stone")
OUTDOOR = ("grass", "concrete", "tiles", "gravel", "planks")


def ground_texture(kind: str, rng: np.random.Generator) -> Texture:
    """(512, 512, 3) that tiles; the kinds are those of INDOOR and OUTDOOR."""
    n = GROUND_SIZE
    fine, slow = paint.cloud(rng, n, n, 2.5), paint.cloud(rng, n, n, 70)
    if kind == "planks":
        return _planks(rng, fine, slow)
    if kind == "tiles":
        colour = paint.grey(rng, 0.3, 0.9) if rng.random() < 0.6 else paint.hue(rng, 0.2, 0.7)
        image = paint.shaded(colour, 0.6 * slow + 0.3 * fine, 0.06)
        count = int(rng.choice([2, 4, 8]))
        step = n // count
        chequered = rng.random() < 0.4
        for i in range(count):
            for j in range(count):
                tile = image[i * step : (i + 1) * step, j * step : (j + 1) * step]
                dim = 0.6 if chequered and (i + j) % 2 else rng.uniform(0.94, 1.0)
                tile[:] = (tile * dim).astype(np.uint8)
        joint = paint.ink(paint.grey(rng, 0.2, 0.8))
        for i in range(count):
            cv2.line(image, (0, i * step), (n, i * step), joint, 3)
            cv2.line(image, (i * step, 0), (i * step, n), joint, 3)
        return image
    if kind == "carpet":
        colour = paint.hue(rng, 0.2, 0.6)
        image = paint.shaded(colour, 0.9 * rng.standard_normal((n, n)) + slow, 0.11)
        if rng.random() < 0.5:
            other = np.array(paint.hue(rng, 0.4, 0.6))
            y, x = np.mgrid[0:n, 0:n]
            k = int(rng.integers(2, 7))
            mask = (np.sin(2 * np.pi * k * x / n) * np.sin(2 * np.pi * k * y / n) > 0.3)[..., None]
            image = np.where(mask, (0.45 * image + 0.55 * 255 * other), image).astype(np.uint8)
        return image
    if kind == "grass":
        blades = paint.cloud(rng, n, n, 3, 0.4) + 0.8 * rng.standard_normal((n, n))
        tone = rng.uniform(0.7, 1.1)
        colour = (rng.uniform(0.25, 0.4) * tone, 0.42 * tone, 0.14 * tone)
        return paint.shaded(colour, blades + 0.7 * slow, 0.18)
    if kind == "gravel":
        stones = np.abs(paint.cloud(rng, n, n, 4)) + 0.3 * fine
        return paint.shaded(paint.grey(rng, 0.4, 0.65), stones - 0.8, 0.22)
    if kind == "stone":
        veins = np.exp(-8 * np.abs(paint.cloud(rng, n, n, 45)))
        return paint.shaded(
            paint.grey(rng, 0.35, 0.95), 1.4 * fine * 0.3 - veins + slow * 0.5, 0.09
        )
    if kind == "cloth":
        y, x = np.mgrid[0:n, 0:n]
        k = int(rng.integers(4, 14))
        band = (
            ((x * k // n) % 2 + (y * k // n) % 2) / 2.0 if rng.random() < 0.6 else (x * k // n) % 2
        )
        first, second = np.array(paint.muted(rng)), np.array(paint.grey(rng, 0.6, 1.0))
        field = first * band[..., None] + second * (1 - band[..., None])
        return np.clip(255 * field * (1 + 0.04 * fine[..., None]), 0, 255).astype(np.uint8)
    if kind == "plain":
        return paint.shaded(paint.muted(rng), 0.5 * slow + 0.4 * fine, 0.03)
    return paint.shaded(paint.grey(rng, 0.4, 0.75), fine + slow, 0.05)  # concrete


def _planks(rng: np.random.Generator, fine: np.ndarray, slow: np.ndarray) -> Texture:
    n, count = GROUND_SIZE, int(rng.choice([4, 6, 8, 16]))
    tone = rng.uniform(0.35, 1.0)
    colour = np.array((0.78, rng.uniform(0.5, 0.62), rng.uniform(0.3, 0.45))) * tone
    grain = paint.cloud(rng, n, n, 60, 0.06) + 0.35 * paint.cloud(rng, n, n, 6, 0.06)
    y = np.arange(n)[:, None] + 0 * np.arange(n)[None]
    x = np.arange(n)[None] + 0 * y
    row = y * count // n
    cut = rng.integers(0, n, count)
    board = (row * 2 + ((x + cut[row]) % n > n // 2)).astype(int)
    shade = 1 + 0.12 * rng.standard_normal(2 * count)[board]
    edge = (y * count % n < count * 2) | (np.abs((x + cut[row]) % (n // 2)) < 2)
    field = (
        colour * (shade * (1 + 0.10 * grain + 0.02 * fine) * np.where(edge, 0.55, 1.0))[..., None]
    )
    return np.clip(255 * field, 0, 255).astype(np.uint8)


def panorama(outdoor: bool, floor: np.ndarray, rng: np.random.Generator) -> Texture:
    """(256, 1024, 3) all directions: columns are azimuth, row 0 the zenith, the last the nadir.

    ``floor`` (3,) in [0, 1] is the mean colour that fills the lower half.
    """
    height, width = 256, 1024
    image = np.zeros((height, width, 3), dtype=np.float64)
    horizon = height // 2
    rise = np.linspace(1, 0, horizon)[:, None, None]
    if outdoor:
        zenith = np.array(
            [(0.25, 0.45, 0.85), (0.55, 0.62, 0.72), (0.3, 0.35, 0.6)][rng.integers(3)]
        )
        low = np.array([(0.8, 0.87, 0.95), (0.85, 0.84, 0.82), (0.95, 0.75, 0.55)][rng.integers(3)])
        image[:horizon] = zenith * rise + low * (1 - rise)
        clouds = np.clip(paint.cloud(rng, horizon, width, 40, 2.0), 0, 2)[..., None] * 0.12
        image[:horizon] += clouds * (1 - rise)
    else:
        wall = np.array(
            paint.grey(rng, 0.5, 0.95) if rng.random() < 0.6 else paint.hue(rng, 0.25, 0.75)
        )
        image[:horizon] = wall * (0.75 + 0.25 * (1 - rise))
        image[: height // 6] = 0.9 * wall + 0.08
    image[horizon:] = floor * np.linspace(0.95, 0.6, height - horizon)[:, None, None]
    canvas = (255 * np.clip(image, 0, 1)).astype(np.uint8)
    for _ in range(int(rng.integers(12, 30))):
        x, colour = int(rng.integers(0, width)), paint.muted(rng)
        if outdoor:
            top = horizon - int(rng.integers(4, 60))
            if rng.random() < 0.5:  # a house
                cv2.rectangle(
                    canvas,
                    (x, top),
                    (x + int(rng.integers(30, 120)), horizon + 3),
                    paint.ink(paint.grey(rng, 0.3, 0.8)),
                    -1,
                )
            else:  # a tree
                green = (0.2 * rng.uniform(0.5, 1.5), 0.35, 0.15)
                size = (int(rng.integers(16, 50)), int(rng.integers(14, 40)))
                cv2.ellipse(canvas, (x, top), size, 0, 0, 360, paint.ink(green), -1)
        elif rng.random() < 0.3:  # a window or a picture
            y, w, h = (
                int(rng.integers(30, 80)),
                int(rng.integers(30, 90)),
                int(rng.integers(24, 60)),
            )
            bright = (0.95, 0.97, 1.0) if rng.random() < 0.5 else colour
            cv2.rectangle(canvas, (x - 3, y - 3), (x + w + 3, y + h + 3), (240, 238, 232), -1)
            cv2.rectangle(canvas, (x, y), (x + w, y + h), paint.ink(bright), -1)
        else:  # furniture against the wall
            top = horizon - int(rng.integers(8, 80))
            box = (x + int(rng.integers(20, 110)), horizon + int(rng.integers(2, 14)))
            cv2.rectangle(canvas, (x, top), box, paint.ink(colour), -1)
            cv2.line(
                canvas, (x, (top + horizon) // 2), (box[0], (top + horizon) // 2), (40, 40, 40), 1
            )
    if not outdoor:
        cv2.line(canvas, (0, horizon), (width, horizon), (225, 222, 215), 3)
    return cv2.GaussianBlur(canvas, (0, 0), rng.uniform(0.8, 2.5)).astype(np.uint8)
