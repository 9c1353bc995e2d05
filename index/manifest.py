"""The manifest of an index version: what is in it, and the hash that names it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from index.files import instead_of_file
from training.errors import GalleryError

FORMAT = 1
FILE = "manifest.json"
IDS = "ids.npy"
"""The file of the view ids in row order, for whoever reads a version without its database."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class HeadFile(_Part):
    """The vectors of one head: ``dim`` dimensions, in ``file`` of ``bytes`` bytes."""

    dim: int
    file: str
    bytes: int
    sha256: str


class Counts(_Part):
    """How much is in the version; ``annotated`` counts views that carry a 9-DoF box."""

    views: int
    sequences: int
    instances: int
    categories: int
    annotated: int


class Skipped(_Part):
    """A sequence, or ``views`` views of it, that could not be used."""

    dataset: str
    sequence: str
    views: int | None
    reason: str


class Report(_Part):
    """What was left out and why. ``views`` None in ``skipped`` means the whole sequence."""

    read: int
    skipped: tuple[Skipped, ...]
    notes: tuple[str, ...]


class Options(_Part):
    """What was asked of the build."""

    split: str | None
    fps: float | None
    stride: int


class EncoderStamp(_Part):
    """Which encoder made the vectors; queries must come from the same."""

    identity: str


class Derived(_Part):
    """That a version was made of another one, ``version``, not by a build.

    ``by`` compact: ``folded`` enrolled views came in; by erase: ``erased`` views went out. Nothing
    was measured again: the confidence is the one ``confidence_of`` measured, a version's name.
    """

    by: Literal["compact", "erase"]
    version: str
    folded: int
    erased: int
    confidence_of: str | None


class Hints(_Part):
    """Where things lay when the version was built; not part of what the version is."""

    encoder_folder: str | None
    roots: tuple[str, ...]


class Manifest(_Part):
    """All of a version. Its hash leaves the hints out and knows no time of day.

    ``confidence_sha256`` is None in versions without a calibration, ``canary`` (index.canary) in
    those built before there was one, ``derived`` in those a build made; then nothing is written of
    it, so that versions of before it existed keep their text and their hash.
    """

    format: int
    name: str
    metric: str
    encoder: EncoderStamp
    heads: dict[str, HeadFile]
    ids_sha256: str
    row_order_sha256: str
    metadata_sha256: str
    confidence_sha256: str | None = None
    canary: dict[str, str] | None = None
    derived: Derived | None = None
    counts: Counts
    options: Options
    report: Report
    hints: Hints

    @property
    def version(self) -> str:
        """The first 12 hexadecimal digits of SHA-256 over everything but the hints."""
        content = self._content
        del content["hints"]
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def text(self) -> str:
        """The text of manifest.json; equal manifests have equal bytes."""
        return json.dumps(self._content, sort_keys=True, indent=2, ensure_ascii=False) + "\n"

    @property
    def _content(self) -> dict[str, Any]:
        content = self.model_dump(mode="json")
        for name in ("confidence_sha256", "canary", "derived"):
            if content[name] is None:
                del content[name]
        return content

    @classmethod
    def parse(cls, text: str, origin: str) -> Manifest:
        """The manifest in ``text``. Raises GalleryError naming ``origin`` if it is none."""
        try:
            manifest = cls.model_validate_json(text)
        except ValidationError as error:
            raise GalleryError(
                f"{origin} is no manifest: {error.errors()[0]['msg']}.",
                "Build the index again, or promote another version.",
            ) from error
        if manifest.format != FORMAT:
            raise GalleryError(
                f"{origin} has format {manifest.format}; this version reads {FORMAT}.",
                "Build the index again with this version of Posebank.",
            )
        return manifest

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """The manifest of a version folder. Raises GalleryError if it is missing or broken."""
        path = folder / FILE
        try:
            found = instead_of_file(path)
            if found is not None:
                raise OSError(f"it is {found}")
            return cls.parse(path.read_text(encoding="utf-8"), str(path))
        except (OSError, UnicodeDecodeError) as error:
            raise GalleryError(
                f"{path} cannot be read: {error}.",
                "Build the index again, or promote another version.",
            ) from error


def row_order(ids: NDArray[np.int64]) -> str:
    """SHA-256 over view ids (N,) in row order, each as 8 little-endian bytes."""
    return hashlib.sha256(ids.astype("<i8").tobytes()).hexdigest()


def metadata_digest(fingerprints: Iterable[str | None]) -> str:
    """SHA-256 over the metadata fingerprints in row order."""
    digest = hashlib.sha256()
    for text in fingerprints:
        digest.update((text or "").encode())
    return digest.hexdigest()
