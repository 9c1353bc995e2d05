"""One sequence: an instance, filmed once in a scene of its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.data.render.camera_path import CameraPose, orbit
from training.data.render.film import Film
from training.data.render.mesh import Array
from training.data.render.model import Model
from training.data.render.renderer import Renderer
from training.data.render.scene import Scene, compose
from training.data.render.shapes import CATEGORIES
from training.data.render.writer import (
    MovieWriter,
    SequencePaths,
    annotate,
    box_in_camera,
    project,
    write_file,
)
from training.errors import DataError

_VISIBILITY_SHRINK = 3  # a ninth of the pixels tells the hidden share to about a percent


@dataclass(frozen=True, slots=True)
class Shot:
    """What is filmed and how; equal shots give equal annotations, byte for byte.

    ``take`` numbers the sequences of one instance; ``size`` is (width, height), upright;
    ``grain`` scales the sensor noise; ``antialias`` doubles the time and smooths edges.
    """

    category: str
    instance: int
    take: int = 0
    seconds: float = 6.0
    fps: float = 30.0
    size: tuple[int, int] = (480, 640)
    seed: int = 0
    grain: float = 1.0
    antialias: bool = True

    @property
    def id(self) -> str:
        """Objectron's name of the sequence."""
        return f"{self.category}/batch-{self.instance}/{self.take}"

    @property
    def instance_name(self) -> str:
        """The identity of the filmed thing, the same in all its sequences."""
        return f"{self.category}-{self.seed}-{self.instance:04d}"

    @property
    def settings(self) -> dict[str, object]:
        """What all sequences of one folder share, as JSON values."""
        return {
            "seconds": self.seconds,
            "fps": self.fps,
            "size": list(self.size),
            "seed": self.seed,
            "grain": self.grain,
            "antialias": self.antialias,
        }

    @property
    def frames(self) -> int:
        """Number of frames."""
        return round(self.seconds * self.fps)

    def rng(self, purpose: int) -> np.random.Generator:
        """Purpose 0 makes the instance, the same in every take; others the take."""
        take = 0 if purpose == 0 else self.take + 1
        key = [self.seed, list(CATEGORIES).index(self.category), self.instance, take, purpose]
        return np.random.default_rng(key)


def build_instance(shot: Shot) -> Model:
    """The shot's object in its own frame."""
    return CATEGORIES[shot.category](shot.rng(0)).centred()


def stage(shot: Shot) -> tuple[Scene, list[CameraPose]]:
    """The scene and the camera of a shot."""
    model = build_instance(shot)
    center = np.array((0.0, model.extent[1] / 2, 0.0))
    poses = orbit(
        shot.rng(1), shot.category, center, model.extent, shot.frames, shot.fps, shot.size
    )
    rotations = np.stack([pose.T_camera_world for pose in poses])
    eyes = -np.einsum("fji,fj->fi", rotations[:, :3, :3], rotations[:, :3, 3])
    return compose(shot.rng(2), shot.category, model, eyes, center), poses


def _motions(scene: Scene, poses: list[CameraPose]) -> Array:
    """(F, 2) pixels that the target's centre moved since the frame before."""
    centers = np.array(
        [project(pose, box_in_camera(scene.target, pose).vertices[:1])[0] for pose in poses]
    )
    return np.diff(centers, axis=0, prepend=centers[:1])


def render_sequence(out: Path, shot: Shot) -> None:
    """Writes the shot's two files under ``out``; nothing is left half done under their names.

    Raises DataError when OpenGL, the encoder or the disk refuses.
    """
    paths = SequencePaths(out, shot.id)
    try:
        scene, poses = stage(shot)
        film = Film(shot.rng(3), shot.size, shot.grain)
        visibility = []
        with (
            Renderer(scene, shot.size, shot.antialias) as renderer,
            MovieWriter(paths.video, shot.fps, shot.size) as movie,
        ):
            for pose, motion in zip(poses, _motions(scene, poses), strict=True):
                movie.write(film.expose(renderer.draw(pose), motion))
                visibility.append(renderer.identify(pose, _VISIBILITY_SHRINK).visibility)
        message = annotate(shot.category, scene.target, poses, visibility, shot.fps)
        write_file(paths.annotation, message)
    except OSError as error:
        raise DataError(
            f"Cannot write sequence {shot.id} under {out}: {error}.",
            "Free some space or choose another folder, then run the same command again.",
        ) from error
