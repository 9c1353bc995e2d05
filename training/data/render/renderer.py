"""Draws a scene off screen with OpenGL 3.3 (software Mesa will do)."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from training.data.records import ImageRGB
from training.data.render import shaders
from training.data.render.buffers import VERTEX, VERTEX_NAMES, clip_matrix, pack, parallel_matrix
from training.data.render.camera_path import CameraPose
from training.data.render.mesh import Array
from training.data.render.scene import Scene
from training.data.render.shadows import sky_on_ground, sun_on_ground
from training.errors import DataError

TARGET_ID, CLUTTER_ID = 1, 2
_SHADOW = 1024
_SAMPLES = 4
_POSITION_ONLY = "3f4 40x1"  # skips the rest of buffers.VERTEX


def _column_major(matrix: NDArray[Any]) -> bytes:
    return np.ascontiguousarray(matrix.T, dtype=np.float32).tobytes()


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """``ids`` (H, W) uint8: what is seen where (0 ground or far, 1 target, 2 clutter).

    ``covered`` (H, W) bool: the pixels that the target alone would cover.
    """

    ids: NDArray[np.uint8]
    covered: NDArray[np.bool_]

    @property
    def visibility(self) -> float:
        """Share of the target's own pixels that nothing hides; 0 when it is out of the image."""
        own = int(self.covered.sum())
        return float((self.ids == TARGET_ID).sum() / own) if own else 0.0


class Renderer:
    """One scene on the GPU, drawn as often as asked. Use as a context manager.

    ``size`` is (width, height); ``antialias`` takes four samples a pixel, at twice the time.
    Raises DataError when no OpenGL context can be made.
    """

    def __init__(self, scene: Scene, size: tuple[int, int], antialias: bool = True) -> None:
        try:
            import moderngl

            self.ctx: Any = moderngl.create_context(standalone=True, backend="egl")  # type: ignore[arg-type]
        except Exception as error:  # the driver stack raises bare Exceptions of many kinds
            raise DataError(
                f"No off-screen OpenGL context: {error}.",
                "Install the extra `render` and libegl1 libgl1 libgl1-mesa-dri libegl-mesa0.",
            ) from error
        self.scene, self.size = scene, size
        ctx = self.ctx
        ctx.enable(ctx.DEPTH_TEST)
        self._far = 60.0
        self._reach = float(np.linalg.norm(scene.target.model.extent)) / 2
        self._load()
        self._bake_shadows()
        width, height = size
        samples = _SAMPLES if antialias else 0
        self._screen = ctx.framebuffer(
            [ctx.renderbuffer(size, 4, samples=samples)],
            ctx.depth_renderbuffer(size, samples=samples),
        )
        self._flat = ctx.framebuffer([ctx.renderbuffer(size, 4)])
        self._id_frames: dict[tuple[int, int], Any] = {}
        self._pixels = np.empty((height, width, 4), dtype=np.uint8)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.ctx.release()

    def _load(self) -> None:
        ctx, scene = self.ctx, self.scene
        self._solid = ctx.program(shaders.SOLID_VERTEX, shaders.SOLID_FRAGMENT)
        self._ground = ctx.program(shaders.GROUND_VERTEX, shaders.GROUND_FRAGMENT)
        self._sky = ctx.program(shaders.SKY_VERTEX, shaders.SKY_FRAGMENT)
        self._depth = ctx.program(shaders.DEPTH_VERTEX, shaders.DEPTH_FRAGMENT)
        self._mark = ctx.program(shaders.DEPTH_VERTEX, shaders.ID_FRAGMENT)
        packed = pack(scene)
        buffer = ctx.buffer(packed.vertices.tobytes())
        groups = {"target": packed.target, "clutter": packed.clutter}
        self._groups: dict[str, dict[str, Any]] = {}
        for name, corners in groups.items():
            if not len(corners):
                continue
            index = ctx.buffer(corners.tobytes())
            self._groups[name] = {
                "solid": ctx.vertex_array(
                    self._solid, [(buffer, VERTEX, *VERTEX_NAMES)], index_buffer=index
                ),
                "depth": ctx.vertex_array(
                    self._depth, [(buffer, _POSITION_ONLY, "position")], index_buffer=index
                ),
                "mark": ctx.vertex_array(
                    self._mark, [(buffer, _POSITION_ONLY, "position")], index_buffer=index
                ),
            }
        a, b = scene.ground_half
        floor = np.array([(-a, 0, -b), (a, 0, -b), (-a, 0, b), (a, 0, b)], dtype=np.float32)
        ground = ctx.buffer(floor.tobytes())
        self._ground_array = ctx.vertex_array(self._ground, [(ground, "3f4", "position")])
        self._ground_mark = ctx.vertex_array(self._mark, [(ground, "3f4", "position")])
        corners_2d = np.array([(-1, -1), (1, -1), (-1, 1), (1, 1)], dtype=np.float32)
        self._sky_array = ctx.vertex_array(
            self._sky, [(ctx.buffer(corners_2d.tobytes()), "2f4", "corner")]
        )
        layers, height, width, _ = packed.textures.shape
        self._textures = ctx.texture_array((width, height, layers), 3, packed.textures.tobytes())
        self._textures.build_mipmaps()
        self._textures.filter = (ctx.LINEAR_MIPMAP_NEAREST, ctx.LINEAR)
        side = scene.ground.shape[0]
        self._ground_texture = ctx.texture((side, side), 3, scene.ground.tobytes())
        self._ground_texture.build_mipmaps()
        self._ground_texture.filter = (ctx.LINEAR_MIPMAP_NEAREST, ctx.LINEAR)
        rows, columns, _ = scene.panorama.shape
        self._panorama = ctx.texture((columns, rows), 3, scene.panorama.tobytes())
        self._panorama.repeat_y = False

    def _depth_map(self, clip: Array, size: int) -> tuple[Any, NDArray[np.float32]]:
        texture = self.ctx.depth_texture((size, size))
        frame = self.ctx.framebuffer(depth_attachment=texture)
        frame.use()
        frame.clear(depth=1.0)
        self._depth["clip"].write(_column_major(clip))
        for group in self._groups.values():
            group["depth"].render()
        frame.release()
        depth = np.frombuffer(texture.read(), dtype=np.float32).reshape(size, size)
        return texture, depth

    def _bake_shadows(self) -> None:
        scene, center = self.scene, self.scene.target.t_world_object
        spread = [self._reach] + [
            float(np.linalg.norm(p.t_world_object[[0, 2]]) + np.linalg.norm(p.model.extent) / 2)
            for p in scene.clutter
            if p.t_world_object[1] > 0
        ]
        half = min(1.05 * max(spread), 4.5 * self._reach)
        self._sun_clip = parallel_matrix(scene.light.direction, center, half)
        self._shadow, depth = self._depth_map(self._sun_clip, _SHADOW)
        self._shadow.compare_func = "<="
        self._shadow.repeat_x = self._shadow.repeat_y = False
        patch = 1.25 * half
        sun = sun_on_ground(depth, self._sun_clip, patch, scene.light.softness * self._reach)
        below = np.array(  # seen from under the ground, row z and column x
            [[1 / patch, 0, 0, 0], [0, 0, 1 / patch, 0], [0, 1 / patch, 0, -1], [0, 0, 0, 1]]
        )
        lowest, heights = self._depth_map(below, 512)
        lowest.release()
        height = np.where(heights < 1, heights * 2 * patch, 1e6).astype(np.float32)
        sky = sky_on_ground(height, patch, self._reach)
        light = np.stack([sun, sky], axis=-1)
        light[[0, -1]] = light[:, [0, -1]] = 1.0
        self._patch = patch
        bytes_ = np.round(light * 255).astype(np.uint8)
        self._lightmap = self.ctx.texture(bytes_.shape[:2], 2, bytes_.tobytes())
        self._lightmap.repeat_x = self._lightmap.repeat_y = False
        self._solid["sun_clip"].write(_column_major(self._sun_clip))
        self._constants()

    def _constants(self) -> None:
        scene, light = self.scene, self.scene.light
        exposure = tuple(scene.exposure)
        self._solid["sun_direction"] = tuple(light.direction)
        self._solid["sun"], self._solid["sky"] = tuple(light.sun), tuple(light.sky)
        self._solid["bounce"], self._solid["exposure"] = tuple(light.bounce), exposure
        self._solid["reach"] = 2 * self._reach
        self._ground["turned"].write(_column_major(scene.ground_turn))
        self._ground["tile"], self._ground["patch_half"] = scene.ground_tile_m, self._patch
        self._ground["fade"] = 4.0 if scene.is_floor else 1e6
        self._ground["sun_height"] = float(light.direction[1])
        self._ground["sun"], self._ground["sky"] = tuple(light.sun), tuple(light.sky)
        self._ground["exposure"] = self._sky["exposure"] = exposure
        for slot, (program, name, texture) in enumerate(
            (
                (self._solid, "textures", self._textures),
                (self._solid, "shadow", self._shadow),
                (self._ground, "ground", self._ground_texture),
                (self._ground, "lightmap", self._lightmap),
                (self._ground, "panorama", self._panorama),
            )
        ):
            texture.use(slot)
            program[name] = slot
        self._sky["panorama"] = 4

    def _clip(self, pose: CameraPose) -> tuple[Array, Array]:
        T = pose.T_camera_world
        eye = -T[:3, :3].T @ T[:3, 3]
        distance = float(np.linalg.norm(eye - self.scene.target.t_world_object))
        return clip_matrix(pose.camera, T, 0.05 * distance, self._far), eye

    def draw(self, pose: CameraPose) -> ImageRGB:
        """(H, W, 3) uint8 RGB."""
        clip, eye = self._clip(pose)
        packed, at = _column_major(clip), tuple(eye)
        self._solid["clip"].write(packed)
        self._ground["clip"].write(packed)
        self._solid["eye"] = self._ground["eye"] = at
        no_shift = pose.T_camera_world.copy()
        no_shift[:3, 3] = 0
        self._sky["unclip"].write(
            _column_major(np.linalg.inv(clip_matrix(pose.camera, no_shift, 0.1, 10.0)))
        )
        self._screen.use()
        self._screen.clear(depth=1.0)
        for group in self._groups.values():
            group["solid"].render()
        self._ground_array.render(self.ctx.TRIANGLE_STRIP)
        self._sky_array.render(self.ctx.TRIANGLE_STRIP)
        self.ctx.copy_framebuffer(self._flat, self._screen)
        self._flat.read_into(self._pixels, components=4)
        return cv2.cvtColor(self._pixels, cv2.COLOR_RGBA2RGB).astype(np.uint8, copy=False)

    def identify(self, pose: CameraPose, shrink: int = 1) -> Seen:
        """What is seen where in one frame, in an image smaller by the factor ``shrink``."""
        width, height = self.size[0] // shrink, self.size[1] // shrink
        ids = self._id_frame(width, height)
        clip, _ = self._clip(pose)
        self._mark["clip"].write(_column_major(clip))
        ids.use()
        ids.clear(depth=1.0)
        self._mark["id"] = TARGET_ID
        self._groups["target"]["mark"].render()
        alone = np.frombuffer(ids.read(components=4), dtype=np.uint8)
        self._mark["id"] = 0
        self._ground_mark.render(self.ctx.TRIANGLE_STRIP)
        self._mark["id"] = CLUTTER_ID
        if "clutter" in self._groups:
            self._groups["clutter"]["mark"].render()
        seen = np.frombuffer(ids.read(components=4), dtype=np.uint8)
        shape = (height, width, 4)
        return Seen(seen.reshape(shape)[..., 0], alone.reshape(shape)[..., 0] > 0)

    def _id_frame(self, width: int, height: int) -> Any:
        if (width, height) not in self._id_frames:
            size = (width, height)
            self._id_frames[size] = self.ctx.framebuffer(
                [self.ctx.renderbuffer(size, 4)], self.ctx.depth_renderbuffer(size)
            )
        return self._id_frames[width, height]
