"""Bottles and cups: turned profiles with labels, caps and handles."""

from __future__ import annotations

import numpy as np

from training.data.render import paint, prints
from training.data.render.mesh import Mesh, lathe, tube
from training.data.render.model import Material, Model
from training.data.render.outlines import smooth


def build_bottle(rng: np.random.Generator) -> Model:
    """A bottle with cap and a label whose front faces +z; some have a pump or are squarish."""
    kind = str(rng.choice(["water", "wine", "beer", "flask", "sauce", "pump"]))
    height, radius, shoulder, neck = {
        "water": (rng.uniform(0.18, 0.33), rng.uniform(0.029, 0.045), rng.uniform(0.6, 0.78), 0.36),
        "wine": (rng.uniform(0.27, 0.34), rng.uniform(0.034, 0.042), rng.uniform(0.55, 0.66), 0.37),
        "beer": (rng.uniform(0.18, 0.27), rng.uniform(0.028, 0.036), rng.uniform(0.5, 0.62), 0.42),
        "flask": (rng.uniform(0.17, 0.28), rng.uniform(0.032, 0.042), rng.uniform(0.76, 0.88), 0.7),
        "sauce": (rng.uniform(0.15, 0.24), rng.uniform(0.026, 0.038), rng.uniform(0.66, 0.8), 0.45),
        "pump": (rng.uniform(0.13, 0.2), rng.uniform(0.03, 0.042), rng.uniform(0.72, 0.85), 0.34),
    }[kind]
    neck *= rng.uniform(0.85, 1.15) * radius
    top = height * rng.uniform(0.9, 0.94)
    waist = rng.uniform(0.82, 1.0) if kind in ("water", "sauce", "pump") else 1.0
    body = {
        "water": paint.hue(rng, 0.35, 0.85),
        "wine": (0.05, rng.uniform(0.08, 0.22), 0.06),
        "beer": (rng.uniform(0.1, 0.4), rng.uniform(0.1, 0.25), 0.04),
    }.get(kind, paint.any_colour(rng))
    base = np.array([(0, 0), (0.8 * radius, 0), (radius, 0.02 * height)])
    side = smooth(
        [
            (radius, 0.02 * height),
            (radius, 0.12 * height),
            (waist * radius, 0.5 * shoulder * height),
            (radius, 0.93 * shoulder * height),
            (0.93 * radius, (shoulder + 0.02) * height),
            (neck + 0.35 * (radius - neck), shoulder * height + 0.35 * (top - shoulder * height)),
            (neck, shoulder * height + 0.7 * (top - shoulder * height)),
            (neck, top),
        ],
        30,
    )
    profile = np.concatenate([base[:-1], side])
    if kind == "water" and rng.random() < 0.6:  # ribs
        inside = (profile[:, 1] > 0.05 * height) & (profile[:, 1] < 0.2 * height)
        profile[inside, 0] *= 1 - 0.04 * (np.arange(inside.sum()) % 2)
    model = Model()
    model.add(lathe(profile), Material(body, gloss=rng.uniform(0.5, 1.0)))

    low, high = rng.uniform(0.1, 0.25) * height, rng.uniform(0.85, 0.95) * shoulder * height
    heights = np.linspace(low, high, 12)
    ring = np.interp(heights, side[:, 1], side[:, 0]) * 1.012
    image = prints.wrapped_label(rng, paint.any_colour(rng))
    paper = Material(texture=image, gloss=rng.uniform(0.05, 0.4))
    model.add(lathe(np.stack([ring, heights], axis=1), crease_deg=180), paper)

    cap = Material(paint.any_colour(rng), gloss=rng.uniform(0.2, 0.8))
    if kind == "wine":  # a foil over the neck
        foil = [(neck * 1.03, top - 0.12 * height), (neck * 1.08, height * 0.985), (0, height)]
        model.add(lathe(foil), cap)
    else:
        wide = neck * rng.uniform(1.08, 1.3)
        taper = rng.uniform(0.4, 0.8) if kind == "sauce" else 0.97
        rise = top - rng.uniform(0.0, 0.03) * height
        model.add(lathe([(wide, rise), (wide * taper, height), (0, height)]), cap)
    if kind == "pump":  # the spout points to the front
        stem, reach = height * rng.uniform(1.06, 1.14), rng.uniform(0.03, 0.05)
        model.add(tube([(0, height, 0), (0, stem, 0)], 0.25 * neck), cap)
        model.add(
            tube([(0, stem, -0.012), (0, stem, 0.6 * reach), (0, stem - 0.01, reach)], 0.006), cap
        )
    return model.centred()


def build_cup(rng: np.random.Generator) -> Model:
    """A mug with its handle at +x, a paper cup with a sleeve, or a tumbler; the print faces +z."""
    kind = str(rng.choice(["mug", "mug", "mug", "tea", "paper", "tumbler"]))
    height = {
        "mug": rng.uniform(0.08, 0.115),
        "tea": rng.uniform(0.055, 0.075),
        "paper": rng.uniform(0.09, 0.15),
        "tumbler": rng.uniform(0.09, 0.16),
    }[kind]
    top = (
        height
        * {
            "mug": rng.uniform(0.38, 0.5),
            "tea": rng.uniform(0.62, 0.8),
            "paper": rng.uniform(0.33, 0.42),
            "tumbler": rng.uniform(0.27, 0.42),
        }[kind]
    )
    foot = (
        top
        * {
            "mug": rng.uniform(0.8, 1.05),
            "tea": rng.uniform(0.4, 0.6),
            "paper": rng.uniform(0.68, 0.78),
            "tumbler": rng.uniform(0.7, 0.95),
        }[kind]
    )
    belly = rng.uniform(0.97, 1.15) if kind in ("mug", "tea") else 1.0
    wall = 0.0035 if kind == "mug" else 0.0022
    outer = smooth(
        [
            (foot, 0.02 * height),
            (belly * (foot + 0.45 * (top - foot)), 0.4 * height),
            ((foot + 0.9 * (top - foot)), 0.8 * height),
            (top, height),
        ],
        16,
    )
    model = Model()
    gloss = rng.uniform(0.3, 0.9) if kind != "paper" else 0.1
    colour = paint.any_colour(rng)
    image = prints.decorated(rng, colour)
    model.add(lathe(outer, crease_deg=180), Material(texture=image, gloss=gloss))
    plain = Material(colour, gloss=gloss)
    model.add(lathe([(0, 0), (0.9 * foot, 0), (foot, 0.02 * height)]), plain)
    if kind == "paper" and rng.random() < 0.65:
        lid = Material(paint.grey(rng, 0.05, 0.95), gloss=0.4)
        edge = [
            (1.04 * top, 0.97 * height),
            (1.04 * top, 1.01 * height),
            (0.93 * top, 1.02 * height),
        ]
        model.add(lathe([*edge, (0.9 * top, 1.08 * height), (0, 1.075 * height)]), lid)
        slot = lathe([(0.12 * top, 1.081 * height), (0, 1.082 * height)], 12)
        model.add(slot.moved(z=0.6 * top), Material((0.1, 0.1, 0.1)))
    else:
        inside = outer[::-1] - (wall, 0)
        level = int(rng.integers(3, 12))
        lining = Material(colour if rng.random() < 0.4 else (0.93, 0.92, 0.9), gloss=gloss)
        model.add(lathe(np.concatenate([outer[-1:], inside[: level + 1]])), lining)
        drink = rng.random() < 0.7
        brew = (0.16, 0.08, 0.03) if drink else (0.85, 0.84, 0.82)
        fill = lathe([inside[level], (0, inside[level, 1])])
        model.add(fill, Material(brew, gloss=0.8 if drink else gloss))
    if kind in ("mug", "tea"):
        model.add(_handle(rng, outer, height), plain)
    return model.centred()


def _handle(rng: np.random.Generator, outer: np.ndarray, height: float) -> Mesh:
    low, high = rng.uniform(0.12, 0.3) * height, rng.uniform(0.72, 0.9) * height
    reach = rng.uniform(0.25, 0.42) * height
    start, end = (float(np.interp(y, outer[:, 1], outer[:, 0])) - 0.002 for y in (high, low))
    bow = [
        (start, high),
        (start + 0.7 * reach, high + rng.uniform(-0.02, 0.06) * height),
        (start + reach, high - 0.3 * (high - low)),
        (end + rng.uniform(0.6, 0.95) * reach, low + 0.3 * (high - low)),
        (end, low),
    ]
    curve = smooth(bow, 18)
    path = np.concatenate([curve, np.zeros((len(curve), 1))], axis=1)
    return tube(path, rng.uniform(0.04, 0.065) * height, 8, flat=rng.uniform(0.6, 1.3))
