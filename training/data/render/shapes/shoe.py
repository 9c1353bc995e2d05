"""Shoes: a sole and an upper lofted over sections from heel to toe; the toe points to +z."""

from __future__ import annotations

import numpy as np

from training.data.render import paint, prints
from training.data.render.mesh import Array, Mesh, merge, surface, tube
from training.data.render.model import Material, Model
from training.data.render.outlines import cap, slab, smooth


def build_shoe(rng: np.random.Generator) -> Model:
    """A sneaker, boot, low shoe or slipper; left or right foot."""
    kind = str(rng.choice(["sneaker", "sneaker", "sneaker", "boot", "low", "slipper"]))
    length = rng.uniform(0.2, 0.32)
    width = length * rng.uniform(0.34, 0.4)
    sole = {
        "sneaker": rng.uniform(0.022, 0.04),
        "boot": rng.uniform(0.025, 0.04),
        "low": rng.uniform(0.012, 0.024),
        "slipper": rng.uniform(0.012, 0.03),
    }[kind]
    foot = 1.0 if rng.random() < 0.5 else -1.0
    upper_colour, sole_colour = paint.any_colour(rng), paint.any_colour(rng)
    if rng.random() < 0.5:
        sole_colour = (0.93, 0.92, 0.88)
    outline = _outline(length, width, foot)
    model = Model()
    model.add(slab(outline * 1.03, sole, 0.25 * sole), Material(sole_colour, gloss=0.15))
    line = slab(outline * 1.04, 0.18 * sole).moved(y=rng.uniform(0.35, 0.6) * sole)
    model.add(line, Material(paint.any_colour(rng), gloss=0.15))
    if kind == "low":
        heel = slab(outline[outline[:, 1] < -0.2 * length] * 0.98, 0.03).moved(y=-0.02)
        model.add(heel, Material((0.08, 0.06, 0.05), gloss=0.3))

    collar = {
        "sneaker": rng.uniform(0.085, 0.12),
        "boot": rng.uniform(0.16, 0.26),
        "low": rng.uniform(0.07, 0.085),
        "slipper": rng.uniform(0.05, 0.06),
    }[kind] - sole
    toe = rng.uniform(0.045, 0.06) if kind != "slipper" else 0.055
    side = prints.logo_panel(rng, upper_colour)
    cloth = prints.fabric(rng, upper_colour)
    panel = np.clip(side.astype(int) + cloth.astype(int) - int(np.mean(cloth)), 0, 255)
    skin = Material(texture=panel.astype(np.uint8), gloss=0.5 if kind == "low" else 0.12)
    rings = _rings(length, width, foot, sole, collar, toe, kind)
    model.add(_upper(rings), skin)
    tip = Material(paint.any_colour(rng) if rng.random() < 0.5 else sole_colour, gloss=0.2)
    if kind == "sneaker" and rng.random() < 0.6:  # a toe cap
        bumper = rings[-5:] * (1.02, 1.0, 1.0)
        model.add(merge([surface(bumper + np.array((0, 0, 0.003))), cap(bumper[-1])]), tip)
    lining = Material(paint.any_colour(rng) if rng.random() < 0.5 else (0.1, 0.1, 0.1), gloss=0.02)
    _mouth(model, rings, sole, length, kind, lining, skin)
    if kind in ("sneaker", "boot") or (kind == "low" and rng.random() < 0.5):
        _laces(model, rng, rings, sole)
    return model.centred()


def _outline(length: float, width: float, foot: float) -> Array:
    t = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    z = -np.cos(t)
    half = np.interp(z, [-1, -0.6, -0.1, 0.45, 0.8, 1], [0.66, 0.72, 0.68, 1.0, 0.82, 0.5])
    x = np.sign(np.sin(t)) * np.abs(np.sin(t)) ** 0.65 * half * width / 2
    bend = foot * 0.09 * width * np.clip(z, -0.2, 1) ** 2
    return np.stack([x + bend, z * length / 2], axis=1)


def _rings(
    length: float, width: float, foot: float, sole: float, collar: float, toe: float, kind: str
) -> Array:
    """(R, C, 3) sections over the foot, from the heel (row 0) to the toe; open at the bottom."""
    z = np.linspace(-0.985, 0.985, 26)
    half = np.interp(z, [-1, -0.6, -0.1, 0.45, 0.8, 1], [0.62, 0.7, 0.68, 0.96, 0.8, 0.46])
    round_off = np.sqrt(np.clip(1 - np.abs(z) ** 7, 0.02, 1))
    half = half * round_off * width / 2
    shaft = -0.1 if kind != "boot" else -0.15
    tall = smooth(
        [
            (-1.0, 0.93 * collar),
            (-0.6, collar),
            (shaft, 0.95 * collar),
            (0.12, 0.5 * collar + 0.5 * toe),
            (0.5, toe),
            (0.85, 0.75 * toe),
            (1.0, 0.25 * toe),
        ],
        40,
    )
    height = np.interp(z, tall[:, 0], tall[:, 1])
    angle = np.linspace(0, np.pi, 19)
    bend = foot * 0.09 * width * np.clip(z, -0.2, 1) ** 2
    lift = np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** 0.55
    span = np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** 0.6
    narrow = np.where(z < 0.05, 0.9, 1.0)[:, None] ** (lift * 2)
    return np.stack(
        [
            bend[:, None] + half[:, None] * span * narrow,
            sole * 0.9 + height[:, None] * lift,
            (z * length / 2)[:, None] + 0 * angle,
        ],
        axis=-1,
    )


_MOUTH = slice(1, 13)  # the sections that the foot enters through


def _upper(rings: Array) -> Mesh:
    """The skin with the opening left out over the heel and the instep."""
    rows, columns = rings.shape[:2]
    u, v = np.meshgrid(np.linspace(0, 2, columns), np.linspace(0, 1, rows))
    uvs = np.stack([v, np.abs(1 - u)], axis=-1)  # along the shoe, and up from each side
    left, right = slice(0, 7), slice(12, columns)
    heel, toe = rings[: _MOUTH.start + 1], rings[_MOUTH.stop - 1 :]
    parts = [surface(toe, uvs[_MOUTH.stop - 1 :]), surface(heel, uvs[: _MOUTH.start + 1])]
    for half in (left, right):
        parts.append(surface(rings[_MOUTH][:, half], uvs[_MOUTH][:, half]))
    return merge([*parts, cap(rings[-1]), cap(rings[0])])


def _mouth(
    model: Model,
    rings: Array,
    sole: float,
    length: float,
    kind: str,
    lining: Material,
    skin: Material,
) -> None:
    left, right = rings[_MOUTH, 6], rings[_MOUTH, 12]
    rim = np.concatenate([left, right[::-1]])
    model.add(tube(rim, 0.006 if kind != "low" else 0.003, 6, closed=True), skin)
    floor = rim * (0.85, 0.0, 0.97) + (0, sole + 0.004, 0)
    closed_rim, closed_floor = (np.concatenate([r, r[:1]]) for r in (rim, floor))
    model.add(surface(np.stack([closed_rim, closed_floor]), closed=True), lining)
    model.add(cap(floor), lining)
    if kind in ("sneaker", "boot"):  # the tongue
        start = (left[-1] + right[-1]) / 2
        half = 0.42 * abs(right[-1, 0] - left[-1, 0])
        path = np.array([(0, 0, 0.01), (0, 0.02, -0.03), (0, 0.045, -0.055)]) + start
        out, rise = np.array((half, 0, 0)), np.array((0, 0.005, 0))
        grid = np.stack([path - out, path + rise, path + out], axis=1)
        model.add(surface(grid), skin)


def _laces(model: Model, rng: np.random.Generator, rings: Array, sole: float) -> None:
    colour = Material(
        paint.any_colour(rng) if rng.random() < 0.5 else (0.95, 0.95, 0.93), gloss=0.05
    )
    rows = range(_MOUTH.stop - 2, _MOUTH.stop + 5)
    lift = np.array((0.0, 0.004, 0.0))
    for row, after in zip(rows, range(rows.start + 1, rows.stop + 1), strict=True):
        for a, b in ((7, 11), (11, 7)):
            ends = rings[row, a], rings[after, b]
            middle = (rings[row, 9] + rings[after, 9]) / 2
            model.add(
                tube(smooth([ends[0] + lift, middle + lift, ends[1] + lift], 6), 0.0028, 5), colour
            )
    knot = rings[_MOUTH.stop - 2, 9] + (0, 0.008, 0)
    for side in (-1, 1):
        bow = [(0, 0, 0), (0.02 * side, 0.012, -0.01), (0.034 * side, 0, 0.006), (0, 0, 0)]
        loop = knot + np.array(bow)
        model.add(tube(smooth(loop, 12), 0.0028, 5), colour)
