"""Colours and the small strokes that textures are made of."""

from __future__ import annotations

import colorsys

import cv2
import numpy as np

from training.data.render.model import Colour, Texture

SIZE = 256
"""Side of an object texture in pixels."""

_WORDS = [
    "ALTO",
    "BRISK",
    "CORVO",
    "DELTA",
    "EMBER",
    "FLINT",
    "GROVE",
    "HAVEN",
    "INDIGO",
    "JUNO",
    "KITE",
    "LUMEN",
    "MIRA",
    "NOVA",
    "ORBIT",
    "PIXEL",
    "QUILL",
    "RIDGE",
    "SOLIS",
    "TERRA",
    "UMBRA",
    "VELO",
    "WREN",
    "XENO",
    "YARROW",
    "ZEST",
    "CRUNCH",
    "HONEY",
    "FRESH",
    "GOLD",
    "STAR",
    "WAVE",
]
_FONTS = (cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_TRIPLEX, cv2.FONT_HERSHEY_COMPLEX)


def hue(rng: np.random.Generator, vivid: float = 0.7, bright: float = 0.8) -> Colour:
    """A random colour whose saturation and value scatter about the given ones."""
    s = float(np.clip(rng.normal(vivid, 0.15), 0, 1))
    v = float(np.clip(rng.normal(bright, 0.12), 0.05, 1))
    return colorsys.hsv_to_rgb(float(rng.random()), s, v)


def grey(rng: np.random.Generator, low: float = 0.05, high: float = 0.95) -> Colour:
    """A nearly neutral colour between two brightnesses."""
    level = rng.uniform(low, high)
    r, g, b = np.clip(level * rng.normal(1.0, 0.025, 3), 0, 1)
    return float(r), float(g), float(b)


def any_colour(rng: np.random.Generator) -> Colour:
    """Mostly a hue, sometimes black, white or grey."""
    return grey(rng) if rng.random() < 0.35 else hue(rng, rng.uniform(0.3, 0.9))


def muted(rng: np.random.Generator) -> Colour:
    """What walls, floors and furniture wear: greys, browns and weak hues."""
    return grey(rng, 0.3, 0.95) if rng.random() < 0.4 else hue(rng, 0.16, 0.72)


def contrasting(colour: Colour, rng: np.random.Generator) -> Colour:
    """A colour that can be read on the given one."""
    dark = float(np.dot(colour, (0.3, 0.6, 0.1))) < 0.5
    h = rng.random()
    return (
        colorsys.hsv_to_rgb(h, rng.uniform(0, 0.5), 0.95)
        if dark
        else (colorsys.hsv_to_rgb(h, rng.uniform(0.3, 0.9), rng.uniform(0.1, 0.35)))
    )


def ink(colour: Colour) -> tuple[int, int, int]:
    """The colour as OpenCV's drawing functions take it."""
    r, g, b = (round(255 * c) for c in colour)
    return r, g, b


def sheet(colour: Colour, height: int = SIZE, width: int = SIZE) -> Texture:
    """A plain image of one colour."""
    return np.full((height, width, 3), ink(colour), dtype=np.uint8)


def word(rng: np.random.Generator) -> str:
    """A made-up brand name."""
    return str(rng.choice(_WORDS))


def write(
    image: Texture, text: str, x: int, y: int, width: int, colour: Colour, rng: np.random.Generator
) -> int:
    """Writes ``text`` from the top-left corner as wide as ``width``; returns the row below it."""
    font = int(rng.choice(_FONTS))
    (w, h), base = cv2.getTextSize(text, font, 1.0, 2)
    scale = min(width / w, 2.6)
    thick = max(1, round(2.2 * scale))
    cv2.putText(
        image, text, (x, y + round(h * scale)), font, scale, ink(colour), thick, cv2.LINE_AA
    )
    return y + round((h + base) * scale) + 2


def lines(
    image: Texture, x: int, y: int, width: int, count: int, colour: Colour, rng: np.random.Generator
) -> int:
    """Rows of dashes that look like small print; returns the row below them."""
    for _ in range(count):
        at = x
        while at < x + width - 6:
            step = int(rng.integers(5, 18))
            cv2.line(image, (at, y), (min(at + step, x + width), y), ink(colour), 2)
            at += step + 5
        y += 7
    return y


def blob(
    image: Texture, x: int, y: int, radius: int, colour: Colour, rng: np.random.Generator
) -> None:
    """A round, star-like or polygonal emblem."""
    kind = int(rng.integers(4))
    if kind == 0:
        cv2.circle(image, (x, y), radius, ink(colour), -1, cv2.LINE_AA)
        return
    corners = int(rng.integers(3, 9))
    angle = np.linspace(0, 2 * np.pi, 2 * corners, endpoint=False) + rng.uniform(0, 6)
    reach = np.where(np.arange(2 * corners) % 2, rng.uniform(0.4, 1.0), 1.0) * radius
    points = np.stack([x + reach * np.cos(angle), y + reach * np.sin(angle)], axis=1)
    cv2.fillPoly(image, [points.astype(np.int32)], ink(colour), cv2.LINE_AA)


def cloud(
    rng: np.random.Generator, height: int, width: int, scale: float, stretch: float = 1.0
) -> np.ndarray:
    """(height, width) float noise of mean 0 and deviation 1 that tiles; ``scale`` in pixels."""
    spectrum = np.fft.rfft2(rng.standard_normal((height, width)))
    fy = np.fft.fftfreq(height)[:, None] * scale
    fx = np.fft.rfftfreq(width)[None] * scale * stretch
    smooth = np.fft.irfft2(spectrum / (1 + fx**2 + fy**2) ** 1.2, (height, width))
    return (smooth - smooth.mean()) / max(float(smooth.std()), 1e-9)


def shaded(colour: Colour, relief: np.ndarray, depth: float) -> Texture:
    """``colour`` made lighter and darker by a relief of deviation 1."""
    field = np.asarray(colour) * (1 + depth * relief[..., None])
    return np.clip(255 * field, 0, 255).astype(np.uint8)
