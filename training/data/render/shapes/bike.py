"""Bikes: frame, two wheels with spokes, crank and chain on the rider's right; +z is forward.

With +y up and +z forward the rider's right is −x.
"""

from __future__ import annotations

import numpy as np

from training.data.render import paint
from training.data.render.mesh import Mesh, lathe, merge, surface, torus, tube
from training.data.render.model import Material, Model
from training.data.render.outlines import smooth

Point = tuple[float, float, float]


def build_bike(rng: np.random.Generator) -> Model:
    """A racing, mountain, city or child's bike."""
    kind = str(rng.choice(["race", "mountain", "city", "child"]))
    wheel = {"race": 0.335, "mountain": 0.34, "city": 0.33, "child": rng.uniform(0.15, 0.24)}[kind]
    base = wheel * (rng.uniform(2.95, 3.2) if kind != "child" else rng.uniform(3.0, 3.4))
    tyre = {"race": 0.013, "mountain": 0.026, "city": 0.018, "child": 0.02}[kind]
    colour = paint.any_colour(rng)
    painted = Material(colour, gloss=rng.uniform(0.4, 0.8))
    dark = Material(paint.grey(rng, 0.03, 0.1), gloss=0.25)
    steel = Material(paint.grey(rng, 0.5, 0.8), gloss=0.8)
    rear, front = (0.0, wheel, -base / 2), (0.0, wheel, base / 2)
    model = Model()
    rubber = Material(paint.grey(rng, 0.03, 0.08) if rng.random() < 0.8 else (0.6, 0.45, 0.3))
    rim = dark if rng.random() < 0.4 else steel
    for hub in (rear, front):
        _wheel(model, rng, hub, wheel, tyre, rubber, rim, steel)

    crank = (0.0, wheel * rng.uniform(0.82, 0.95), -0.11 * base)
    saddle = (
        0.0,
        max(0.78, 2.5 * wheel) * rng.uniform(0.95, 1.1) if kind != "child" else 2.4 * wheel,
        -0.29 * base,
    )
    if kind == "child":
        saddle = (0.0, 2.55 * wheel, -0.27 * base)
    clamp = _along(crank, saddle, rng.uniform(0.68, 0.82))
    head = (0.0, clamp[1] + rng.uniform(-0.03, 0.06), 0.31 * base)
    lower = (0.0, head[1] - rng.uniform(0.1, 0.16), head[2] + 0.04)
    low_step = kind == "city" and rng.random() < 0.6
    tubes = 0.019 if kind == "mountain" else 0.015
    mount = _along(crank, clamp, 0.45) if low_step else clamp
    for a, b in ((mount, head), (crank, lower), (head, lower)):
        model.add(tube([a, b], tubes, 8), painted)
    model.add(tube([crank, clamp], tubes, 8), painted)
    model.add(tube([clamp, saddle], 0.012, 8), steel)
    for side in (-1, 1):
        x = 0.045 * side
        axle = (x, rear[1], rear[2])
        model.add(tube([(0.4 * x, crank[1], crank[2]), axle], 0.009, 6), painted)
        model.add(tube([(0.3 * x, clamp[1], clamp[2]), axle], 0.008, 6), painted)
        fork = [lower, (x, lower[1] - 0.05, lower[2] + 0.015), (x, front[1], front[2])]
        model.add(tube(fork, 0.012, 6), painted if rng.random() < 0.8 else dark)
    _bars(model, rng, kind, head, dark, steel)
    _saddle(model, rng, saddle)
    _drive(model, rng, crank, rear, wheel, dark, steel)
    if kind in ("city", "child") and rng.random() < 0.7:
        _guards(model, (rear, front), wheel + tyre + 0.012, painted if rng.random() < 0.5 else dark)
    if kind == "city" and rng.random() < 0.5:
        _basket(model, rng, head, steel if rng.random() < 0.5 else dark)
    if kind != "child" and rng.random() < 0.4:  # a bottle on the down tube
        spot = _along(crank, lower, 0.55)
        flask = lathe([(0, 0), (0.036, 0), (0.036, 0.13), (0.018, 0.17), (0, 0.17)], 14)
        model.add(
            flask.turned("x", 40).moved(0, spot[1] + 0.03, spot[2] - 0.03),
            Material(paint.any_colour(rng), gloss=0.4),
        )
    return model.centred()


def _along(a: Point, b: Point, t: float) -> Point:
    return (a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1]), a[2] + t * (b[2] - a[2]))


def _wheel(
    model: Model,
    rng: np.random.Generator,
    hub: Point,
    radius: float,
    tyre: float,
    rubber: Material,
    rim: Material,
    steel: Material,
) -> None:
    def place(mesh: Mesh) -> Mesh:
        return mesh.turned("y", 90).moved(*hub)

    model.add(place(torus(radius - tyre, tyre, 48, 8)), rubber)
    model.add(place(torus(radius - 2 * tyre - 0.008, 0.011, 48, 6)), rim)
    model.add(place(tube([(0, 0, -0.045), (0, 0, 0.045)], 0.02, 8)), steel)
    spokes, count = [], int(rng.choice([16, 20, 24, 28]))
    reach = radius - 2 * tyre - 0.01
    for i in range(count):
        a = 2 * np.pi * i / count
        b, side = a + (0.35 if i % 4 < 2 else -0.35), 0.03 * (-1) ** i
        spokes.append(
            tube(
                [
                    (0.02 * np.cos(b), 0.02 * np.sin(b), side),
                    (reach * np.cos(a), reach * np.sin(a), 0),
                ],
                0.0022,
                3,
            )
        )
    model.add(place(merge(spokes)), steel)


def _bars(
    model: Model, rng: np.random.Generator, kind: str, head: Point, dark: Material, steel: Material
) -> None:
    y, z = head[1] + rng.uniform(0.05, 0.14), head[2] + rng.uniform(0.0, 0.07)
    model.add(tube([head, (0, y, head[2] - 0.01), (0, y, z)], 0.014, 8), steel)
    half = {"race": 0.21, "mountain": 0.34, "city": 0.28, "child": 0.23}[kind]
    for side in (-1, 1):
        if kind == "race":
            curve = [
                (0, y, z),
                (side * half, y, z),
                (side * half, y, z + 0.09),
                (side * half, y - 0.07, z + 0.12),
                (side * half, y - 0.13, z + 0.04),
                (side * half, y - 0.13, z - 0.03),
            ]
            model.add(tube(smooth(curve, 26), 0.013, 7), dark)
        else:
            rise = {"mountain": 0.02, "city": 0.08, "child": 0.1}[kind]
            sweep = 0.05 if kind == "mountain" else 0.14
            curve = [
                (0, y, z),
                (0.4 * side * half, y + rise, z + 0.01),
                (side * half, y + rise, z - sweep),
            ]
            path = smooth(curve, 12)
            model.add(tube(path, 0.011, 7), steel)
            model.add(tube(path[-4:], 0.017, 8), dark)
            lever = path[-4] + (0, 0, 0.015)
            model.add(
                tube(
                    lever
                    + np.array([(0, 0, 0), (0.04 * side, -0.02, 0.03), (0.1 * side, -0.03, 0.01)]),
                    0.006,
                    5,
                ),
                dark,
            )


def _saddle(model: Model, rng: np.random.Generator, at: Point) -> None:
    long, wide = rng.uniform(0.25, 0.28), rng.uniform(0.12, 0.19)
    t = np.linspace(0, 1, 12)
    half = np.interp(t, [0, 0.25, 0.55, 1], [0.8, 1.0, 0.35, 0.2]) * wide / 2
    angle = np.linspace(0, 2 * np.pi, 13)
    grid = np.stack(
        [
            half[:, None] * np.cos(angle),
            0.028 * np.sin(angle) + 0 * half[:, None],
            long * (t[:, None] - 0.45) + 0 * angle,
        ],
        axis=-1,
    )
    ends = [
        surface(np.stack([np.repeat(ring.mean(0)[None], 13, 0), ring])) for ring in grid[[0, -1]]
    ]
    colour = paint.grey(rng, 0.03, 0.1) if rng.random() < 0.7 else (0.35, 0.18, 0.08)
    model.add(merge([surface(grid, closed=True), *ends]).moved(*at), Material(colour, gloss=0.3))


def _drive(
    model: Model,
    rng: np.random.Generator,
    crank: Point,
    rear: Point,
    wheel: float,
    dark: Material,
    steel: Material,
) -> None:
    x, ring, cog = -0.05, wheel * rng.uniform(0.24, 0.32), wheel * 0.11
    disc = lathe([(0, 0), (ring, 0), (ring, 0.004), (0.7 * ring, 0.005), (0, 0.005)], 28)
    model.add(disc.turned("z", 90).moved(x, crank[1], crank[2]), steel)
    small = lathe([(0, 0), (cog, 0), (0.8 * cog, 0.02), (0, 0.02)], 18).turned("z", 90)
    model.add(small.moved(x + 0.01, rear[1], rear[2]), steel)
    for sign in (-1, 1):
        chain = [(x, crank[1] + sign * ring, crank[2]), (x, rear[1] + sign * cog, rear[2])]
        model.add(tube(chain, 0.006, 5), dark)
    angle = rng.uniform(0, 2 * np.pi)
    for side, turn in ((-1, 0.0), (1, np.pi)):
        dy, dz = 0.5 * wheel * np.sin(angle + turn), 0.5 * wheel * np.cos(angle + turn)
        end = (side * 0.075, crank[1] + dy, crank[2] + dz)
        model.add(tube([(side * 0.06, crank[1], crank[2]), end], 0.011, 6), dark)
        pedal = tube([end, (side * 0.165, end[1], end[2])], 0.034, 8, flat=0.3)
        model.add(pedal, dark)


def _guards(model: Model, hubs: tuple[Point, Point], radius: float, material: Material) -> None:
    for hub, (first, last) in zip(hubs, ((60, 235), (50, 170)), strict=True):
        angle = np.radians(np.linspace(first, last, 20))
        if hub is hubs[1]:
            angle = np.radians(180) - angle + np.radians(20)
        rows = [
            np.stack(
                [np.full(20, x), hub[1] + radius * np.sin(angle), hub[2] - radius * np.cos(angle)],
                axis=1,
            )
            for x in (-0.03, 0.0, 0.03)
        ]
        rows[1][:, 1] += 0.008
        model.add(surface(np.stack(rows)), material)


def _basket(model: Model, rng: np.random.Generator, head: Point, wire: Material) -> None:
    y, z = head[1] + 0.06, head[2] + 0.2
    w, h, d = 0.17, rng.uniform(0.16, 0.22), 0.12
    rods = []
    for level in np.linspace(0, 1, 5):
        s = 0.8 + 0.2 * level
        loop = [(-w * s, 0, -d * s), (w * s, 0, -d * s), (w * s, 0, d * s), (-w * s, 0, d * s)]
        rods.append(tube(loop, 0.005, 4, closed=True).moved(0, y - h / 2 + level * h, z))
    for sx, sz in ((1, 1), (1, -1), (-1, 1), (-1, -1), (0, 1), (0, -1), (1, 0), (-1, 0)):
        foot = (0.8 * w * sx, y - h / 2, z + 0.8 * d * sz)
        rods.append(tube([foot, (w * sx, y + h / 2, z + d * sz)], 0.004, 4))
    model.add(merge(rods), wire)
