"""One scene: the annotated object, things around it, the ground, the surroundings, the light."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.data.render import paint
from training.data.render.clutter import LARGE, build_clutter
from training.data.render.mesh import Array, Mesh, box, turn
from training.data.render.model import Material, Model, Texture
from training.data.render.surroundings import INDOOR, OUTDOOR, ground_texture, panorama


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """A model in the world: ``R_world_object`` (3, 3) and ``t_world_object`` (3,) metres."""

    model: Model
    R_world_object: Array
    t_world_object: Array

    def parts(self) -> list[tuple[Mesh, Material]]:
        """The model's parts in world coordinates."""
        R, t = self.R_world_object, self.t_world_object
        return [
            (Mesh(m.positions @ R.T + t, m.normals @ R.T, m.uvs, m.triangles), material)
            for m, material in self.model.parts
        ]


@dataclass(frozen=True, slots=True, eq=False)
class Light:
    """``direction`` (3,) unit, towards the sun or lamp; colours are linear RGB.

    ``softness`` is the width of shadow edges as a share of the object's half diagonal.
    """

    direction: Array
    sun: Array
    sky: Array
    bounce: Array
    softness: float


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A world whose ground is the plane y = 0; ``ground_half`` (2,) metres in x and z."""

    target: Placed
    clutter: tuple[Placed, ...]
    ground: Texture
    ground_tile_m: float
    ground_half: Array
    ground_turn: Array
    is_floor: bool
    panorama: Texture
    light: Light
    exposure: Array


def _stand(model: Model, yaw_deg: float, x: float = 0.0, z: float = 0.0) -> Placed:
    model = model.centred()
    return Placed(model, turn("y", yaw_deg), np.array((x, model.extent[1] / 2, z)))


def _light(rng: np.random.Generator, outdoor: bool) -> Light:
    azimuth, height = rng.uniform(0, 2 * np.pi), np.radians(rng.uniform(32, 78))
    direction = np.array(
        (np.cos(height) * np.cos(azimuth), np.sin(height), np.cos(height) * np.sin(azimuth))
    )
    warmth = rng.uniform(-1, 1)  # from skylight to lamp light
    tint = np.array((1 + 0.22 * warmth, 1.0, 1 - 0.3 * warmth))
    strength = rng.uniform(0.7, 1.1) if outdoor else rng.uniform(0.35, 0.85)
    sky = rng.uniform(0.3, 0.5) if outdoor else rng.uniform(0.36, 0.62)
    return Light(
        direction,
        strength * tint,
        sky * np.array((1 - 0.1 * warmth, 1.0, 1 + 0.12 * warmth)),
        sky * rng.uniform(0.35, 0.6) * np.array((1.05, 1.0, 0.92)),
        rng.uniform(0.02, 0.06) if outdoor else rng.uniform(0.05, 0.2),
    )


def compose(
    rng: np.random.Generator, category: str, model: Model, eyes: Array, center: Array
) -> Scene:
    """A random scene about ``model`` that keeps clear of the camera at ``eyes`` (F, 3) metres.

    The object stands at the world's origin, its box centred at ``center`` (3,), turned at random.
    """
    reach = float(np.linalg.norm(model.extent)) / 2
    outdoor = (category in LARGE and rng.random() < 0.5) or rng.random() < 0.15
    is_floor = outdoor or category in LARGE or rng.random() < 0.3
    target = _stand(model, rng.uniform(0, 360))
    if not np.allclose(target.t_world_object, center):
        raise ValueError("the camera path was made for another object")
    half = np.array((14.0, 14.0)) if is_floor else reach * rng.uniform(3.2, 7.0, 2) + 0.15
    kind = str(rng.choice(OUTDOOR if outdoor else INDOOR))
    ground = ground_texture(kind, rng)
    tile = rng.uniform(1.2, 2.2) if is_floor else rng.uniform(0.5, 1.1)
    clutter: list[Placed] = []
    spots = [(0.0, 0.0, reach)]
    for _ in range(int(rng.integers(2, 9))):
        piece = build_clutter(rng, category, 2 * reach)
        radius = float(np.hypot(piece.extent[0], piece.extent[2])) / 2
        for _attempt in range(6):
            away = reach + radius + rng.uniform(0.05, 2.4) * reach
            angle = rng.uniform(0, 2 * np.pi)
            x, z = away * np.cos(angle), away * np.sin(angle)
            apart = all(np.hypot(x - a, z - b) > radius + r for a, b, r in spots)
            on_ground = is_floor or (abs(x) + radius < half[0] and abs(z) + radius < half[1])
            middle = np.array((x, piece.extent[1] / 2, z))
            size = float(np.linalg.norm(piece.extent)) / 2
            clear = np.linalg.norm(eyes - middle, axis=1).min() > size + 0.9 * reach
            if apart and on_ground and clear and not _hides(eyes, center, reach, middle, size):
                spots.append((x, z, radius))
                clutter.append(_stand(piece, rng.uniform(0, 360), x, z))
                break
    if not is_floor:  # the board of the table under the ground's texture
        board = Model(
            [
                (
                    box(2 * half[0], 0.03, 2 * half[1]),
                    Material(tuple(ground.mean(axis=(0, 1)) / 300), gloss=0.2),
                )
            ]
        )
        clutter.append(Placed(board, np.eye(3), np.array((0.0, -0.016, 0.0))))
    below = ground.mean(axis=(0, 1)) / 255 if is_floor else np.array(paint.grey(rng, 0.15, 0.5))
    yaw = rng.uniform(0, np.pi)
    return Scene(
        target=target,
        clutter=tuple(clutter),
        ground=ground,
        ground_tile_m=tile,
        ground_half=half,
        ground_turn=np.array(((np.cos(yaw), -np.sin(yaw)), (np.sin(yaw), np.cos(yaw)))),
        is_floor=is_floor,
        panorama=panorama(outdoor, below, rng),
        light=_light(rng, outdoor),
        exposure=rng.uniform(0.85, 1.15) * np.clip(rng.normal(1, 0.035, 3), 0.9, 1.1),
    )


def _hides(eyes: Array, center: Array, reach: float, middle: Array, size: float) -> bool:
    """Whether a ball at ``middle`` covers much of the object from more than a third of the eyes."""
    line = center - eyes
    length = np.linalg.norm(line, axis=1)
    along = ((middle - eyes) * line).sum(axis=1) / length
    gap = np.linalg.norm(middle - eyes - line * (along / length)[:, None], axis=1)
    covers = (along > 0) & (along < length) & (gap < size + 0.35 * reach)
    return bool(covers.mean() > 0.34)
