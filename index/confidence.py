"""How sure an index version's answers are: the calibration stored beside its vectors.

Fitted by the build on views of the gallery that were asked against all other instances and
sequences of it; see index.answers.confidence.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from index.files import check_sha256
from training.errors import GalleryError

FILE = "confidence.json"
FORMAT = 1

Floats = NDArray[np.float64]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Reliability(_Part):
    """How good probabilities were: mean squared error, expected calibration error over ten bins,
    and the chance that a hit was given a higher one than a miss (None where all are alike)."""

    brier: float
    ece: float
    auroc: float | None


class Calibration(_Part):
    """P(3-D IoU > 0.5) = 1 / (1 + exp(−(``intercept`` + Σ ``weight`` (x − ``mean``) /
    ``deviation``))) over ``features`` x.

    Fitted to ``queries`` answers, ``hits`` of them right; ``held_out`` is how it did on instances
    that the fit had not seen.
    """

    features: tuple[str, ...]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    weight: tuple[float, ...]
    intercept: float
    queries: int
    hits: int
    held_out: Reliability

    def probability(self, features: Floats) -> Floats:
        """(Q,) for ``features`` (Q, F)."""
        standard = (features - np.array(self.mean)) / np.array(self.deviation)
        logit = self.intercept + standard @ np.array(self.weight)
        return np.asarray(0.5 * (1.0 + np.tanh(0.5 * logit)))


class Confidence(_Part):
    """The calibrations of one index version, each for what is known of the query's ground.

    ``exact``: an annotated plane. ``measured``: a plane with a detector's errors, what users give.
    ``none``: no plane. None where the gallery cannot tell. ``head`` made the embeddings;
    ``settings`` are those of the pooling it was fitted to.
    """

    format: int
    head: str
    settings: dict[str, float]
    exact: Calibration | None
    measured: Calibration | None
    none: Calibration | None

    @property
    def text(self) -> str:
        """The text of confidence.json; equal calibrations have equal bytes."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, indent=2) + "\n"

    @classmethod
    def parse(cls, content: bytes, origin: str) -> Confidence:
        """The calibrations in ``content``. Raises GalleryError naming ``origin`` if it has none."""
        remedy = "Build the index again, or promote another version."
        try:
            found = cls.model_validate_json(content)
        except ValidationError as error:
            raise GalleryError(
                f"{origin} is no calibration: {error.errors()[0]['msg']}.", remedy
            ) from error
        if found.format != FORMAT:
            raise GalleryError(f"{origin} has format {found.format}, not {FORMAT}.", remedy)
        return found


def read_confidence(folder: Path, sha256: str | None) -> Confidence | None:
    """The calibrations in a version's folder, None where its manifest knows of none.

    Raises GalleryError if the file is missing, changed or no calibration.
    """
    if sha256 is None:
        return None
    path = folder / FILE
    check_sha256(path, sha256)
    return Confidence.parse(path.read_bytes(), str(path))
