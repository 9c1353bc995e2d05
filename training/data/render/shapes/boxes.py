"""Books and cereal boxes: boxes whose faces are printed differently."""

from __future__ import annotations

import numpy as np

from training.data.render import paint, prints
from training.data.render.mesh import box, box_faces, quad, surface
from training.data.render.model import Material, Model


def build_book(rng: np.random.Generator) -> Model:
    """A closed book lying on its back: front cover up, spine at −x, the text's bottom at +z."""
    width = rng.uniform(0.11, 0.23)
    length = width * rng.uniform(1.15, 1.6)
    thick = rng.uniform(0.01, 0.055)
    hard = rng.random() < 0.5
    board = rng.uniform(0.002, 0.0035) if hard else 0.0006
    inset = rng.uniform(0.003, 0.006) if hard else 0.0
    colour = paint.any_colour(rng)
    gloss = rng.uniform(0.05, 0.6)
    model = Model()

    cover = box_faces(width, board, length)
    front = Material(texture=prints.book_cover(rng, colour), gloss=gloss)
    edge = Material(colour, gloss=gloss)
    for name, mesh in cover.items():
        model.add(mesh.moved(y=thick / 2 - board / 2), front if name == "top" else edge)
    back = Material(texture=prints.back_cover(rng, colour), gloss=gloss)
    for name, mesh in box_faces(width, board, length).items():
        model.add(mesh.moved(y=-thick / 2 + board / 2), back if name == "bottom" else edge)

    spine = paint.sheet(colour)
    text = paint.contrasting(colour, rng)
    paint.write(spine, paint.word(rng), 20, 100, 130, text, rng)
    paint.blob(spine, 220, 128, 20, paint.any_colour(rng), rng)
    face = Material(texture=spine, gloss=gloss)
    if hard and rng.random() < 0.6:  # a rounded spine
        angle = np.linspace(np.pi / 2, -np.pi / 2, 9)
        bulge = thick * rng.uniform(0.08, 0.2)
        x, y = -width / 2 - bulge * np.cos(angle), thick / 2 * np.sin(angle)
        grid = np.stack(
            [np.stack([x, y, np.full(9, z)], 1) for z in (-length / 2, length / 2)], axis=1
        )
        model.add(surface(grid), face)
    else:
        model.add(quad((-width / 2, thick / 2, -length / 2), (0, 0, length), (0, -thick, 0)), face)

    paper = paint.sheet((0.93, 0.9, rng.uniform(0.74, 0.88)))
    paper[::3] = (196, 188, 170)
    pages = box(width - inset, thick - 2 * board, length - 2 * inset).moved(x=-inset / 2)
    model.add(pages, Material(texture=paper, gloss=0.02))
    if rng.random() < 0.25:  # a ribbon that hangs out
        ribbon = Material(paint.hue(rng), gloss=0.3)
        at = rng.uniform(-0.2, 0.2) * width
        out = rng.uniform(0.01, 0.03)
        model.add(quad((at, 0, length / 2 - inset), (0.006, 0, 0), (0, -thick / 4, out)), ribbon)
    return model.centred()


def build_cereal_box(rng: np.random.Generator) -> Model:
    """An upright carton: picture side to +z, text on the back, tables on the sides."""
    height = rng.uniform(0.17, 0.36)
    width = height * rng.uniform(0.55, 0.8)
    depth = rng.uniform(0.04, 0.085)
    colour = paint.hue(rng, 0.7, 0.8) if rng.random() < 0.8 else paint.any_colour(rng)
    gloss = rng.uniform(0.1, 0.55)
    model = Model()
    images = {
        "front": prints.package_front(rng, colour),
        "back": prints.package_back(rng, colour),
        "left": prints.package_side(rng, colour),
        "right": prints.package_side(rng, paint.any_colour(rng) if rng.random() < 0.3 else colour),
        "top": paint.sheet(colour),
        "bottom": paint.sheet((0.6, 0.5, 0.4)),
    }
    paint.write(images["top"], paint.word(rng), 60, 90, 130, paint.contrasting(colour, rng), rng)
    images["top"][124:128] = 60
    opened = rng.random() < 0.3
    if opened:
        images["top"] = paint.sheet((0.16, 0.13, 0.1))
    for name, mesh in box_faces(width, height, depth).items():
        model.add(mesh, Material(texture=images[name], gloss=gloss))
    if opened:  # flaps stand up at the front and the back
        flap = Material((0.62, 0.54, 0.43), gloss=0.05)
        for side in (1, -1):
            reach = depth * rng.uniform(0.5, 0.9)
            lean = rng.uniform(0.1, 0.7)
            corner = (
                -width / 2,
                height / 2 + reach * np.cos(lean),
                side * (depth / 2 + reach * np.sin(lean)),
            )
            model.add(
                quad(
                    corner, (width, 0, 0), (0, -reach * np.cos(lean), -side * reach * np.sin(lean))
                ),
                flap,
            )
    return model.centred()
