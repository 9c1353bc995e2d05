"""What the protocols ask of an encoder, and how one is named: a folder or ``baseline:…``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from index.evaluation.baselines import BASELINES, open_baseline
from training.errors import EncoderError

BASELINE_PREFIX = "baseline:"


class ViewEncoder(Protocol):
    """The part of ``training.encoder.Encoder`` the protocols use; the baselines have it too."""

    @property
    def identity(self) -> str:
        """What the embeddings depend on: weights, preprocessing and network."""
        ...

    @property
    def heads(self) -> Mapping[str, int]:
        """Name of each head and its dimension."""
        ...

    def crop(self, image: NDArray[np.uint8], bbox_xyxy: NDArray[np.float64]) -> NDArray[np.uint8]:
        """(H, W, 3) RGB and a box in pixels to the (S, S, 3) uint8 crop that is encoded."""
        ...

    def encode(self, crops: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """(N, S, S, 3) crops to one L2-normalised (N, dim) float32 array a head."""
        ...

    def resolve_head(self, wanted: str) -> tuple[str, str | None]:
        """The head that answers ``wanted``, with a note where another stands in for it."""
        ...


def open_encoder(
    name: str,
    data_root: Path | None = None,
    backend: Literal["auto", "onnx", "torch"] = "auto",
    threads: int | None = None,
) -> ViewEncoder:
    """The encoder in the folder ``name``, or the built-in ``baseline:pixels16`` and the like.

    ``data_root`` holds ``weights_squeezenet/`` for the SqueezeNet baselines. Raises EncoderError.
    """
    if name.startswith(BASELINE_PREFIX):
        return open_baseline(name.removeprefix(BASELINE_PREFIX), data_root)
    folder = Path(name)
    if not folder.is_dir():
        known = ", ".join(BASELINE_PREFIX + baseline for baseline in BASELINES)
        raise EncoderError(
            f"There is no encoder folder {folder}.",
            f"Name the folder that `posebank train` wrote, or one of {known}.",
        )
    from training.encoder import Encoder

    return Encoder.load(folder, backend=backend, threads=threads)
