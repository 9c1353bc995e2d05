"""Small datasets with known geometry, written file by file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from training.data.objectron_schema import AnnotationSequence
from training.data.records import UNIT_BOX

WIDTH, HEIGHT = 120, 160


@pytest.fixture
def write_video() -> Callable[..., Path]:
    """Writes a video whose frame i is uniformly grey at 10 + 8 i, a white mark at its top left."""

    def write(
        path: Path, frames: int = 12, width: int = WIDTH, height: int = HEIGHT, fps: float = 30.0
    ) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        # The container is chosen by suffix; .MOV takes the same codec.
        video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), fps, (width, height))
        assert video.isOpened()
        for index in range(frames):
            image = np.full((height, width, 3), 10 + 8 * index, np.uint8)
            image[: height // 8, : width // 8] = 255
            video.write(image)
        video.release()
        return path

    return write


class Scene:
    """A phone held upright one metre in front of a box, 0.3 m above its centre, looking level.

    World: y up. The camera's frame is Objectron's: x down, y right, z towards the viewer. The
    phone slides to the right by 1 cm a frame.
    """

    focal = 200.0  # pixels of the 120 x 160 image
    scale = np.array([0.2, 0.1, 0.3])

    def pose_of_camera(self, frame: int) -> np.ndarray:
        pose = np.eye(4)
        pose[:3, :3] = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
        pose[:3, 3] = (0.01 * frame, 0.3, 1.0)
        return pose

    def projection(self, frame: int) -> np.ndarray:
        matrix = np.zeros((4, 4))
        matrix[0, 0] = 2 * (self.focal + frame) / HEIGHT  # autofocus: differs between frames
        matrix[1, 1] = 2 * (self.focal + frame) / WIDTH
        matrix[0, 2], matrix[1, 2] = 0.02, -0.03
        matrix[2, 2], matrix[2, 3], matrix[3, 2] = -1.0, -0.002, -1.0
        return matrix

    def message(self, frames: int = 12, objects: int = 1, category: str = "cup"):
        sequence = AnnotationSequence()
        offsets = [np.array([0.4 * index, 0.0, 0.0]) for index in range(objects)]
        for index, offset in enumerate(offsets):
            item = sequence.objects.add(id=index, category=category, type=1)
            item.rotation.extend(np.eye(3).ravel())
            item.translation.extend(offset)
            item.scale.extend(self.scale)
        for number in range(frames):
            frame = sequence.frame_annotations.add(frame_id=number, timestamp=5 + number / 30)
            view = np.linalg.inv(self.pose_of_camera(number))
            projection = self.projection(number)
            frame.camera.view_matrix.extend(view.ravel())
            frame.camera.transform.extend(self.pose_of_camera(number).ravel())
            frame.camera.projection_matrix.extend(projection.ravel())
            frame.camera.image_resolution_width = HEIGHT * 12
            frame.camera.image_resolution_height = WIDTH * 12
            frame.plane_center.extend((view @ (0.0, -0.05, 0.0, 1.0))[:3])
            frame.plane_normal.extend(view[:3, :3] @ (0.0, 1.0, 0.0))
            for index, offset in enumerate(offsets):
                entry = frame.annotations.add(object_id=index, visibility=1.0)
                for key, unit in enumerate(UNIT_BOX):
                    world = np.append(unit * self.scale + offset, 1.0)
                    point = view @ world
                    clip = projection @ point
                    ndc = clip[:3] / clip[3]
                    mark = entry.keypoints.add(id=key)
                    mark.point_3d.x, mark.point_3d.y, mark.point_3d.z = point[:3]
                    mark.point_2d.x, mark.point_2d.y = (1 + ndc[1]) / 2, (1 + ndc[0]) / 2
                    mark.point_2d.depth = -point[2]
        return sequence


@pytest.fixture
def scene() -> Scene:
    return Scene()


@pytest.fixture(scope="session")
def annotation_bytes() -> bytes:
    return Scene().message(frames=3, objects=2).SerializeToString()


@pytest.fixture
def write_objectron(write_video: Callable[..., Path]) -> Callable[..., None]:
    """Writes one sequence, in the published folders or side by side."""

    def write(
        root: Path,
        identifier: str,
        message: AnnotationSequence,
        frames: int = 12,
        beside: bool = False,
        **video: int,
    ) -> None:
        if beside:
            annotation = root / identifier / "annotation.pbdata"
            movie = root / identifier / "video.MOV"
        else:
            annotation = root / "annotations" / f"{identifier}.pbdata"
            movie = root / "videos" / identifier / "video.MOV"
        annotation.parent.mkdir(parents=True, exist_ok=True)
        annotation.write_bytes(message.SerializeToString())
        write_video(movie, frames, **video)

    return write
