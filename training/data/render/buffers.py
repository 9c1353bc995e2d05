"""A scene as the arrays that the GPU takes: one vertex buffer, one stack of textures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.data.records import Camera
from training.data.render.mesh import Array, Mesh
from training.data.render.model import Material, Texture
from training.data.render.paint import SIZE
from training.data.render.scene import Scene

VERTEX = "3f4 3f4 2f4 3f4 2f4"
VERTEX_NAMES = ("position", "normal", "uv", "colour", "surface")


@dataclass(frozen=True, slots=True, eq=False)
class SceneBuffers:
    """``vertices`` (N, 13) float32; ``target`` and ``clutter`` int32 triangle corners into them."""

    vertices: NDArray[np.float32]
    target: NDArray[np.int32]
    clutter: NDArray[np.int32]
    textures: Texture


def pack(scene: Scene) -> SceneBuffers:
    """All solids of a scene; texture layer 0 is white, for plain materials."""
    layers: list[Texture] = [np.full((SIZE, SIZE, 3), 255, dtype=np.uint8)]
    known: dict[int, int] = {}
    target, first = _group(scene.target.parts(), 0, layers, known)
    others, second = _group(
        [part for placed in scene.clutter for part in placed.parts()], len(target), layers, known
    )
    return SceneBuffers(np.concatenate([target, others]), first, second, np.stack(layers))


def _group(
    parts: list[tuple[Mesh, Material]], offset: int, layers: list[Texture], known: dict[int, int]
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    vertices, corners = [np.empty((0, 13), dtype=np.float32)], [np.empty(0, dtype=np.int32)]
    for mesh, material in parts:
        layer = 0
        if material.texture is not None:
            layer = known.setdefault(id(material.texture), len(layers))
            if layer == len(layers):
                layers.append(material.texture)
        count = len(mesh.positions)
        look = np.broadcast_to((*material.colour, layer, material.gloss), (count, 5))
        block = np.concatenate([mesh.positions, mesh.normals, mesh.uvs, look], axis=1)
        vertices.append(block.astype(np.float32))
        corners.append((mesh.triangles.ravel() + offset).astype(np.int32))
        offset += count
    return np.concatenate(vertices), np.concatenate(corners)


def clip_matrix(camera: Camera, T_camera_world: Array, near: float, far: float) -> Array:
    """(4, 4) world to OpenGL clip space, upside down so that buffer row 0 is the image's top."""
    w, h = camera.width, camera.height
    projection = np.array(
        [
            [2 * camera.fx / w, 0, 2 * (camera.cx + 0.5) / w - 1, 0],
            [0, 2 * camera.fy / h, 2 * (camera.cy + 0.5) / h - 1, 0],
            [0, 0, (far + near) / (far - near), -2 * far * near / (far - near)],
            [0, 0, 1, 0],
        ]
    )
    return projection @ T_camera_world


def parallel_matrix(direction: Array, center: Array, half: float) -> Array:
    """(4, 4) world to clip space, seen in parallel from ``direction``, ±``half`` metres wide."""
    helper = np.eye(3)[np.argmin(np.abs(direction))]
    right = np.cross(helper, direction)
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(direction, right), -direction]) / half
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation, -rotation @ center
    return matrix
