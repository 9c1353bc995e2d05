"""The embedding stage: what of a plan is not done yet becomes shards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from index.building.decode import Chunk, Cropper, decode_ahead
from index.building.plan import Plan
from index.building.progress import Observer, StageClock
from index.building.shards import Shard, is_there, shard_path, write_shard
from index.manifest import Skipped
from training.data.records import ImageRGB
from training.errors import EncoderError


class EncoderLike(Cropper, Protocol):
    """What a build asks of ``training.encoder.Encoder``."""

    @property
    def identity(self) -> str:
        """The SHA-256 of weights, preprocessing and network."""
        ...

    @property
    def heads(self) -> Mapping[str, int]:
        """Head → dimensions."""
        ...

    def encode(self, crops: ImageRGB, batch_size: int = 64) -> dict[str, NDArray[np.float32]]:
        """(n, S, S, 3) uint8 → head → (n, dim) float32, L2-normalised."""
        ...


def embed_missing(
    plan: Plan, work: Path, encoder: EncoderLike, observer: Observer, clock: StageClock
) -> None:
    """Make every shard of the plan that is not in ``work`` yet. Raises OSError, EncoderError."""
    missing = [n for n in range(len(plan.shards)) if not is_there(shard_path(work, n))]
    waiting = sum(_views(plan, number) for number in missing)
    observer.begin(plan.views, plan.views - waiting)
    wanted = ((p, plan.sequences[p]) for number in missing for p in plan.shards[number])
    chunks = decode_ahead(wanted, encoder, clock)
    try:
        for number in missing:
            parts = _Parts(encoder.heads)
            for position in plan.shards[number]:
                for chunk in _of_sequence(chunks, position):
                    with clock.stage("encode"):
                        parts.add(chunk, encoder)
                    observer.advance(len(chunk.views), clock)
            with clock.stage("disk"):
                write_shard(shard_path(work, number), parts.shard(plan))
            observer.advance(_views(plan, number) - parts.count, clock)
    finally:
        chunks.close()


def _views(plan: Plan, number: int) -> int:
    return sum(len(plan.sequences[position].views) for position in plan.shards[number])


def _of_sequence(chunks: Iterator[Chunk], position: int) -> Iterator[Chunk]:
    for chunk in chunks:
        assert chunk.position == position
        yield chunk
        if chunk.last:
            return


class _Parts:
    """Collects the chunks of one shard."""

    def __init__(self, heads: Mapping[str, int]) -> None:
        self.count = 0
        self._heads = heads
        self._positions: list[tuple[int, int]] = []
        self._sizes: list[tuple[int, int]] = []
        self._jpegs: list[bytes] = []
        self._skipped: list[Skipped] = []
        self._vectors: dict[str, list[NDArray[np.float32]]] = {
            head: [np.zeros((0, dim), np.float32)] for head, dim in heads.items()
        }

    def add(self, chunk: Chunk, encoder: EncoderLike) -> None:
        self._skipped += chunk.skipped
        if not chunk.views:
            return
        encoded = encoder.encode(chunk.stacked())
        for head, dim in self._heads.items():
            vectors = np.asarray(encoded[head], dtype=np.float32)
            _check(head, vectors, (len(chunk.views), dim))
            self._vectors[head].append(vectors)
        self.count += len(chunk.views)
        self._positions += [(chunk.position, view) for view in chunk.views]
        self._sizes += chunk.image_sizes
        self._jpegs += chunk.jpegs

    def shard(self, plan: Plan) -> Shard:
        return Shard(
            position=np.array(self._positions, dtype=np.int64).reshape(-1, 2),
            view_id=np.array([plan.view_id(*place) for place in self._positions], dtype=np.int64),
            image_size=np.array(self._sizes, dtype=np.int64).reshape(-1, 2),
            vectors={head: np.concatenate(parts) for head, parts in self._vectors.items()},
            jpegs=self._jpegs,
            skipped=tuple(self._skipped),
        )


def _check(head: str, vectors: NDArray[np.float32], shape: tuple[int, int]) -> None:
    if vectors.shape != shape:
        raise EncoderError(
            f"Head {head!r} gave {vectors.shape} where {shape} was expected.",
            "Export the encoder again.",
        )
    norms = np.linalg.norm(vectors, axis=1)
    if not (np.abs(norms - 1) < 1e-3).all():  # also false for NaN
        raise EncoderError(
            f"Head {head!r} gave a vector of length {norms[np.argmax(np.abs(norms - 1))]:.4g}, "
            "not 1.",
            "Export the encoder again; its outputs must be L2-normalised and finite.",
        )
