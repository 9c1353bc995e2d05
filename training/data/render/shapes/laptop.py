"""Laptops: a deck with keys and a hinged screen; the user sits at +z."""

from __future__ import annotations

import numpy as np

from training.data.render import paint, prints
from training.data.render.mesh import quad, tube
from training.data.render.model import Material, Model
from training.data.render.outlines import rounded_rectangle, slab


def build_laptop(rng: np.random.Generator) -> Model:
    """An open laptop, its lid between upright and leaning far back."""
    width = rng.uniform(0.28, 0.39)
    depth = width * rng.uniform(0.62, 0.74)
    thick, lid = rng.uniform(0.012, 0.026), rng.uniform(0.004, 0.009)
    radius = rng.uniform(0.003, 0.02)
    silver, dark = paint.grey(rng, 0.6, 0.85), paint.grey(rng, 0.05, 0.22)
    case = [silver, dark, paint.hue(rng, 0.35, 0.6)][int(rng.choice(3, p=[0.45, 0.35, 0.2]))]
    deck = case if rng.random() < 0.7 else [silver, dark][int(rng.integers(2))]
    keys = dark if rng.random() < 0.75 else paint.grey(rng, 0.7, 0.95)
    gloss = rng.uniform(0.15, 0.6)
    shell = Material(case, gloss=gloss)
    model = Model()
    outline = rounded_rectangle(width, depth, radius)
    model.add(slab(outline, thick, 0.3 * thick), shell)
    model.add(
        quad(
            (-0.485 * width, thick + 0.0006, -0.47 * depth),
            (0.97 * width, 0, 0),
            (0, 0, 0.95 * depth),
        ),
        Material(texture=prints.keyboard(rng, deck, keys), gloss=gloss),
    )
    model.add(
        tube(
            [(-0.36 * width, thick, -depth / 2), (0.36 * width, thick, -depth / 2)],
            rng.uniform(0.004, 0.008),
        ),
        Material(dark, gloss=0.2),
    )
    ports = Material((0.04, 0.04, 0.04))
    for side in (-1, 1):
        for _ in range(int(rng.integers(1, 4))):
            z = rng.uniform(-0.4, 0.1) * depth
            corner = (side * (width / 2 + 0.0005), 0.65 * thick, z)
            model.add(quad(corner, (0, 0, 0.014), (0, -0.25 * thick, 0)), ports)

    panel = Model()  # lies like a closed lid with its inside down, hinged along its −z edge
    height = depth * rng.uniform(0.93, 1.0)
    plate = slab(rounded_rectangle(width, height, radius), lid, 0.3 * lid).moved(z=height / 2)
    panel.add(plate, shell)
    bezel, chin = rng.uniform(0.012, 0.035), rng.uniform(0.02, 0.07)
    frame = Material(dark if rng.random() < 0.8 else case, gloss=0.3)
    a = 0.495 * width
    panel.add(quad((-a, -0.0004, 0.99 * height), (2 * a, 0, 0), (0, 0, -0.98 * height)), frame)
    x, far, near = 0.5 * width * (1 - 2 * bezel), height * (1 - bezel), height * chin + 0.006
    panel.add(
        quad((-x, -0.001, far), (2 * x, 0, 0), (0, 0, near - far)),
        Material(texture=prints.screen(rng), gloss=0.35),
    )
    back = paint.sheet(case)
    paint.blob(back, 128, 120, int(rng.integers(14, 30)), paint.contrasting(case, rng), rng)
    for _ in range(int(rng.integers(0, 7)) if rng.random() < 0.5 else 0):  # stickers
        u, v = (int(t) for t in rng.integers(30, 220, 2))
        paint.blob(back, u, v, int(rng.integers(10, 34)), paint.any_colour(rng), rng)
    panel.add(
        quad((a, lid + 0.0004, 0.99 * height), (-2 * a, 0, 0), (0, 0, -0.98 * height)),
        Material(texture=back, gloss=gloss),
    )
    opening = rng.uniform(88, 135)
    for mesh, material in panel.parts:
        model.add(mesh.turned("x", -opening).moved(0, thick + 0.003, -depth / 2), material)
    return model.centred()
