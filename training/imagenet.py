"""ImageNet weights for backbones: torchvision's, or SqueezeNet's from a file of arrays.

SqueezeNet 1.0 is also read from ``weights_squeezenet/squeezenet_v1_0_imagenet_float32.npz`` in the
folder ``POSEBANK_DATA``, for machines that can download nothing. Those weights were trained on
0..255 BGR values less a mean; they are rewritten to take the RGB values that every encoder here
normalises by IMAGENET_MEAN and IMAGENET_STD, so that the network computes the same.
"""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from urllib.parse import urlparse

import numpy as np
import torch
from torch import Tensor, nn

from training.artifact import IMAGENET_MEAN, IMAGENET_STD, file_sha256
from training.errors import RecipeError

SQUEEZENET_FILE = Path("weights_squeezenet/squeezenet_v1_0_imagenet_float32.npz")
MEAN_RGB = (123.0, 117.0, 104.0)
"""What the file's weights expect to be subtracted from 0..255 RGB."""

_FIRES = {2: 3, 3: 4, 4: 5, 5: 7, 6: 8, 7: 9, 8: 10, 9: 12}
"""Fire module of the paper → its place in torchvision's ``features``."""


def load_imagenet(backbone: str, model: nn.Module) -> None:
    """Fill a torchvision ``model`` with ImageNet weights; the classifier may stay as it is.

    SqueezeNet 1.0 comes from the file where it is there, all else from torchvision (downloaded
    once, IMAGENET1K_V1). Raises RecipeError for weights that cannot be had.
    """
    from training.torchvision_import import models

    path = _squeezenet_file(backbone)
    if path is not None:
        try:
            model.get_submodule("features").load_state_dict(squeezenet_weights(path))
        except RuntimeError as error:  # arrays of other shapes
            raise RecipeError(
                f"{path} does not hold SqueezeNet 1.0 weights: {error}.", "Copy the file again."
            ) from error
        return
    try:
        weights = models.get_model_weights(backbone)["IMAGENET1K_V1"]
        model.load_state_dict(weights.get_state_dict(progress=False))
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise RecipeError(
            f"The ImageNet weights of {backbone} could not be had: {error}.",
            "Use init = 'random', put torchvision's file into torch's hub folder, or for "
            f"squeezenet1_0 set POSEBANK_DATA to the folder that holds {SQUEEZENET_FILE}.",
        ) from error


def imagenet_source(backbone: str) -> dict[str, str]:
    """``name`` and ``sha256`` of the file that ``load_imagenet`` filled a model from."""
    from training.torchvision_import import models

    path = _squeezenet_file(backbone)
    if path is not None:
        return {"name": path.name, "sha256": file_sha256(path)}
    weights = models.get_model_weights(backbone)["IMAGENET1K_V1"]
    path = (
        Path(torch.hub.get_dir()) / "checkpoints" / PurePosixPath(urlparse(weights.url).path).name
    )
    return {"name": str(weights), "sha256": file_sha256(path)}


def _squeezenet_file(backbone: str) -> Path | None:
    folder = os.environ.get("POSEBANK_DATA")
    if backbone != "squeezenet1_0" or not folder:
        return None
    path = Path(folder) / SQUEEZENET_FILE
    return path if path.is_file() else None


def squeezenet_weights(path: Path) -> dict[str, Tensor]:
    """The weights of torchvision's ``squeezenet1_0().features`` from the .npz file ``path``.

    Raises RecipeError where the file does not hold them.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: torch.from_numpy(file[name]) for name in file.files}
        state = {"0.weight": arrays["conv1.weight"], "0.bias": arrays["conv1.bias"]}
        for fire, place in _FIRES.items():
            for part in ("squeeze1x1", "expand1x1", "expand3x3"):
                module = part.replace("squeeze1x1", "squeeze")
                for kind in ("weight", "bias"):
                    state[f"{place}.{module}.{kind}"] = arrays[f"fire{fire}/{part}.{kind}"]
    except (OSError, ValueError, KeyError) as error:
        raise RecipeError(
            f"{path} does not hold SqueezeNet 1.0 weights: {error}.", "Copy the file again."
        ) from error
    state["0.weight"], state["0.bias"] = _take_normalised_rgb(state["0.weight"], state["0.bias"])
    return state


def _take_normalised_rgb(weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """conv1 of (BGR·255 − mean) to conv1 of (RGB − IMAGENET_MEAN) / IMAGENET_STD.

    Exact, as conv1 has no padding whose zeros would mean another colour.
    """
    rgb = weight.flip(1)
    mean, std = torch.tensor(IMAGENET_MEAN), torch.tensor(IMAGENET_STD)
    offset = 255.0 * mean - torch.tensor(MEAN_RGB)
    return (
        rgb * (255.0 * std)[None, :, None, None],
        bias + (rgb * offset[None, :, None, None]).sum(dim=(1, 2, 3)),
    )
