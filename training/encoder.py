"""The frozen encoder: crops in, named L2-normalised embeddings out.

Two backends behind one class: ONNX Runtime, the default on CPU, and torch, the reference and the
one for CUDA. This module imports torch only when that backend is used, so that serving and
indexing need no torch installed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from training.artifact import (
    GRAPH_FILE,
    EncoderInfo,
    HeadInfo,
    Preprocessing,
    find_artifact,
    read_info,
    read_weights,
    verify,
)
from training.cores import available_cores, cpu_quota
from training.data.crop import crop_view
from training.data.records import ImageRGB
from training.errors import EncoderError

__all__ = ["Encoder", "EncoderInfo", "HeadInfo", "Preprocessing"]

Embeddings = NDArray[np.float32]
Backend = Literal["auto", "onnx", "torch"]

_SUBSTITUTES = {"identity": "pose", "pose": "identity"}


class _Runner(Protocol):
    name: str
    device: str

    def run(self, crops: ImageRGB) -> list[Embeddings]:
        """(N, S, S, 3) uint8 RGB to one (N, dim) float32 per head, in the order of the heads."""
        ...


class Encoder:
    """A loaded encoder folder. Always in eval mode: a crop's embedding is its own alone.

    ``identity`` is the SHA-256 of weights, preprocessing and network; ``heads`` maps each head's
    name to its dimension; ``backend`` is ``onnx`` or ``torch``; ``device`` is ``cpu`` or ``cuda``.
    Safe to use from several threads.
    """

    def __init__(self, info: EncoderInfo, runner: _Runner) -> None:
        """Use ``Encoder.load``."""
        self.info = info
        self.identity = info.identity
        self.heads = {name: head.dim for name, head in info.heads.items()}
        self.preprocessing = info.preprocessing
        self.backend = runner.name
        self.device = runner.device
        self._runner = runner

    @classmethod
    def load(cls, folder: Path, backend: Backend = "auto", threads: int | None = None) -> Encoder:
        """Load and verify an encoder folder (or the ``encoder`` folder of a training run).

        ``auto`` takes CUDA where it is present, else ONNX Runtime on CPU. ``threads`` limits the
        CPU threads of one call; None: what a CPU quota grants, else as the runtime chooses. Raises
        EncoderError when files are missing, were changed, or the backend is not installed.
        """
        folder = find_artifact(Path(folder))
        info = read_info(folder)
        weights = read_weights(folder)
        verify(folder, info, weights)
        if threads is None and cpu_quota() is not None:
            threads = available_cores()
        if backend == "auto":
            backend = "torch" if _cuda_torch() else "onnx"
        if backend == "torch":
            return cls(info, _TorchRunner(info, weights, threads))
        if backend == "onnx":
            return cls(info, _OnnxRunner(folder / GRAPH_FILE, info, threads))
        raise EncoderError(f"Unknown backend {backend!r}.", "Use auto, onnx or torch.")

    def crop(self, image: ImageRGB, bbox_xyxy: ArrayLike) -> ImageRGB:
        """(S, S, 3) uint8 RGB crop of an (H, W, 3) image round its box in pixels.

        Raises DataError for an empty box.
        """
        box = np.asarray(bbox_xyxy, dtype=np.float64)
        return crop_view(image, box, self.preprocessing.size, self.preprocessing.margin)

    def encode(self, crops: ImageRGB, batch_size: int = 64) -> dict[str, Embeddings]:
        """(N, S, S, 3) uint8 RGB crops to (N, dim) L2-normalised float32 per head.

        Raises EncoderError for crops of another shape or type.
        """
        size = self.preprocessing.size
        crops = np.asarray(crops)
        if crops.dtype != np.uint8 or crops.ndim != 4 or crops.shape[1:] != (size, size, 3):
            raise EncoderError(
                f"Crops are {crops.dtype} {crops.shape}; this encoder takes uint8 "
                f"(N, {size}, {size}, 3).",
                "Make them with Encoder.crop.",
            )
        parts = [
            self._runner.run(crops[start : start + batch_size])
            for start in range(0, len(crops), batch_size)
        ]
        return {
            name: np.concatenate([part[i] for part in parts])
            if parts
            else np.empty((0, dim), np.float32)
            for i, (name, dim) in enumerate(self.heads.items())
        }

    def resolve_head(self, wanted: str) -> tuple[str, str | None]:
        """The head to use for ``wanted``, and a note when another one stands in for it.

        ``identity`` and ``pose`` stand in for each other. Raises EncoderError otherwise.
        """
        if wanted in self.heads:
            return wanted, None
        substitute = _SUBSTITUTES.get(wanted)
        if substitute in self.heads:
            return substitute, f"This encoder has no head {wanted!r}; {substitute!r} answered."
        raise EncoderError(
            f"This encoder has no head {wanted!r}.", f"Ask for one of {', '.join(self.heads)}."
        )


class _OnnxRunner:
    name = "onnx"

    def __init__(self, graph: Path, info: EncoderInfo, threads: int | None) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        options.inter_op_num_threads = 1
        # Waiting threads that spin take the cores from decoding and from the web server.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        wanted = ["CUDAExecutionProvider", "CPUExecutionProvider"]
        available = onnxruntime.get_available_providers()
        try:
            self._session = onnxruntime.InferenceSession(
                str(graph), options, providers=[name for name in wanted if name in available]
            )
        except Exception as error:  # the runtime raises its own classes, all of them Exceptions
            raise EncoderError(
                f"{graph} cannot be loaded: {error}.", "Export the encoder again."
            ) from error
        self.device = "cuda" if "CUDA" in self._session.get_providers()[0] else "cpu"
        self._outputs = list(info.heads)

    def run(self, crops: ImageRGB) -> list[Embeddings]:
        found: list[Embeddings] = self._session.run(
            self._outputs, {"crops": np.ascontiguousarray(crops)}
        )
        return found


class _TorchRunner:
    name = "torch"

    def __init__(
        self, info: EncoderInfo, weights: Mapping[str, NDArray[Any]], threads: int | None
    ) -> None:
        if find_spec("torch") is None:
            raise EncoderError(
                "The torch backend needs torch, which is not installed.",
                "pip install -c constraints.txt -e '.[train]', or use the onnx backend.",
            )
        import torch

        from training.networks import EncoderNetwork

        if threads:
            torch.set_num_threads(threads)
        self._torch = torch
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        pools = {name: head.pool for name, head in info.heads.items()}
        network = EncoderNetwork(
            info.backbone,
            pools,
            info.preprocessing,
            own_stages=info.own_stages,
            skip_stages={name: head.skip_stages for name, head in info.heads.items()},
        )
        for name, head in info.heads.items():
            if head.whitened:
                shape = (head.dim, network.pooled_dim(name))
                network.whiten(name, torch.empty(shape), torch.empty(head.dim))
        state = {name: torch.from_numpy(array.copy()) for name, array in weights.items()}
        lost = network.load_state_dict(state, strict=False)
        missing = [name for name in lost.missing_keys if not name.endswith("num_batches_tracked")]
        if missing or lost.unexpected_keys:
            raise EncoderError(
                f"The weights do not fit {info.backbone}: {len(missing)} missing, "
                f"{len(lost.unexpected_keys)} unknown.",
                "Export the encoder again.",
            )
        self._network = network.eval().to(self.device)

    def run(self, crops: ImageRGB) -> list[Embeddings]:
        torch = self._torch
        batch = torch.from_numpy(np.ascontiguousarray(crops)).to(self.device)
        # TF32 would move an embedding by 1e-3, away from the one ONNX Runtime gives.
        with torch.inference_mode(), torch.backends.cudnn.flags(allow_tf32=False):
            return [output.cpu().numpy() for output in self._network(batch)]


def _cuda_torch() -> bool:
    """Whether torch can use CUDA; torch is imported only where an NVIDIA driver is present."""
    driver = ("/dev/nvidiactl", "/dev/dxg", "/proc/driver/nvidia/version")
    if sys.platform != "win32" and not any(os.path.exists(path) for path in driver):
        return False
    if find_spec("torch") is None:
        return False
    import torch

    return torch.cuda.is_available()
