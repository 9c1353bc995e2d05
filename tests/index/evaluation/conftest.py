"""Small worlds of records: boxes on a ground plane filmed from around, objects on turntables.

Poses are known, so an embedding made of the true pose is an oracle, and one of noise is chance.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest

from index.evaluation.embeddings import EmbeddedViews
from index.evaluation.views import ViewTable, view_table
from index.geometry import box_vertices, project
from training.data.records import Box9, Camera, ImageRGB, Plane, Sequence, View

CAMERA = Camera(fx=620.0, fy=620.0, cx=239.5, cy=319.5, width=480, height=640)
SIZES = {
    "chair": (0.5, 0.9, 0.5),
    "book": (0.2, 0.03, 0.28),
    "cup": (0.09, 0.1, 0.09),
    "shoe": (0.1, 0.12, 0.28),
}


@dataclass(frozen=True)
class NoImage:
    """A picture that must not be needed."""

    reference: str

    def load(self) -> ImageRGB:
        raise AssertionError("this world has no pictures")


def orbit_view(
    category: str, instance: str, frame: int, yaw: float, size: np.ndarray, rng: np.random.Generator
) -> View:
    """The object on the floor, its front turned by ``yaw``, the camera looking down at it."""
    pitch = rng.uniform(0.5, 0.7)
    distance = float(np.linalg.norm(size)) * rng.uniform(2.4, 3.0)
    # Object axes in the camera: turn about its up axis, then tip: +y up becomes -y in OpenCV.
    turn = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    tip = np.array(
        [
            [1.0, 0.0, 0.0],
            [0.0, -np.cos(pitch), np.sin(pitch)],
            [0.0, -np.sin(pitch), -np.cos(pitch)],
        ]
    )
    rotation = tip @ turn
    translation = np.array([rng.normal(0, 0.02), rng.normal(0, 0.02), distance])
    up = rotation[:, 1]
    xy = project(CAMERA.matrix, box_vertices(rotation, translation, size))
    return View(
        image=NoImage(f"{instance}#{frame}"),
        bbox_xyxy=np.concatenate([xy.min(axis=0), xy.max(axis=0)]),
        instance=instance,
        category=category,
        frame=frame,
        time_s=frame / 30.0,
        camera=CAMERA,
        plane=Plane(center=translation - up * size[1] / 2, normal=up),
        box9=Box9(rotation=rotation, translation=translation, scale=size),
    )


def filmed_world(split: str, per_category: int, frames: int, seed: int) -> ViewTable:
    """One orbit a sequence; instances of a category differ by some per cent in size."""
    rng = np.random.default_rng(seed)
    sequences = []
    for category, size in SIZES.items():
        for number in range(per_category):
            own = np.array(size) * rng.uniform(0.93, 1.07, size=3)
            name = f"{category}/{split}-{number}"
            yaws = rng.uniform(0, 2 * np.pi) + np.linspace(0, 2 * np.pi, frames, endpoint=False)
            views = [
                orbit_view(category, name, 6 * frame, yaw, own, rng)
                for frame, yaw in enumerate(yaws)
            ]
            sequences.append(Sequence(name, "world", split, 30.0, tuple(views)))
    return view_table(sequences)


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def embedded_by_pose(table: ViewTable) -> EmbeddedViews:
    """Embeddings that know the category and the rotation, and nothing of the instance."""
    names = sorted(SIZES)
    category = np.array([[2.0 * (view.category == name) for name in names] for view in table.views])
    rotation = np.array([view.box9.rotation.ravel() for view in table.views if view.box9])
    return EmbeddedViews(table, {"pose": unit(np.hstack([category, rotation]))})


def embedded_at_random(table: ViewTable, seed: int, dim: int = 64) -> EmbeddedViews:
    """Embeddings that know nothing."""
    vectors = np.random.default_rng(seed).normal(size=(len(table), dim))
    return EmbeddedViews(table, {"pose": unit(vectors)})


def ring_world(
    objects: dict[str, int], step_deg: float, polar_deg: float, whole_degrees: bool = False
) -> ViewTable:
    """``objects`` gives each category's number of instances; each is seen all round.

    ``whole_degrees`` cuts the recorded azimuths, as the names of ETH-80's files do.
    """
    sequences = []
    for category, count in objects.items():
        for number in range(1, count + 1):
            name = f"{category}{number}"
            views = tuple(
                View(
                    image=NoImage(f"{name}#{frame}"),
                    bbox_xyxy=np.array([0.0, 0.0, 9.0, 9.0]),
                    instance=name,
                    category=category,
                    frame=frame,
                    attributes={
                        "azimuth_deg": float(np.floor(azimuth) if whole_degrees else azimuth),
                        "polar_deg": polar_deg,
                    },
                )
                for frame, azimuth in enumerate(np.arange(0.0, 360.0, step_deg))
            )
            sequences.append(Sequence(name, "ring", "all", 0.0, views))
    return view_table(sequences)


def embedded_by_azimuth(table: ViewTable, instance_weight: float = 0.0) -> EmbeddedViews:
    """(cos, sin) of the azimuth, beside a one-hot of the instance when it has a weight."""
    azimuth = np.radians(table.attribute("azimuth_deg"))
    names, codes = np.unique(table.instance, return_inverse=True)
    instance = instance_weight * np.eye(len(names))[codes]
    vectors = np.column_stack([np.cos(azimuth), np.sin(azimuth), instance])
    return EmbeddedViews(table, {"pose": unit(vectors)})


@pytest.fixture(scope="session")
def train_world() -> ViewTable:
    return filmed_world("train", per_category=8, frames=24, seed=0)


@pytest.fixture(scope="session")
def query_world() -> ViewTable:
    return filmed_world("test", per_category=3, frames=12, seed=1)


@pytest.fixture(scope="session")
def rings() -> Callable[..., ViewTable]:
    return ring_world


@pytest.fixture(scope="session")
def embedded() -> SimpleNamespace:
    """The embeddings of a world: ``by_pose``, ``by_azimuth``, ``at_random``."""
    return SimpleNamespace(
        by_pose=embedded_by_pose, by_azimuth=embedded_by_azimuth, at_random=embedded_at_random
    )
