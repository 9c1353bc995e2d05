"""Whether an encoder embeds here as it did where an index was built.

Its identity says that weights and preprocessing are the same; one fixed image says that the
libraries and the accelerator make the same of them.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from index.building.embed import EncoderLike
from training.data.records import ImageRGB
from training.errors import EncoderError, GalleryError

Embeddings = Mapping[str, NDArray[np.float32]]

TOLERANCE: Final = 5e-4
"""Largest cosine distance of the same embedding on two machines (ours). With the bundled encoder,
torch against ONNX Runtime gives 2e-7 and two grey levels of noise on every pixel 7e-5; a crop that
is half a pixel off gives 2e-3, swapped channels 3e-2."""

BOX: Final = (40.0, 20.0, 290.0, 225.0)
"""The crop of the fixed image: no square, so that padding is seen too."""


def canary_image() -> ImageRGB:
    """(240, 320, 3) uint8 RGB: two ramps and a chessboard, which no library has a part in."""
    y, x = np.mgrid[:240, :320]
    board = (x // 20 + y // 20) % 2 * 255
    return np.stack([x * 255 // 319, y * 255 // 239, board], axis=-1).astype(np.uint8)


def embed_canary(encoder: EncoderLike) -> dict[str, NDArray[np.float32]]:
    """Head → (dim,) float32 of the fixed image. Raises EncoderError where that fails."""
    try:
        crop = encoder.crop(canary_image(), np.array(BOX))
        return {head: rows[0] for head, rows in encoder.encode(crop[None]).items()}
    except Exception as error:  # each runtime raises its own classes
        raise EncoderError(
            f"The encoder fails on a fixed image: {type(error).__name__}: {error}.",
            "Run `posebank doctor`; install the versions of constraints.txt.",
        ) from error


def written(embeddings: Embeddings) -> dict[str, str]:
    """Embeddings as a manifest keeps them: base64 of little-endian float16, 3e-8 from the truth."""
    return {
        head: base64.b64encode(vector.astype("<f2").tobytes()).decode()
        for head, vector in sorted(embeddings.items())
    }


def check_canary(name: str, known: Mapping[str, str], embeddings: Embeddings) -> None:
    """Raises GalleryError where ``embeddings`` are not those ``known`` to index ``name``."""
    for head, text in known.items():
        wanted = np.frombuffer(base64.b64decode(text), "<f2").astype(np.float64)
        found = embeddings[head].astype(np.float64)
        cosine = found @ wanted / (np.linalg.norm(found) * np.linalg.norm(wanted))
        if not cosine >= 1 - TOLERANCE:  # also true for NaN
            raise GalleryError(
                f"The encoder of index {name!r} does not embed here as where the index was built: "
                f"head {head!r} gives a fixed image a cosine of {cosine:.4f} to the embedding in "
                f"the manifest, at least {1 - TOLERANCE} is needed.",
                "Install the versions of constraints.txt (`posebank doctor` says what is "
                "installed), or build the index again here.",
            )
