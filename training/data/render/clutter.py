"""Things that stand around the object and are not annotated."""

from __future__ import annotations

import numpy as np

from training.data.render import paint, prints
from training.data.render.mesh import box, ellipsoid, lathe, surface, tube
from training.data.render.model import Material, Model
from training.data.render.outlines import cushion, smooth
from training.data.render.shapes import CATEGORIES

LARGE = frozenset({"bike", "chair"})
"""Categories that stand on floors only."""


def _skin(rng: np.random.Generator) -> Material:
    colour = paint.any_colour(rng)
    make = (prints.fabric, prints.leather, prints.logo_panel, prints.decorated)
    texture = make[int(rng.integers(4))](rng, colour) if rng.random() < 0.6 else None
    return Material((1, 1, 1) if texture is not None else colour, texture, rng.uniform(0.05, 0.8))


def _block(rng: np.random.Generator) -> Model:
    x, y, z = rng.uniform(0.25, 1.0, 3)
    return Model([(cushion(x, y, z, rng.uniform(0.0, 0.2), 0.03), _skin(rng))])


def _ball(rng: np.random.Generator) -> Model:
    return Model([(ellipsoid(0.5, 0.5, 0.5), _skin(rng))])


def _pot(rng: np.random.Generator) -> Model:
    model = Model()
    clay = Material(paint.any_colour(rng), gloss=rng.uniform(0.1, 0.6))
    model.add(lathe([(0, 0), (0.2, 0), (0.3, 0.4), (0.26, 0.4), (0, 0.36)], 20), clay)
    green = Material((rng.uniform(0.1, 0.35), rng.uniform(0.35, 0.5), 0.12), gloss=0.2)
    for _ in range(int(rng.integers(6, 14))):
        a, out, up = rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 0.5), rng.uniform(0.7, 1.2)
        side = np.array((-np.sin(a), 0.0, np.cos(a))) * rng.uniform(0.03, 0.08)
        spine = smooth(
            [
                (0, 0.36, 0),
                (0.5 * out * np.cos(a), 0.6 * up, 0.5 * out * np.sin(a)),
                (out * np.cos(a), up * 0.9, out * np.sin(a)),
            ],
            7,
        )
        taper = np.sin(np.linspace(0.35, np.pi, 7))[:, None]
        model.add(surface(np.stack([spine - side * taper, spine + side * taper], axis=1)), green)
    return model


def _lamp(rng: np.random.Generator) -> Model:
    model = Model()
    model.add(lathe([(0, 0), (0.2, 0), (0.16, 0.04), (0, 0.05)], 18), _skin(rng))
    model.add(tube([(0, 0, 0), (0, 0.8, 0)], 0.025), Material(paint.grey(rng), gloss=0.7))
    shade = Material(paint.hue(rng, 0.3, 0.95), gloss=0.05)
    model.add(lathe([(rng.uniform(0.2, 0.35), 0.7), (rng.uniform(0.12, 0.25), 1.1)], 20), shade)
    return model


def _rods(rng: np.random.Generator) -> Model:
    """Pens, remotes or sticks that lie about."""
    model = Model()
    for _ in range(int(rng.integers(1, 4))):
        rod = (
            tube([(-0.5, 0.03, 0), (0.5, 0.03, 0)], 0.03, 6)
            if rng.random() < 0.6
            else (box(1.0, 0.08, 0.25).moved(y=0.04))
        )
        model.add(rod.turned("y", rng.uniform(0, 180)).moved(z=rng.uniform(-0.3, 0.3)), _skin(rng))
    return model


def _pile(rng: np.random.Generator) -> Model:
    model, y = Model(), 0.0
    for _ in range(int(rng.integers(2, 5))):
        x, h, z = rng.uniform(0.6, 0.9), rng.uniform(0.05, 0.14), rng.uniform(0.5, 0.7)
        piece = box(x, h, z).turned("y", rng.uniform(-15, 15)).moved(y=y + h / 2)
        model.add(piece, _skin(rng))
        y += h
    return model


_GENERIC = (_block, _block, _ball, _pot, _lamp, _rods, _pile)


def build_clutter(rng: np.random.Generator, category: str, reach: float) -> Model:
    """Something of another category, or a made-up thing about as large as ``reach`` metres."""
    others = [
        name for name in CATEGORIES if name != category and (name not in LARGE or category in LARGE)
    ]
    if rng.random() < 0.4 and not (category in LARGE and rng.random() < 0.6):
        return CATEGORIES[str(rng.choice(others))](rng)
    model = _GENERIC[int(rng.integers(len(_GENERIC)))](rng)
    factor = reach * rng.uniform(0.3, 0.95) / float(np.max(model.extent))
    stretch = factor * np.clip(rng.normal(1, 0.12, 3), 0.7, 1.3)
    return Model(
        [(mesh.scaled(*map(float, stretch)), material) for mesh, material in model.parts]
    ).centred()
