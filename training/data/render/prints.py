"""Printed and woven surfaces of objects: covers, labels, keys, screens, fabric, wood."""

from __future__ import annotations

import cv2
import numpy as np

from training.data.render import paint
from training.data.render.model import Colour, Texture

S = paint.SIZE


def artwork(image: Texture, rng: np.random.Generator) -> None:
    """Bands, discs and rays over the whole image, the ground of covers and packages."""
    kind = int(rng.integers(4))
    if kind == 0:
        ramp = np.linspace(0, 1, S)[:, None, None]
        top, low = np.array(paint.any_colour(rng)), np.array(paint.any_colour(rng))
        image[:] = (255 * (top * (1 - ramp) + low * ramp)).astype(np.uint8)
    elif kind == 1:
        y = int(rng.integers(S // 4, 3 * S // 4))
        image[y:] = paint.ink(paint.any_colour(rng))
    elif kind == 2:
        centre = rng.integers(S // 4, 3 * S // 4, 2)
        colour = paint.ink(paint.any_colour(rng))
        for i in range(0, 24, 2):
            a, b = 2 * np.pi * np.array([i, i + 1]) / 24
            rays = centre + 400 * np.array([[np.cos(a), np.sin(a)], [np.cos(b), np.sin(b)]])
            cv2.fillPoly(image, [np.vstack([centre, rays]).astype(np.int32)], colour)
    for _ in range(int(rng.integers(1, 6))):
        x, y = (int(v) for v in rng.integers(20, S - 20, 2))
        paint.blob(image, x, y, int(rng.integers(12, 70)), paint.any_colour(rng), rng)


def book_cover(rng: np.random.Generator, colour: Colour) -> Texture:
    """A front cover: artwork, a title that reads upright, an author line."""
    image = paint.sheet(colour)
    if rng.random() < 0.75:
        artwork(image, rng)
    y = int(rng.integers(16, 120))
    panel = paint.any_colour(rng)
    if rng.random() < 0.6:
        cv2.rectangle(image, (12, y - 8), (S - 12, y + 76), paint.ink(panel), -1)
    else:
        panel = colour
    text = paint.contrasting(panel, rng)
    y = paint.write(image, paint.word(rng), 24, y, int(rng.integers(130, 208)), text, rng)
    paint.write(image, paint.word(rng), 24, y + 4, int(rng.integers(70, 120)), text, rng)
    cv2.rectangle(image, (24, S - 34), (S - 24, S - 14), paint.ink(colour), -1)
    paint.lines(image, 40, S - 24, 160, 1, paint.contrasting(colour, rng), rng)
    return image


def back_cover(rng: np.random.Generator, colour: Colour) -> Texture:
    """A back cover: a paragraph of small print and a bar code."""
    image = paint.sheet(colour)
    paint.lines(image, 24, 30, 200, int(rng.integers(8, 20)), paint.contrasting(colour, rng), rng)
    bar_code(image, 24, 196, rng)
    return image


def bar_code(image: Texture, x: int, y: int, rng: np.random.Generator) -> None:
    """A bar code of 70 × 44 pixels from the corner."""
    image[y : y + 44, x : x + 70] = 245
    for at in range(4, 66, 3):
        image[y + 4 : y + 40, x + at : x + at + int(rng.integers(1, 3))] = 20


def package_front(rng: np.random.Generator, colour: Colour) -> Texture:
    """The front of a cereal box: big name, a bowl, flying pieces."""
    image = paint.sheet(colour)
    if rng.random() < 0.8:
        artwork(image, rng)
    banner = paint.any_colour(rng)
    y = int(rng.integers(10, 50))
    cv2.ellipse(
        image,
        (S // 2, y + 40),
        (118, 44),
        rng.uniform(-8, 8),
        0,
        360,
        paint.ink(banner),
        -1,
        cv2.LINE_AA,
    )
    text = paint.contrasting(banner, rng)
    paint.write(image, paint.word(rng), 40, y + 14, 176, text, rng)
    bowl, food = paint.any_colour(rng), paint.hue(rng, 0.6, 0.75)
    x, y = int(rng.integers(90, 166)), int(rng.integers(176, 206))
    cv2.ellipse(image, (x, y), (84, 30), 0, 0, 360, (240, 240, 235), -1, cv2.LINE_AA)
    cv2.ellipse(image, (x, y), (86, 66), 0, 0, 180, paint.ink(bowl), -1, cv2.LINE_AA)
    ring = rng.random() < 0.5
    for _ in range(34):
        px, py = x + int(rng.normal(0, 36)), y - int(abs(rng.normal(0, 12)))
        cv2.circle(image, (px, py), 8, paint.ink(food), 3 if ring else -1, cv2.LINE_AA)
    for _ in range(int(rng.integers(0, 14))):
        px, py = (int(v) for v in rng.integers(10, S - 10, 2))
        cv2.circle(image, (px, py), 7, paint.ink(food), 3 if ring else -1, cv2.LINE_AA)
    return image


def package_back(rng: np.random.Generator, colour: Colour) -> Texture:
    """The back: blocks of text, one picture, a code."""
    image = paint.sheet(colour)
    text = paint.contrasting(colour, rng)
    paint.write(image, paint.word(rng), 20, 14, 120, text, rng)
    paint.lines(image, 20, 66, 110, 10, text, rng)
    paint.blob(image, 190, 100, 44, paint.any_colour(rng), rng)
    paint.lines(image, 20, 150, 216, 5, text, rng)
    bar_code(image, 170, 200, rng)
    return image


def package_side(rng: np.random.Generator, colour: Colour) -> Texture:
    """A side: the table of contents in a white frame."""
    image = paint.sheet(colour)
    top = int(rng.integers(20, 110))
    image[top : top + 130, 30 : S - 30] = 245
    paint.lines(image, 40, top + 12, 170, 16, (0.1, 0.1, 0.1), rng)
    return image


def wrapped_label(rng: np.random.Generator, colour: Colour) -> Texture:
    """A label that goes round: name and emblem in the middle (front), small print on the rest."""
    image = paint.sheet(colour)
    stripe = paint.any_colour(rng)
    for edge in (0, S - 22):
        image[edge : edge + 22] = paint.ink(stripe)
    text = paint.contrasting(colour, rng)
    panel = paint.any_colour(rng)
    if rng.random() < 0.6:
        cv2.rectangle(image, (78, 30), (178, S - 30), paint.ink(panel), -1)
    else:
        panel = colour
    bold = paint.contrasting(panel, rng)
    y = paint.write(image, paint.word(rng), 82, int(rng.integers(40, 90)), 92, bold, rng)
    paint.blob(image, 128, y + 44, int(rng.integers(20, 38)), paint.any_colour(rng), rng)
    paint.lines(image, 6, 50, 52, 18, text, rng)
    image[60:170, 200:250] = 240
    paint.lines(image, 204, 70, 42, 13, (0.1, 0.1, 0.1), rng)
    return image


def decorated(rng: np.random.Generator, colour: Colour) -> Texture:
    """A mug's print: plain, striped, dotted or an emblem with a word on the front."""
    image = paint.sheet(colour)
    kind, second = int(rng.integers(5)), paint.any_colour(rng)
    if kind == 0:
        step = int(rng.integers(14, 50))
        for y in range(int(rng.integers(10, 40)), S, 2 * step):
            image[y : y + step] = paint.ink(second)
    elif kind == 1:
        for _ in range(60):
            x, y = (int(v) for v in rng.integers(0, S, 2))
            paint.blob(image, x, y, int(rng.integers(4, 14)), second, rng)
    elif kind == 2:
        image[int(rng.integers(90, 190)) :] = paint.ink(second)
    paint.blob(image, 128, 140, int(rng.integers(24, 44)), paint.contrasting(colour, rng), rng)
    paint.write(image, paint.word(rng), 92, int(rng.integers(40, 80)), 72, second, rng)
    if rng.random() < 0.5:
        paint.lines(image, 6, 120, 44, 5, paint.contrasting(colour, rng), rng)
    return image


def keyboard(rng: np.random.Generator, deck: Colour, keys: Colour) -> Texture:
    """A laptop's deck seen from above: keys in the upper half, a touch pad below."""
    image = paint.sheet(deck)
    left, right, rows = 18, S - 18, 6
    for row in range(rows):
        x, y = left, 22 + row * 22
        while x < right - 4:
            wide = row == rows - 1 and 80 < x < 120
            w = 84 if wide else int(rng.integers(14, 18)) if x > left else int(rng.integers(14, 26))
            w = min(w, right - x)
            cv2.rectangle(image, (x, y), (x + w - 3, y + 17), paint.ink(keys), -1)
            cv2.line(image, (x + 4, y + 6), (x + 7, y + 6), (200, 200, 200), 1)
            x += w
    pad = tuple(0.88 * c for c in deck)
    width = int(rng.integers(70, 120))
    low, high = (128 - width // 2, 168), (128 + width // 2, 244)
    cv2.rectangle(image, low, high, paint.ink((pad[0], pad[1], pad[2])), -1)
    cv2.rectangle(image, low, high, (70, 70, 70), 1)
    return image


def screen(rng: np.random.Generator) -> Texture:
    """What a laptop shows: a wallpaper with windows, or switched off."""
    if rng.random() < 0.15:
        return paint.sheet((0.03, 0.03, 0.04))
    image = paint.sheet(paint.any_colour(rng))
    artwork(image, rng)
    for _ in range(int(rng.integers(1, 4))):
        x, y = int(rng.integers(4, 90)), int(rng.integers(4, 70))
        w, h = int(rng.integers(90, 150)), int(rng.integers(90, 160))
        page = paint.grey(rng, 0.1, 1.0)
        cv2.rectangle(image, (x, y), (x + w, y + h), paint.ink(page), -1)
        cv2.rectangle(image, (x, y), (x + w, y + 10), (90, 90, 96), -1)
        paint.lines(image, x + 8, y + 22, w - 20, (h - 24) // 8, paint.contrasting(page, rng), rng)
    image[-14:] = (30, 30, 36)
    return image


def fabric(rng: np.random.Generator, colour: Colour) -> Texture:
    """A weave with a slow unevenness."""
    y, x = np.mgrid[0:S, 0:S]
    step = rng.uniform(2.0, 4.0)
    weave = np.sin(2 * np.pi * x / step) * np.sin(2 * np.pi * y / step)
    relief = 0.5 * weave + paint.cloud(rng, S, S, 30) + 0.6 * rng.standard_normal((S, S))
    return paint.shaded(colour, relief, 0.07)


def leather(rng: np.random.Generator, colour: Colour) -> Texture:
    """A fine grain."""
    return paint.shaded(colour, paint.cloud(rng, S, S, 5), 0.09)


def wood(rng: np.random.Generator, colour: Colour | None = None) -> Texture:
    """Grain along the image's width."""
    if colour is None:
        tone = rng.uniform(0.3, 1.0)
        colour = (0.80 * tone, rng.uniform(0.52, 0.62) * tone, rng.uniform(0.28, 0.42) * tone)
    y = np.arange(S)[:, None] / S
    bend = paint.cloud(rng, S, S, 40, 0.15)
    rings = np.sin(2 * np.pi * (rng.integers(5, 14) * y + 0.35 * bend))
    return paint.shaded(colour, 0.6 * rings + paint.cloud(rng, S, S, 6, 0.1), 0.10)


def logo_panel(rng: np.random.Generator, colour: Colour) -> Texture:
    """One colour with a wave or stripes on it, as on the side of a shoe or a lid."""
    image = paint.sheet(colour)
    mark = paint.ink(paint.contrasting(colour, rng) if rng.random() < 0.6 else paint.hue(rng))
    kind = int(rng.integers(3))
    if kind == 0:
        for i in range(3):
            x = 90 + 34 * i
            cv2.line(image, (x, 40), (x - 40, 220), mark, 14, cv2.LINE_AA)
    elif kind == 1:
        t = np.linspace(0, 1, 30)
        points = np.stack([40 + 180 * t, 170 - 110 * t**2 + 60 * np.sin(3 * t)], 1)
        cv2.polylines(image, [points.astype(np.int32)], False, mark, 20, cv2.LINE_AA)
    else:
        paint.blob(image, 128, 128, 56, tuple(c / 255 for c in mark), rng)  # type: ignore[arg-type]
    return image
