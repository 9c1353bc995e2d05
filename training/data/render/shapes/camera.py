"""Photo cameras: a body with grip, hump, lens and dials; the lens looks to +z."""

from __future__ import annotations

import numpy as np

from training.data.render import paint, prints
from training.data.render.mesh import box, lathe, merge, quad, torus
from training.data.render.model import Material, Model
from training.data.render.outlines import cushion, rounded_rectangle, slab, smooth


def build_camera(rng: np.random.Generator) -> Model:
    """A reflex, a mirrorless, a two-tone retro or a compact camera."""
    kind = str(rng.choice(["reflex", "reflex", "retro", "mirrorless", "compact"]))
    width, height, depth = {
        "reflex": (rng.uniform(0.12, 0.15), rng.uniform(0.075, 0.095), rng.uniform(0.045, 0.06)),
        "retro": (rng.uniform(0.12, 0.145), rng.uniform(0.07, 0.085), rng.uniform(0.035, 0.045)),
        "mirrorless": (rng.uniform(0.1, 0.13), rng.uniform(0.06, 0.075), rng.uniform(0.03, 0.045)),
        "compact": (rng.uniform(0.09, 0.11), rng.uniform(0.052, 0.064), rng.uniform(0.02, 0.03)),
    }[kind]
    black = paint.grey(rng, 0.04, 0.12)
    silver = paint.grey(rng, 0.6, 0.8)
    vivid = paint.hue(rng, 0.6, 0.6)
    shell = black if kind == "reflex" else [black, silver, vivid][int(rng.integers(3))]
    top = silver if kind == "retro" else shell
    grain = Material(
        texture=prints.leather(rng, paint.hue(rng, 0.5, 0.3) if rng.random() < 0.3 else black),
        gloss=0.1,
    )
    plate, cover = Material(shell, gloss=0.3), Material(top, gloss=0.5)
    model = Model()
    body = slab(rounded_rectangle(width, depth, 0.3 * depth), height, 0.005)
    model.add(body, plate)
    band = slab(rounded_rectangle(1.008 * width, 1.02 * depth, 0.3 * depth), 0.62 * height)
    model.add(band.moved(y=0.1 * height), grain)
    rise = rng.uniform(0.08, 0.14) * height
    roof = slab(rounded_rectangle(0.99 * width, 0.95 * depth, 0.3 * depth), rise, 0.003)
    model.add(roof.moved(y=height - 0.002), cover)
    summit = height + rise - 0.002
    if kind in ("reflex", "mirrorless"):  # the hand's grip at the holder's right, seen at −x
        grip = cushion(0.2 * width, 0.92 * height, 0.5 * depth, 0.02, 0.01)
        model.add(grip.moved(-0.39 * width, 0.46 * height, 0.5 * depth), grain)
    if kind in ("reflex", "retro"):  # the prism's hump with the maker's name
        hump = slab(rounded_rectangle(0.36 * width, 0.85 * depth, 0.01), 0.24 * height, 0.012)
        model.add(hump.moved(y=summit - 0.003), cover)
        name = paint.sheet(top)
        paint.write(name, paint.word(rng), 30, 90, 196, paint.contrasting(top, rng), rng)
        sign = quad(
            (-0.11 * width, summit + 0.15 * height, 0.432 * depth),
            (0.22 * width, 0, 0),
            (0, -0.11 * height, 0),
        )
        model.add(sign, Material(texture=name, gloss=0.4))
        shoe = box(0.13 * width, 0.003, 0.4 * depth).moved(0, summit + 0.24 * height, -0.1 * depth)
        model.add(shoe, Material(silver, gloss=0.7))
    _dials(model, rng, width, summit, cover, Material(silver, gloss=0.8))
    _lens(model, rng, kind, width, height, depth, Material(top if kind == "compact" else black))
    screen = quad(
        (0.3 * width, 0.78 * height, -depth / 2 - 0.001),
        (-0.6 * width, 0, 0),
        (0, -0.6 * height, 0),
    )
    model.add(screen, Material(texture=prints.screen(rng), gloss=0.8))
    for row in range(3):
        button = lathe([(0.004, 0), (0.004, 0.002), (0, 0.002)], 10).turned("x", -90)
        model.add(button.moved(-0.4 * width, (0.25 + 0.2 * row) * height, -depth / 2), cover)
    if kind == "compact":
        flash = box(0.14 * width, 0.1 * height, 0.002)
        model.add(flash.moved(0.28 * width, 0.84 * height, depth / 2), Material((0.9, 0.9, 0.85)))
    return model.centred()


def _dials(
    model: Model, rng: np.random.Generator, width: float, y: float, body: Material, steel: Material
) -> None:
    spots = rng.permutation([-0.42, -0.3, 0.3, 0.41])[: int(rng.integers(2, 5))]
    for at in spots:
        radius, tall = rng.uniform(0.005, 0.011), rng.uniform(0.004, 0.009)
        dial = lathe(
            [(radius, 0), (radius, tall), (0.8 * radius, tall + 0.001), (0, tall + 0.001)], 16
        )
        model.add(
            dial.moved(at * width, y - 0.001, rng.uniform(-0.004, 0.004)),
            steel if rng.random() < 0.5 else body,
        )
    if rng.random() < 0.6:  # strap eyes
        for side in (-1, 1):
            eye = torus(0.006, 0.0012, 12, 6).turned("y", 90)
            model.add(eye.moved(side * (width / 2 + 0.003), 0.86 * y), steel)


def _lens(
    model: Model,
    rng: np.random.Generator,
    kind: str,
    width: float,
    height: float,
    depth: float,
    barrel: Material,
) -> None:
    radius = height * (rng.uniform(0.26, 0.34) if kind == "compact" else rng.uniform(0.34, 0.45))
    length = {
        "reflex": rng.uniform(0.04, 0.12),
        "retro": rng.uniform(0.025, 0.06),
        "mirrorless": rng.uniform(0.02, 0.07),
        "compact": rng.uniform(0.008, 0.03),
    }[kind]
    flare = rng.uniform(0.9, 1.12) if length > 0.05 else 1.0
    outer = radius * flare
    shape = smooth(
        [(radius, 0), (radius, 0.5 * length), (outer, 0.75 * length), (outer, length)], 8
    )
    x, y = rng.uniform(0.0, 0.08) * width, rng.uniform(0.42, 0.5) * height
    places = [
        (lathe(shape), barrel),
        (
            lathe([(outer, length), (0.86 * outer, length), (0.7 * outer, 0.86 * length)]),
            Material((0.03, 0.03, 0.03), gloss=0.3),
        ),
        (
            lathe(
                smooth(
                    [
                        (0.7 * outer, 0.86 * length),
                        (0.4 * outer, 0.91 * length),
                        (0.0, 0.93 * length),
                    ],
                    8,
                ),
                crease_deg=180,
            ),
            Material((0.10, 0.06, 0.16), gloss=1.0),
        ),
    ]
    ridged = np.linspace(0.3, 0.62, 14) * length
    ribs = np.stack([radius * (1.04 + 0.02 * (np.arange(14) % 2)), ridged], axis=1)
    places.append((lathe(ribs, crease_deg=10), Material((0.08, 0.08, 0.08), gloss=0.1)))
    ring = lathe([(outer * 1.012, 0.9 * length), (outer * 1.012, 0.94 * length)])
    accent = paint.hue(rng, 0.9, 0.7) if rng.random() < 0.4 else paint.grey(rng, 0.3, 0.9)
    places.append((ring, Material(accent, gloss=0.5)))
    for mesh, material in places:
        model.add(merge([mesh]).turned("x", 90).moved(x, y, depth / 2 - 0.002), material)
