"""BOP scenes: posed objects in single images, in BOP's own folders or as one merged file.

BOP's folders: ``<split>/<scene>/{scene_camera,scene_gt,scene_gt_info}.json`` with ``rgb/``.
Merged: ``<split>/annotations.json`` with the images beside it. ``models_info.json`` is looked for
in the scene's folder and those above, also in ``models/`` and ``models_eval/``.

Millimetres become metres, and the box is centred on the model's extents. Nearly all BOP models
are drawn z up, so the object's axes are turned to y up (x stays, front becomes BOP's -y); for
models drawn otherwise ``up="y"`` keeps the axes. The crop box is ``bbox_visib``. An object model
is an instance; its second copy in an image is ``<name>#2``.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from training.data.conventions import box_from_bop, project
from training.data.images import FileImage, image_size
from training.data.readers.base import Listed, Reader, folder_name
from training.data.records import Array, Box9, Camera, Sequence, View
from training.errors import DataError

_BROKEN = (KeyError, TypeError, ValueError, IndexError, AttributeError)


@dataclass(frozen=True, slots=True)
class _Model:
    name: str
    minimum_mm: Array
    size_mm: Array


class Bop(Reader):
    """One sequence a scene, in order of image number, without a clock.

    ``up`` is the axis the models are drawn with upwards, ``"z"`` (BOP's habit) or ``"y"``.
    Images without a photograph and objects that cannot be seen are left out and flagged.
    """

    kind = "bop"

    def __init__(
        self,
        root: Path,
        *,
        fps: float | None = None,
        dataset: str | None = None,
        up: Literal["z", "y"] = "z",
    ) -> None:
        super().__init__(root, fps=fps, dataset=dataset or folder_name(root))
        if up not in ("z", "y"):
            raise DataError(f"up is {up!r}; it must be 'z' or 'y'.", "Leave it out for 'z'.")
        self.up = up

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Whether ``scene_gt.json`` or ``annotations.json`` lies at or up to two folders down."""
        return root.is_dir() and any(True for _ in _scenes(root))

    def _listed(self) -> Iterator[Listed]:
        for path in _scenes(self.root):
            merged = path.name == "annotations.json"
            folder = path.parent
            name = folder.relative_to(self.root).as_posix()
            identifier = folder.resolve().name if name == "." else name
            split = (folder if merged else folder.parent).resolve().name
            read = partial(self._sequence, identifier, split, path)
            yield Listed(identifier, split, read)

    def _sequence(self, identifier: str, split: str, path: Path) -> Sequence:
        models = _models(path.parent, self.root)
        flags: set[str] = {"plane_missing"}
        try:
            frames = _merged(path) if path.name == "annotations.json" else _scene(path.parent)
            views = [
                view for frame in frames for view in self._views(identifier, frame, models, flags)
            ]
        except _BROKEN as error:
            raise DataError(
                f"Scene {identifier} is not as BOP writes it: {type(error).__name__} {error}.",
                "Fetch its JSON files again.",
            ) from error
        return Sequence(identifier, self.dataset, split, 0.0, tuple(views), tuple(sorted(flags)))

    def _views(
        self,
        identifier: str,
        frame: _Frame,
        models: Mapping[str, _Model],
        flags: set[str],
    ) -> Iterator[View]:
        if frame.image is None:
            flags.add("images_missing")
            return
        width, height = frame.size or image_size(frame.image)
        k = np.array(frame.cam_k, dtype=np.float64).reshape(3, 3)
        camera = Camera(k[0, 0], k[1, 1], k[0, 2], k[1, 2], width, height)
        source = FileImage(frame.image, f"{identifier}/{frame.image.name}")
        copies: Counter[str] = Counter()
        for item in frame.objects:
            model = models[str(item["obj_id"])]
            copies[model.name] += 1
            box = box_from_bop(
                np.array(item["cam_R_m2c"], dtype=np.float64).reshape(3, 3),
                np.array(item["cam_t_m2c"], dtype=np.float64),
                model.minimum_mm,
                model.size_mm,
                self.up,
            )
            bbox = _bbox(item, box, camera)
            if bbox is None:
                flags.add("objects_hidden")
                continue
            if "visib_fract" not in item:
                flags.add("visibility_missing")
            copy = copies[model.name]
            yield View(
                image=source,
                bbox_xyxy=bbox,
                instance=model.name if copy == 1 else f"{model.name}#{copy}",
                category=model.name,
                frame=frame.number,
                camera=camera,
                box9=box,
                visibility=float(np.clip(item.get("visib_fract", 1.0), 0.0, 1.0)),
                attributes={"obj_id": float(item["obj_id"])},
            )


@dataclass(frozen=True, slots=True)
class _Frame:
    number: int
    image: Path | None
    size: tuple[int, int] | None
    cam_k: list[float]
    objects: list[dict[str, Any]]


def _scenes(root: Path) -> Iterator[Path]:
    for name in ("scene_gt.json", "annotations.json"):
        for pattern in (name, f"*/{name}", f"*/*/{name}"):
            yield from sorted(root.glob(pattern))


def _load(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as JSON: {error}.", "Fetch it again.") from error


def _models(folder: Path, root: Path) -> dict[str, _Model]:
    """Models by object id, from the nearest ``models_info.json`` at or above ``folder``."""
    start = folder.resolve()  # a root that is one scene has its models two folders up
    above = [start, *start.parents][: 3 + len(start.relative_to(root.resolve()).parts)]
    for parent in above:
        for place in ("", "models", "models_eval"):
            path = parent / place / "models_info.json"
            if path.is_file():
                return {key: _model(key, value, path) for key, value in _load(path).items()}
    raise DataError(
        f"No models_info.json was found for {folder}: the boxes' sizes are unknown.",
        "Put it beside the splits, or into models/.",
    )


def _model(key: str, value: dict[str, Any], path: Path) -> _Model:
    try:
        minimum = np.array([value[f"min_{axis}"] for axis in "xyz"], dtype=np.float64)
        size = np.array([value[f"size_{axis}"] for axis in "xyz"], dtype=np.float64)
        name = str(value.get("name", f"obj_{int(key):06d}"))
    except _BROKEN as error:
        raise DataError(
            f"Object {key} of {path} has no min_x ... size_z: {error}.", "Fetch it again."
        ) from error
    return _Model(name, minimum, size)


def _scene(folder: Path) -> list[_Frame]:
    truth = _load(folder / "scene_gt.json")
    cameras = _load(folder / "scene_camera.json")
    path = folder / "scene_gt_info.json"
    info = _load(path) if path.is_file() else {}
    images = {
        int(image.stem): image
        for kind in ("gray", "rgb")  # rgb wins
        for image in sorted((folder / kind).glob("*"))
        if image.stem.isdecimal()
    }
    frames: list[_Frame] = []
    for key in sorted(truth, key=int):
        details = info.get(key, [{}] * len(truth[key]))
        objects = [{**item, **detail} for item, detail in zip(truth[key], details, strict=True)]
        frames.append(_Frame(int(key), images.get(int(key)), None, cameras[key]["cam_K"], objects))
    return frames


def _merged(path: Path) -> list[_Frame]:
    frames: list[_Frame] = []
    for name, value in sorted(_load(path).items()):
        image = path.parent / Path(name).name
        stem = image.stem
        frames.append(
            _Frame(
                int(stem) if stem.isdecimal() else len(frames),
                image if image.is_file() else None,
                (int(value["width"]), int(value["height"])),
                value["cam_K"],
                value["objects"],
            )
        )
    return frames


def _bbox(item: dict[str, Any], box: Box9, camera: Camera) -> Array | None:
    """(4,) the box of the visible part; of the whole box where unknown; None when hidden."""
    if "bbox_visib" in item:
        x, y, width, height = (float(value) for value in item["bbox_visib"])
        if width <= 0 or height <= 0:
            return None
        # BOP counts whole pixels: x is the first one, whose outer edge lies half a pixel before.
        return np.array([x - 0.5, y - 0.5, x + width - 0.5, y + height - 0.5])
    vertices = box.vertices
    if (vertices[:, 2] <= 0).any():
        return None
    pixels = project(camera, vertices)
    low, high = pixels.min(axis=0), pixels.max(axis=0)
    if (high < -0.5).any() or (low > (camera.width - 0.5, camera.height - 0.5)).any():
        return None
    return np.concatenate([low, high])
