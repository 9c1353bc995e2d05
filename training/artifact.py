"""What an encoder folder holds, and the identity that ties vectors to the encoder that made them.

encoder.safetensors   the weights, no pickle
encoder.onnx          the same network as a graph, preprocessing baked in
encoder.json          EncoderInfo: what it is, how it was made, the SHA-256 of the two files
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from training.errors import EncoderError

WEIGHTS_FILE = "encoder.safetensors"
GRAPH_FILE = "encoder.onnx"
INFO_FILE = "encoder.json"

RETRAIN = "Export or train the encoder again, or copy its folder again from where it was made."

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

Weights = Mapping[str, NDArray[Any]]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class HeadInfo(_Strict):
    """One named embedding: ``dim`` numbers, averaged over a ``pool`` × ``pool`` grid of cells.

    ``skip_stages`` of the backbone's last stages are left out (training.networks).
    ``whitened``: the pooled features were then projected to ``dim`` (training.whitening).
    """

    dim: int = Field(gt=0)
    pool: int = Field(gt=0)
    skip_stages: int = Field(default=0, ge=0)
    whitened: bool = False


class Preprocessing(_Strict):
    """How a crop is made: square of ``size`` pixels, its box grown by ``margin``.

    ``mean`` and ``std`` are per RGB channel of values in [0, 1].
    """

    size: int = Field(gt=0)
    margin: float = Field(default=1.0, gt=0.0)
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD


class EncoderInfo(_Strict):
    """The content of encoder.json.

    ``own_stages``: so many of the backbone's last stages exist once a head (training.networks).
    ``identity`` is the SHA-256 over weights, preprocessing and network; ``files`` the SHA-256 of
    each file. Both are filled in by the export.
    """

    format: Literal["posebank-encoder/1"] = "posebank-encoder/1"
    identity: str = ""
    method: str
    recipe: str
    backbone: str
    own_stages: int = Field(default=0, ge=0)
    heads: dict[str, HeadInfo] = Field(min_length=1)
    preprocessing: Preprocessing
    training: dict[str, Any] = {}
    code_version: str = ""
    metrics: dict[str, Any] = {}
    files: dict[str, str] = {}


def code_version() -> str:
    """The installed version of Posebank, or ``source`` where it runs uninstalled."""
    try:
        return metadata.version("posebank")
    except metadata.PackageNotFoundError:
        return "source"


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def identity_of(weights: Weights, info: EncoderInfo) -> str:
    """SHA-256 over the network's spec, its preprocessing and every weight, in hex.

    Independent of how the files are laid out, so exporting the same weights again with another
    version of a library keeps the identity, and with it every index built from the encoder.
    """
    # Encoders from before a field existed keep their identity.
    spec = info.model_dump(mode="json", include={"backbone", "heads", "preprocessing"})
    if info.own_stages:
        spec["own_stages"] = info.own_stages
    for head in spec["heads"].values():
        for field in ("skip_stages", "whitened"):
            if not head[field]:
                del head[field]
    digest = hashlib.sha256(json.dumps(spec, sort_keys=True).encode())
    for name in sorted(weights):
        tensor = np.ascontiguousarray(weights[name])
        digest.update(f"{name}|{tensor.dtype.str}|{tensor.shape}|".encode())
        digest.update(tensor.tobytes())
    return digest.hexdigest()


def find_artifact(folder: Path) -> Path:
    """The folder itself, or the ``encoder`` folder inside it when it is a training run's.

    Raises EncoderError when neither holds an encoder.json.
    """
    for candidate in (folder, folder / "encoder"):
        if (candidate / INFO_FILE).is_file():
            return candidate
    raise EncoderError(
        f"{folder} holds no encoder: {INFO_FILE} is missing.",
        "Give the folder that `posebank train` wrote, or one of its `encoder` folders.",
    )


def read_info(folder: Path) -> EncoderInfo:
    """Parse encoder.json. Raises EncoderError naming the first field that is wrong."""
    path = folder / INFO_FILE
    try:
        return EncoderInfo.model_validate_json(path.read_bytes())
    except OSError as error:
        raise EncoderError(f"{path} cannot be read: {error.strerror}.", RETRAIN) from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "the file"
        raise EncoderError(f"{path} is wrong at {field}: {first['msg']}.", RETRAIN) from error


def read_weights(folder: Path) -> dict[str, NDArray[Any]]:
    """All weights by name. Raises EncoderError when the file is missing or broken."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    path = folder / WEIGHTS_FILE
    try:
        return dict(load_file(path))
    except (OSError, SafetensorError) as error:
        raise EncoderError(f"{path} cannot be read: {error}.", RETRAIN) from error


def verify(folder: Path, info: EncoderInfo, weights: Weights) -> None:
    """Check files and weights against what encoder.json promises. Raises EncoderError."""
    for name in (GRAPH_FILE, WEIGHTS_FILE):
        path, promised = folder / name, info.files.get(name)
        if not path.is_file():
            raise EncoderError(f"{path} is missing.", RETRAIN)
        found = file_sha256(path)
        if found != promised:
            raise EncoderError(
                f"{path} was changed: SHA-256 {found[:12]}…, but {INFO_FILE} says "
                f"{(promised or 'nothing')[:12]}….",
                RETRAIN,
            )
    found = identity_of(weights, info)
    if found != info.identity:
        raise EncoderError(
            f"{folder} is not the encoder it says: identity {found[:12]}…, but {INFO_FILE} says "
            f"{info.identity[:12] or 'nothing'}….",
            RETRAIN,
        )
