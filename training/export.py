"""Freeze a network into an encoder folder: weights, graph, description, written as one."""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file

from training.artifact import (
    GRAPH_FILE,
    INFO_FILE,
    WEIGHTS_FILE,
    EncoderInfo,
    code_version,
    file_sha256,
    identity_of,
)
from training.errors import EncoderError
from training.networks import EncoderNetwork

AGREEMENT = 1e-4
"""Largest difference allowed between torch and ONNX Runtime in any number of an embedding."""


def export_encoder(network: EncoderNetwork, folder: Path, info: EncoderInfo) -> EncoderInfo:
    """Write ``network`` as the encoder folder ``folder`` and return the completed info.

    ``info`` gives method, recipe, training and metrics; backbone, heads and preprocessing are
    taken from the network. An existing encoder folder is replaced only once the new one is
    complete. Raises EncoderError if the exported graph disagrees with the network.
    """
    network = network.cpu().eval()
    weights = network_weights(network)
    folder = folder.absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    if folder.exists() and any(folder.iterdir()) and not (folder / INFO_FILE).exists():
        raise EncoderError(
            f"{folder} exists and is not an encoder.", "Name a folder that is new or empty."
        )
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        fresh.chmod(0o755)
        save_file(weights, fresh / WEIGHTS_FILE)
        (fresh / WEIGHTS_FILE).chmod(0o644)
        export_graph(network, fresh / GRAPH_FILE)
        check_agreement(network, fresh / GRAPH_FILE)
        complete = info.model_copy(
            update={
                "backbone": network.backbone_name,
                "own_stages": network.own_stages,
                "heads": network.heads,
                "preprocessing": network.preprocessing,
                "code_version": info.code_version or code_version(),
            }
        )
        complete = complete.model_copy(
            update={
                "identity": identity_of(weights, complete),
                "files": {name: file_sha256(fresh / name) for name in (WEIGHTS_FILE, GRAPH_FILE)},
            }
        )
        (fresh / INFO_FILE).write_text(complete.model_dump_json(indent=2) + "\n")
        _replace(fresh, folder)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    return complete


def network_weights(network: EncoderNetwork) -> dict[str, NDArray[Any]]:
    """The weights that decide the output; BatchNorm's step counters do not."""
    return {
        name: np.ascontiguousarray(tensor.detach().cpu().numpy())
        for name, tensor in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }


def export_graph(network: EncoderNetwork, path: Path) -> None:
    """Write the ONNX graph: input ``crops``, a dynamic batch, one output per head, one file."""
    import onnx

    size = network.preprocessing.size
    example = torch.zeros(2, size, size, 3, dtype=torch.uint8)
    with warnings.catch_warnings():
        # The exporter warns about its own internals, nothing a user could act on.
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network,
            (example,),
            dynamo=True,
            input_names=["crops"],
            output_names=list(network.pools),
            dynamic_shapes={"crops": {0: torch.export.Dim("batch")}},
            external_data=False,
            verbose=False,
        )
        assert program is not None
        model = program.model_proto
    # The exporter notes stack traces with the paths of this machine on every node.
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output):
        del value.metadata_props[:]
    del model.graph.metadata_props[:]
    del model.metadata_props[:]
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString(deterministic=True))


def check_agreement(network: EncoderNetwork, graph: Path) -> float:
    """Largest difference between torch and ONNX Runtime; EncoderError above ``AGREEMENT``."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
    size = network.preprocessing.size
    rng = np.random.default_rng(0)
    worst = 0.0
    for batch in (1, 5):
        coarse = rng.integers(0, 256, (batch, 4, 4, 3))
        scale = -(-size // 4)
        crops = coarse.repeat(scale, 1).repeat(scale, 2)[:, :size, :size].astype(np.uint8)
        with torch.no_grad():
            expected = network(torch.from_numpy(crops))
        found = session.run(list(network.pools), {"crops": crops})
        for a, b in zip(expected, found, strict=True):
            worst = max(worst, float(np.abs(a.numpy() - b).max()))
    if not worst < AGREEMENT:
        raise EncoderError(
            f"The exported graph differs from the network by {worst:.2g}, limit {AGREEMENT}.",
            "Use the versions of torch and onnxruntime in constraints.txt.",
        )
    return worst


def _replace(fresh: Path, folder: Path) -> None:
    """Move a complete folder into place, durable on disk before the old one goes."""
    for path in (*fresh.iterdir(), fresh):
        _fsync(path)
    if folder.exists():
        old = Path(tempfile.mkdtemp(prefix=f".{folder.name}-old-", dir=folder.parent))
        os.rename(folder, old / folder.name)
        os.rename(fresh, folder)
        shutil.rmtree(old)
    else:
        os.rename(fresh, folder)
    _fsync(folder.parent)


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
