"""SqueezeNet v1.0 with ImageNet weights: the "ImageNet embeddings" row of the baselines.

Network: Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters" (2016).
torch is imported when the network is first run, so evaluating other encoders needs none.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from training.errors import EncoderError

if TYPE_CHECKING:
    import torch

INPUT_SIZE = 227
MEAN_BGR = (104.0, 117.0, 123.0)
"""Subtracted from the 0..255 blue, green and red channels (the weights' own preprocessing)."""

POOLED_FIRE_LAYERS = (4, 8)
"""A 3×3 stride-2 max pooling follows these fire modules, and the first convolution."""


class SqueezeNet:
    """The convolutional part up to ``fire9``: uint8 RGB crops to (N, 512, 13, 13) float32 maps.

    ``weights_file`` is an .npz with ``conv1.weight``, ``fire2/squeeze1x1.weight``, … in OIHW order.
    Raises EncoderError where torch is not installed or the file does not hold such weights.
    """

    def __init__(self, weights_file: Path) -> None:
        try:
            import torch
        except ImportError as error:
            raise EncoderError(
                "The SqueezeNet baselines need torch, which is not installed.",
                "Install the extra: pip install -c constraints.txt -e '.[train]'.",
            ) from error
        self._weights = {
            name: torch.from_numpy(array) for name, array in _read_weights(weights_file).items()
        }

    def feature_maps(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, 227, 227, 3) uint8 RGB to the (N, 512, 13, 13) output of fire9."""
        import torch

        with torch.inference_mode():
            bgr = torch.from_numpy(np.ascontiguousarray(crops[..., ::-1])).permute(0, 3, 1, 2)
            x = bgr.float() - torch.tensor(MEAN_BGR).view(1, 3, 1, 1)
            x = _pool(self._convolve(x, "conv1", stride=2))
            for layer in range(2, 10):
                x = self._fire(x, f"fire{layer}")
                if layer in POOLED_FIRE_LAYERS:
                    x = _pool(x)
            return x.numpy()

    def _fire(self, x: torch.Tensor, name: str) -> torch.Tensor:
        import torch

        squeezed = self._convolve(x, f"{name}/squeeze1x1")
        narrow = self._convolve(squeezed, f"{name}/expand1x1")
        wide = self._convolve(squeezed, f"{name}/expand3x3", padding=1)
        return torch.cat((narrow, wide), dim=1)

    def _convolve(
        self, x: torch.Tensor, name: str, stride: int = 1, padding: int = 0
    ) -> torch.Tensor:
        from torch.nn import functional

        weight, bias = self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]
        return functional.conv2d(x, weight, bias, stride=stride, padding=padding).relu_()


def _pool(x: torch.Tensor) -> torch.Tensor:
    from torch.nn import functional

    return functional.max_pool2d(x, kernel_size=3, stride=2, ceil_mode=True)


def _read_weights(file: Path) -> Mapping[str, NDArray[np.float32]]:
    if not file.is_file():
        raise EncoderError(
            f"The SqueezeNet weights were not found at {file}.",
            "Name the folder that holds weights_squeezenet/ in POSEBANK_DATA.",
        )
    try:
        with np.load(file, allow_pickle=False) as archive:
            weights = {name: archive[name].astype(np.float32) for name in archive.files}
    except (OSError, ValueError) as error:
        raise EncoderError(
            f"{file} cannot be read as an .npz of weights: {error}.", "Fetch the file again."
        ) from error
    if weights.get("conv1.weight", np.empty(0)).shape != (96, 3, 7, 7):
        raise EncoderError(
            f"{file} does not hold SqueezeNet v1.0: conv1.weight is not 96×3×7×7.",
            "Use the decoded v1.0 weights.",
        )
    return weights
