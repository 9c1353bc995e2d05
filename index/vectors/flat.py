"""The exact index: FAISS inner product over all rows, on a GPU where FAISS finds one."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.files import check_sha256
from training.errors import GalleryError

# Threads that wait for each other by spinning take the cores from decoding and from the web
# server: a search beside other work took six times as long. Read by OpenMP when FAISS is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import faiss

# By default FAISS leaves batches under 128000 values to loops that are ten times slower.
faiss.cvar.distance_compute_blas_threshold = 1

log = logging.getLogger(__name__)

_HEADER_BYTES = 4096

ROWS_AT_ONCE = 8192
"""Rows copied from file to file at a time."""


class FlatIndex:
    """Exact inner-product search; ``threads`` bounds the cores one search may use."""

    def __init__(self, index: Any, threads: int | None = None) -> None:
        self._index = index
        self._threads = threads
        self._gpu = _on_gpu(index)
        self._gpu_lock = threading.Lock()

    @classmethod
    def of(cls, vectors: NDArray[np.float32], threads: int | None = None) -> FlatIndex:
        """An index in memory over ``vectors`` (N, dim) float32."""
        index = faiss.IndexFlatIP(vectors.shape[1])
        index.add(np.ascontiguousarray(vectors, dtype=np.float32))
        return cls(index, threads)

    @property
    def dim(self) -> int:
        """Dimensions of a vector."""
        return int(self._index.d)

    @property
    def size(self) -> int:
        """Number of rows."""
        return int(self._index.ntotal)

    def vectors(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """(n, dim) float32 of these rows."""
        found: NDArray[np.float32] = self._index.reconstruct_batch(np.asarray(rows, np.int64))
        return found

    def search(
        self, queries: NDArray[np.float32], k: int, mask: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The ``k`` best rows of every query; see ``VectorIndex.search``."""
        queries = np.ascontiguousarray(queries, dtype=np.float32)
        k = min(k, self.size)
        if k == 0 or len(queries) == 0:
            empty = (len(queries), k)
            return np.zeros(empty, np.float32), np.full(empty, -1, np.int64)
        if self._threads is not None:
            faiss.omp_set_num_threads(self._threads)  # OpenMP keeps this per calling thread
        if mask is not None:
            bits = np.packbits(mask, bitorder="little")
            selector = faiss.IDSelectorBitmap(bits)  # type: ignore[call-arg, arg-type]
            allowed = faiss.SearchParameters(sel=selector)  # type: ignore[call-arg]
            similarity, rows = self._index.search(queries, k, params=allowed)
        elif self._gpu is not None and k <= 2048:  # the limit of FAISS on a GPU
            with self._gpu_lock:  # its scratch memory serves one search at a time
                similarity, rows = self._gpu.search(queries, k)
        else:
            similarity, rows = self._index.search(queries, k)
        return similarity, rows


def _on_gpu(index: Any) -> Any | None:
    """A copy on the first GPU, or None where this FAISS has no GPU or the GPU no room."""
    if not hasattr(faiss, "StandardGpuResources") or faiss.get_num_gpus() == 0:
        return None
    resources = faiss.StandardGpuResources()
    try:
        copy: Any = faiss.index_cpu_to_gpu(resources, 0, index)
    except RuntimeError as error:
        log.warning("the vectors stay on the CPU: %s", error)
        return None
    copy.resources = resources  # must live as long as the copy
    return copy


class FlatWriter:
    """Collects vectors part by part and writes them as one FAISS file."""

    def __init__(self, dim: int) -> None:
        self._index = faiss.IndexFlatIP(dim)

    def add(self, vectors: NDArray[np.float32]) -> None:
        """Append rows (n, dim) float32."""
        self._index.add(np.ascontiguousarray(vectors, dtype=np.float32))

    def write(self, path: Path) -> None:
        """Write the file. Raises OSError where the disk does not take it."""
        # Writing by itself, FAISS ignores that the last block did not fit.
        with path.open("wb") as file:
            faiss.write_index(self._index, faiss.PyCallbackIOWriter(file.write))  # type: ignore[attr-defined]


def read_flat(
    path: Path, sha256: str, dim: int, count: int, threads: int | None = None
) -> FlatIndex:
    """The index in a file of ``count`` rows whose SHA-256 must be ``sha256``.

    Raises GalleryError if the file is missing, was changed or holds something else.
    """
    return FlatIndex(_checked(path, sha256, dim, count), threads)


def copy_rows(
    path: Path, sha256: str, dim: int, keep: NDArray[np.bool_], writer: FlatWriter
) -> None:
    """Append the rows to ``keep`` (N,) of such a file to another. Raises as ``read_flat``."""
    index = _checked(path, sha256, dim, len(keep))
    for start in range(0, len(keep), ROWS_AT_ONCE):
        part = keep[start : start + ROWS_AT_ONCE]
        writer.add(index.reconstruct_n(start, len(part))[part])


def _checked(path: Path, sha256: str, dim: int, count: int) -> Any:
    """FAISS's index; the hash is checked before it reads a byte: a crafted file can corrupt
    memory."""
    remedy = "Build the index again, or promote another version."
    check_sha256(path, sha256)
    faiss.set_deserialization_vector_byte_limit(4 * dim * count + _HEADER_BYTES)
    try:
        index = faiss.read_index(str(path))
    except RuntimeError as error:
        raise GalleryError(f"FAISS cannot read {path}: {error}.", remedy) from error
    if index.d != dim or index.ntotal != count:
        raise GalleryError(
            f"{path} holds {index.ntotal} vectors of {index.d} dimensions where the manifest "
            f"says {count} of {dim}.",
            remedy,
        )
    return index
