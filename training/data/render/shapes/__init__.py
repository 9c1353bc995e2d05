"""One builder per category: a seeded generator in, a model in the object's own frame out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from training.data.render.model import Model
from training.data.render.shapes.bike import build_bike
from training.data.render.shapes.boxes import build_book, build_cereal_box
from training.data.render.shapes.camera import build_camera
from training.data.render.shapes.chair import build_chair
from training.data.render.shapes.laptop import build_laptop
from training.data.render.shapes.shoe import build_shoe
from training.data.render.shapes.vessels import build_bottle, build_cup

Builder = Callable[[np.random.Generator], Model]

CATEGORIES: Mapping[str, Builder] = MappingProxyType(
    {
        "bike": build_bike,
        "book": build_book,
        "bottle": build_bottle,
        "camera": build_camera,
        "cereal_box": build_cereal_box,
        "chair": build_chair,
        "cup": build_cup,
        "laptop": build_laptop,
        "shoe": build_shoe,
    }
)
"""Objectron's nine categories. Models are in metres, +y up, +z front, centred on their box."""
