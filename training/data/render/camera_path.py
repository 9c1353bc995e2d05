"""Hand-held orbits: where the camera is and how it sees, frame by frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.data.records import Camera
from training.data.render.mesh import Array

ELEVATION_DEG: dict[str, tuple[float, float]] = {
    "bike": (6, 32),
    "book": (28, 68),
    "bottle": (10, 50),
    "camera": (12, 52),
    "cereal_box": (10, 48),
    "chair": (12, 45),
    "cup": (16, 56),
    "laptop": (16, 50),
    "shoe": (16, 58),
}
"""How high above the ground people hold the phone, by category (ours)."""


@dataclass(frozen=True, slots=True, eq=False)
class CameraPose:
    """One frame's camera: OpenCV intrinsics and ``T_camera_world`` (4, 4), metres."""

    camera: Camera
    T_camera_world: Array


def _drift(rng: np.random.Generator, times: Array, slow_hz: float, fast_hz: float) -> Array:
    """(F,) smooth noise of deviation about 1: five sinusoids, weaker as they get faster."""
    rates = np.geomspace(slow_hz, fast_hz, 5) * rng.uniform(0.8, 1.2, 5)
    weights = rates**-0.7
    waves = np.sin(2 * np.pi * (rates * times[:, None] + rng.random(5)))
    return (waves * weights).sum(axis=1) / np.linalg.norm(weights) * np.sqrt(2)


def orbit(
    rng: np.random.Generator,
    category: str,
    center: Array,
    extent: Array,
    frames: int,
    fps: float,
    size: tuple[int, int],
) -> list[CameraPose]:
    """An orbit of 90° to 360° about a box in a world whose +y is up and whose ground is y = 0.

    ``center`` and ``extent`` (3,) in metres; ``size`` is (width, height) of the upright image.
    Distance, height, aim, roll and focal length drift as they do in a hand.
    """
    width, height = size
    times = np.arange(frames) / fps
    progress = np.linspace(0, 1, frames) if frames > 1 else np.zeros(1)
    sweep = np.radians(rng.uniform(90, 360)) * rng.choice([-1, 1])
    pace = progress + 0.05 * np.sin(2 * np.pi * (progress + rng.random()))
    azimuth = rng.uniform(0, 2 * np.pi) + sweep * pace
    low, high = ELEVATION_DEG[category]
    middle = rng.uniform(low + 0.15 * (high - low), high - 0.15 * (high - low))
    swing = rng.uniform(0.1, 0.35) * (high - low)
    elevation = np.radians(np.clip(middle + swing * _drift(rng, times, 0.08, 0.5), low, high))

    focal = rng.uniform(1.0, 1.18) * width
    half_view = np.arctan(0.5 * width / focal)
    reach = np.linalg.norm(extent) / 2
    filled = rng.uniform(0.72, 1.02)
    distance = (
        reach
        / np.sin(filled * half_view)
        * (1 + rng.uniform(0.03, 0.12) * _drift(rng, times, 0.07, 0.6))
    )
    shake = 0.0022 * distance
    direction = np.stack(
        [
            np.cos(elevation) * np.sin(azimuth),
            np.sin(elevation),
            np.cos(elevation) * np.cos(azimuth),
        ],
        axis=1,
    )
    hand = np.stack([_drift(rng, times, 0.6, 5.0) for _ in range(3)], axis=1)
    eye = center + direction * distance[:, None] + hand * shake[:, None]
    aim_noise = np.stack([_drift(rng, times, 0.15, 2.5) for _ in range(3)], axis=1)
    aim = center + rng.uniform(-0.12, 0.12, 3) * extent + 0.045 * reach * aim_noise
    roll = np.radians(rng.normal(0, 2.0) + 1.5 * _drift(rng, times, 0.1, 1.5))
    breathing = 1 + 0.004 * _drift(rng, times, 0.1, 0.8)
    shift = rng.normal(0, 0.006, 2) * size
    wander = 0.002 * np.stack([_drift(rng, times, 0.1, 0.5) for _ in range(2)], axis=1) * size

    poses = []
    for i in range(frames):
        forward = aim[i] - eye[i]
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, (0.0, 1.0, 0.0))
        right /= np.linalg.norm(right)
        down = np.cross(forward, right)
        c, s = np.cos(roll[i]), np.sin(roll[i])
        rotation = np.stack([c * right + s * down, c * down - s * right, forward])
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = rotation, -rotation @ eye[i]
        camera = Camera(
            fx=float(focal * breathing[i]),
            fy=float(focal * breathing[i]),
            cx=float((width - 1) / 2 + shift[0] + wander[i, 0]),
            cy=float((height - 1) / 2 + shift[1] + wander[i, 1]),
            width=width,
            height=height,
        )
        poses.append(CameraPose(camera, pose))
    return poses
