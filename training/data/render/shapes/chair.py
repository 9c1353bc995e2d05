"""Chairs: four legs or a castered star, seats, backs of several makes; the sitter looks to +z."""

from __future__ import annotations

import numpy as np

from training.data.render import paint, prints
from training.data.render.mesh import box, ellipsoid, lathe, surface, tube
from training.data.render.model import Material, Model
from training.data.render.outlines import cushion, rounded_rectangle, slab, smooth


def build_chair(rng: np.random.Generator) -> Model:
    """A dining, office, shell or arm chair."""
    kind = str(rng.choice(["dining", "dining", "office", "office", "shell", "arm"]))
    width, depth = rng.uniform(0.4, 0.52), rng.uniform(0.4, 0.52)
    seat, back = rng.uniform(0.42, 0.5), rng.uniform(0.36, 0.62)
    cloth = paint.any_colour(rng)
    soft = Material(
        texture=prints.fabric(rng, cloth) if rng.random() < 0.6 else prints.leather(rng, cloth),
        gloss=rng.uniform(0.03, 0.35),
    )
    frame = (
        Material(texture=prints.wood(rng), gloss=0.3)
        if rng.random() < 0.55
        else Material(paint.any_colour(rng), gloss=rng.uniform(0.2, 0.8))
    )
    model = Model()
    if kind == "dining":
        _legs(model, rng, width, depth, seat, frame)
        pad = soft if rng.random() < 0.5 else frame
        thick = rng.uniform(0.025, 0.07)
        shape = rounded_rectangle(width, depth, rng.uniform(0.01, 0.12))
        model.add(slab(shape, thick, 0.3 * thick).moved(y=seat - thick), pad)
        _open_back(model, rng, width, depth, seat, back, frame, soft)
    elif kind == "office":
        _star(model, rng, seat)
        thick = rng.uniform(0.06, 0.11)
        model.add(cushion(width, thick, depth, 0.12, 0.4 * thick).moved(y=seat), soft)
        _padded_back(model, rng, width, depth, seat, back, soft)
        if rng.random() < 0.6:
            _arms(model, rng, width, depth, seat)
    elif kind == "shell":
        _legs(model, rng, width, depth, seat, frame)
        _shell(model, rng, width, depth, seat, back)
    else:
        width, seat = width + 0.2, rng.uniform(0.36, 0.44)
        block = rng.uniform(0.14, 0.22)
        model.add(cushion(width - 0.2, block, depth, 0.04, 0.04).moved(y=seat - block / 2), soft)
        for side in (-1, 1):
            arm = cushion(0.12, rng.uniform(0.3, 0.42), depth + 0.08, 0.04, 0.03)
            model.add(arm.moved(side * (width / 2 - 0.06), seat - 0.02, -0.02), soft)
        rest = cushion(width, back, 0.15, 0.05, 0.05).turned("x", -rng.uniform(4, 14))
        model.add(rest.moved(0, seat + back / 2 - 0.16, -depth / 2 - 0.02), soft)
        _legs(model, rng, width - 0.06, depth, seat - block + 0.02, frame)
        if rng.random() < 0.6:
            pillow = ellipsoid(0.2, 0.15, 0.06).turned("x", -18)
            model.add(
                pillow.moved(0, seat + 0.17, -depth / 2 + 0.12),
                Material(texture=prints.fabric(rng, paint.any_colour(rng)), gloss=0.05),
            )
    return model.centred()


def _legs(
    model: Model,
    rng: np.random.Generator,
    width: float,
    depth: float,
    height: float,
    wood: Material,
) -> None:
    thick, splay = rng.uniform(0.012, 0.026), rng.uniform(0.0, 0.07)
    square = rng.random() < 0.4
    for sx in (-1, 1):
        for sz in (-1, 1):
            x, z = sx * (width / 2 - 0.04), sz * (depth / 2 - 0.04)
            foot = (x + sx * splay, 0.0, z + sz * splay)
            model.add(tube([foot, (x, height, z)], [0.75 * thick, thick], 4 if square else 8), wood)
    if rng.random() < 0.5:
        y, spread = 0.4 * height, 0.6 * splay
        for sx in (-1, 1):
            x, z = sx * (width / 2 - 0.04 + spread), depth / 2 - 0.04 + spread
            model.add(tube([(x, y, -z), (x, y, z)], 0.6 * thick, 6), wood)


def _open_back(
    model: Model,
    rng: np.random.Generator,
    width: float,
    depth: float,
    seat: float,
    back: float,
    frame: Material,
    soft: Material,
) -> None:
    lean, x, z = rng.uniform(0.03, 0.13), width / 2 - 0.03, -depth / 2 + 0.02
    top = seat + back
    post = rng.uniform(0.011, 0.02)
    for side in (-1, 1):
        model.add(tube([(side * x, seat - 0.03, z), (side * x, top, z - lean)], post, 8), frame)

    def at(y: float) -> float:
        return z - lean * (y - seat) / back

    kind = int(rng.integers(3))
    rail = rng.uniform(0.04, 0.1)
    model.add(box(2 * x, rail, 0.022).moved(0, top - rail / 2, at(top - rail / 2)), frame)
    if kind == 0:  # ladder
        for y in np.linspace(seat + 0.12, top - rail - 0.06, int(rng.integers(1, 4))):
            model.add(box(2 * x, 0.04, 0.018).moved(0, y, at(y)), frame)
    elif kind == 1:  # spindles
        for px in np.linspace(-x, x, int(rng.integers(4, 8)))[1:-1]:
            model.add(tube([(px, seat, at(seat)), (px, top, at(top))], 0.009, 6), frame)
    else:  # a padded board
        height = rng.uniform(0.45, 0.75) * back
        y = top - height / 2
        tilt = np.degrees(np.arctan2(lean, back))
        pad = cushion(1.9 * x, height, 0.04, 0.01, 0.01).turned("x", -tilt)
        model.add(pad.moved(0, y, at(y) + 0.01), soft)


def _star(model: Model, rng: np.random.Generator, seat: float) -> None:
    metal = Material(paint.grey(rng, 0.05, 0.7), gloss=0.6)
    dark = Material(paint.grey(rng, 0.04, 0.12), gloss=0.2)
    reach, start = rng.uniform(0.26, 0.33), rng.uniform(0, 2 * np.pi)
    for i in range(5):
        a = start + 2 * np.pi * i / 5
        x, z = reach * np.cos(a), reach * np.sin(a)
        model.add(tube([(0, 0.11, 0), (x, 0.075, z)], [0.028, 0.018], 6), metal)
        model.add(ellipsoid(0.028, 0.028, 0.028, 10).moved(x, 0.028, z), dark)
    model.add(tube([(0, 0.09, 0), (0, seat, 0)], 0.026, 10), metal)
    model.add(lathe([(0.04, 0.09), (0.035, 0.5 * seat), (0, 0.5 * seat)], 12), dark)


def _padded_back(
    model: Model,
    rng: np.random.Generator,
    width: float,
    depth: float,
    seat: float,
    back: float,
    soft: Material,
) -> None:
    tilt, thick = rng.uniform(4, 16), rng.uniform(0.04, 0.09)
    outline = rounded_rectangle(width * rng.uniform(0.8, 1.0), back, rng.uniform(0.05, 0.18))
    board = slab(outline, thick, 0.4 * thick).turned("x", 90)
    gap = rng.uniform(0.02, 0.14)
    z = -depth / 2 - 0.01
    model.add(board.turned("x", -tilt).moved(0, seat + gap + back / 2 + 0.02, z - 0.05), soft)
    bar = [(0, seat - 0.04, 0), (0, seat - 0.03, z - 0.06), (0, seat + gap + 0.4 * back, z - 0.05)]
    model.add(tube(smooth(bar, 10), 0.022, 6), Material(paint.grey(rng, 0.04, 0.15)))


def _arms(model: Model, rng: np.random.Generator, width: float, depth: float, seat: float) -> None:
    dark = Material(paint.grey(rng, 0.04, 0.15), gloss=0.2)
    height = seat + rng.uniform(0.17, 0.24)
    for side in (-1, 1):
        x = side * (width / 2 + 0.03)
        model.add(tube([(0.7 * x, seat - 0.02, 0), (x, seat, 0), (x, height, 0)], 0.016, 6), dark)
        model.add(cushion(0.07, 0.03, 0.55 * depth, 0.03, 0.012).moved(x, height, 0.02), dark)


def _shell(
    model: Model, rng: np.random.Generator, width: float, depth: float, seat: float, back: float
) -> None:
    line = smooth(
        [
            (depth / 2, seat - 0.03),
            (0.3 * depth, seat),
            (-0.25 * depth, seat - 0.02),
            (-0.47 * depth, seat + 0.12),
            (-0.58 * depth, seat + back),
        ],
        22,
    )
    across = np.linspace(-1, 1, 13)
    curl = rng.uniform(0.02, 0.09)
    narrow = 1 - 0.3 * np.clip((line[:, 1] - seat) / back, 0, 1) ** 2
    grid = np.stack(
        [
            width / 2 * across * narrow[:, None],
            line[:, 1:] + curl * across**2 * np.linspace(1, 0.2, 22)[:, None],
            line[:, :1] + 0.7 * curl * across**2 * np.linspace(0, 1.4, 22)[:, None],
        ],
        axis=-1,
    )
    shell = Material(paint.any_colour(rng), gloss=rng.uniform(0.2, 0.6))
    model.add(surface(grid), shell)
    model.add(surface(grid - (0, 0.008, 0.004)), shell)
