"""Whole data sets: many sequences in several processes, resumable, split by instance."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Thread

from training.data.render.sequence import Shot, render_sequence
from training.data.render.shapes import CATEGORIES
from training.data.render.writer import SequencePaths, write_file
from training.errors import DataError

Progress = Callable[[int, int, int], None]
"""Called with (sequences done, sequences in all, sequences found complete at the start)."""


@dataclass(frozen=True, slots=True)
class RenderReport:
    """``written`` and ``kept`` sequences (``kept`` were complete before), and their folder."""

    root: Path
    written: int
    kept: int


def render_objectron(
    out: Path,
    categories: Sequence[str] = tuple(CATEGORIES),
    instances: int = 8,
    sequences_per_instance: int = 1,
    seconds: float = 6.0,
    fps: float = 30.0,
    size: tuple[int, int] = (480, 640),
    seed: int = 0,
    test_share: float = 0.25,
    grain: float = 1.0,
    antialias: bool = True,
    processes: int | None = None,
    progress: Progress | None = None,
) -> RenderReport:
    """Writes a data set in Objectron's own files under ``out``.

    Instance i of a category films as ``category/batch-i/j`` for j below
    ``sequences_per_instance``, each time in another scene. The last ``test_share`` of a
    category's instances are the test split, so that no test instance is in the train split.
    ``size`` is (width, height) of the upright image; ``grain`` scales the noise, and with it the
    bytes of a video; without ``antialias`` drawing takes half the time. Sequences that are
    complete are kept, so a killed run goes on where it was. Raises DataError for wrong arguments,
    for a folder that was rendered with other settings, and when the disk refuses.
    """
    _check(categories, instances, sequences_per_instance, seconds, fps, size, test_share, grain)
    shots = [
        Shot(category, instance, take, seconds, fps, size, seed, grain, antialias)
        for category in categories
        for instance in range(instances)
        for take in range(sequences_per_instance)
    ]
    test_from = instances - _test_count(instances, test_share)
    try:
        _claim(out, shots[0].settings)
        missing = [shot for shot in shots if not SequencePaths(out, shot.id).complete]
        kept = len(shots) - len(missing)
        # First, so that what a killed run leaves is split as the whole would have been.
        _write_index(out, shots, test_from)
        _render_all(out, missing, processes, lambda n: _tell(progress, kept + n, len(shots), kept))
    except OSError as error:
        raise DataError(
            f"Cannot write the rendered sequences under {out}: {error}.",
            "Free some space or choose another folder, then run the same command again.",
        ) from error
    return RenderReport(out, len(missing), kept)


def _test_count(instances: int, share: float) -> int:
    """At least one of each split when both are wanted and there are two instances."""
    if instances < 2 or share in (0, 1):
        return round(instances * share)
    return min(max(round(instances * share), 1), instances - 1)


def _tell(progress: Progress | None, done: int, total: int, kept: int) -> None:
    if progress is not None:
        progress(done, total, kept)


def _check(
    categories: Sequence[str],
    instances: int,
    takes: int,
    seconds: float,
    fps: float,
    size: tuple[int, int],
    test_share: float,
    grain: float,
) -> None:
    unknown = sorted(set(categories) - set(CATEGORIES))
    if unknown or not categories:
        raise DataError(
            f"Unknown categories {unknown or '(none given)'}.", f"Known: {', '.join(CATEGORIES)}."
        )
    wrong = {
        f"instances={instances} (must be 1 to 100000)": not 1 <= instances <= 100_000,
        f"sequences_per_instance={takes} (must be 1 to 1000)": not 1 <= takes <= 1000,
        f"fps={fps} (must be 1 to 240)": not 1 <= fps <= 240,
        f"seconds={seconds} (must make 1 to 20000 frames)": not 1 <= round(seconds * fps) <= 20_000,
        f"size={size} (sides must be even, 64 to 4096)": any(
            side % 2 or not 64 <= side <= 4096 for side in size
        ),
        f"test_share={test_share} (must be 0 to 1)": not 0 <= test_share <= 1,
        f"grain={grain} (must be 0 to 10)": not 0 <= grain <= 10,
    }
    for what, broken in wrong.items():
        if broken:
            raise DataError(f"Wrong argument {what}.", "Choose a value in the range.")


def _claim(out: Path, settings: dict[str, object]) -> None:
    """Remembers how the folder is rendered, and refuses to mix two ways in one folder."""
    path = out / "render.json"
    content = json.dumps(settings, sort_keys=True, indent=1)
    if path.is_file() and path.read_text() != content:
        raise DataError(
            f"{out} was rendered with other settings ({' '.join(path.read_text().split())}).",
            "Choose another folder or the same seconds, fps, size and seed.",
        )
    write_file(path, content.encode())


def _render_all(
    out: Path, shots: Sequence[Shot], processes: int | None, tell: Callable[[int], None]
) -> None:
    tell(0)
    workers = min(processes or os.cpu_count() or 1, max(len(shots), 1))
    if workers <= 1:
        for done, shot in enumerate(shots, 1):
            render_sequence(out, shot)
            tell(done)
        return
    # one rasteriser thread a process: whole sequences scale better than shared frames
    os.environ.setdefault("LP_NUM_THREADS", "0")
    with ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=_end_with_parent
    ) as pool:
        jobs = [pool.submit(render_sequence, out, shot) for shot in shots]
        try:
            for done, job in enumerate(as_completed(jobs), 1):
                job.result()
                tell(done)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _end_with_parent() -> None:
    """A worker whose parent was killed must not go on rendering."""
    parent = parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    Thread(target=watch, daemon=True).start()


def _write_index(out: Path, shots: Sequence[Shot], test_from: int) -> None:
    """The index files of every category and ``instances.json``, merged with what is there."""
    names_path = out / "instances.json"
    names = json.loads(names_path.read_text()) if names_path.is_file() else {}
    names |= {shot.id: {"0": shot.instance_name} for shot in shots}
    write_file(names_path, json.dumps(names, sort_keys=True, indent=1).encode())
    for category in sorted({shot.category for shot in shots}):
        own = [shot for shot in shots if shot.category == category]
        parts = {
            "": own,
            "_train": [shot for shot in own if shot.instance < test_from],
            "_test": [shot for shot in own if shot.instance >= test_from],
        }
        for suffix, chosen in parts.items():
            lines = "".join(f"{shot.id}\n" for shot in chosen)
            write_file(out / "index" / f"{category}_annotations{suffix}", lines.encode())
