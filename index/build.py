"""The batch job from annotated frames to the current version of an index.

A log of idempotent shards: killed anywhere, the same command goes on where it stopped and ends
in the same version, byte for byte.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from index.building.assemble import assemble
from index.building.calibrate import fit_confidence
from index.building.embed import EncoderLike, embed_missing
from index.building.lock import exclusive
from index.building.plan import Plan, Source, make_plan
from index.building.progress import Observer, Silent, StageClock
from index.building.publish import publish
from index.building.shards import BrokenShardError
from index.canary import embed_canary, written
from index.enrolment.erase import purge
from index.files import disk_errors
from index.home import Home
from index.manifest import Manifest, Options
from index.store.database import reading
from index.store.enrolled import last_change
from index.store.migrate import migrate
from training.data.readers import open_reader
from training.errors import GalleryError

DEFAULT_FPS = 5.0
"""Frames a second that are kept of a video (paper: about 5); turntables are kept whole."""


@dataclass(frozen=True, slots=True)
class BuildResult:
    """The version that is now current. ``seconds``: decode, encode, disk and total; the first two
    overlap. ``bottleneck`` is the stage that took longest."""

    name: str
    version: str
    folder: Path
    manifest: Manifest
    seconds: dict[str, float]
    bottleneck: str


def build_index(
    home: Home,
    name: str,
    sources: Sequence[Source | tuple[Path, str | None]],
    encoder: EncoderLike,
    *,
    encoder_folder: Path | None = None,
    split: str | None = None,
    fps: float | None = DEFAULT_FPS,
    stride: int = 1,
    observer: Observer | None = None,
) -> BuildResult:
    """Embed every view of the sources with all heads and make the result current.

    ``sources`` are readers or (root, kind) pairs; ``fps`` thins videos (None keeps all frames);
    ``stride`` then keeps every n-th frame. Raises GalleryError, DataError, EncoderError; the
    version that was current stays so on any error.
    """
    if stride < 1 or (fps is not None and not fps > 0):
        raise GalleryError(
            f"stride {stride} and fps {fps} select no frames.", "Use a stride of 1 or more."
        )
    options = Options(split=split, fps=fps, stride=stride)
    folder = home.index_folder(name)
    observer = observer or Silent()
    clock = StageClock()
    start = time.perf_counter()
    migrate(home)
    with disk_errors(folder), exclusive(folder):
        with reading(home) as connection:
            since = last_change(connection)
        observer.step("reading annotations")
        readers = [open_reader(*item) if isinstance(item, tuple) else item for item in sources]
        plan = make_plan(readers, encoder.identity, options)
        work = folder / ".work" / plan.digest
        work.mkdir(parents=True, exist_ok=True)
        made_again: set[Path] = set()
        while True:
            try:
                manifest = _finish(
                    home, plan, work, encoder, encoder_folder, options, since, observer, clock
                )
                break
            except BrokenShardError as broken:
                if broken.path in made_again:
                    raise GalleryError(
                        f"{broken.path} cannot be read although it was just written.",
                        "Check the disk, then run the same command again.",
                    ) from broken
                made_again.add(broken.path)
                broken.path.unlink(missing_ok=True)
        shutil.rmtree(work.parent, ignore_errors=True)
        for late in purge(home, name):  # erased while this was built
            if late.old == manifest.version:
                manifest = Manifest.read(folder / late.new)
    seconds = {**clock.seconds, "total": time.perf_counter() - start}
    return BuildResult(
        name, manifest.version, folder / manifest.version, manifest, seconds, clock.bottleneck
    )


def _finish(
    home: Home,
    plan: Plan,
    work: Path,
    encoder: EncoderLike,
    encoder_folder: Path | None,
    options: Options,
    since: int,
    observer: Observer,
    clock: StageClock,
) -> Manifest:
    embed_missing(plan, work, encoder, observer, clock)
    confidence = fit_confidence(plan, work, tuple(encoder.heads), observer)
    with clock.stage("disk"):
        observer.step("writing vectors")
        manifest = assemble(
            plan,
            work,
            work.parent.parent,
            encoder_identity=encoder.identity,
            heads=encoder.heads,
            options=options,
            encoder_folder=encoder_folder,
            confidence=confidence,
            canary=written(embed_canary(encoder)),
        )
        observer.step("writing metadata")
        publish(home, plan, work, manifest, since)
    return manifest
