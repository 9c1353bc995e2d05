"""How long enrolments wait while a build of 100,000 views writes its metadata.

    python benchmarks/publish_wait.py [--views 100000] [--database URL]

Builds the sample's index, then repeats its sequences under new names until there are so many views
and publishes them as another index, from shards with random vectors, while another process enrols
views into the first as fast as it can. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import time
from dataclasses import replace
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import numpy as np
from serving import built_sample, sample_options

from index.building.assemble import assemble
from index.building.plan import Plan, make_plan
from index.building.publish import publish
from index.building.shards import Shard, shard_path, write_shard
from index.enrolment import NewView, enrol
from index.home import Home
from index.manifest import Options
from index.search import Gallery
from index.store.database import reading
from index.store.enrolled import last_change
from training.data.readers import open_reader

HEADS = {"pose": 128}


def unit(rows: int, dim: int) -> np.ndarray:
    """(rows, dim) float32, L2-normalised."""
    drawn = np.random.default_rng(0).standard_normal((rows, dim)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def many(sample: Path, views: int) -> Plan:
    """A plan of the sample's sequences, again and again under new names."""
    options = Options(split=None, fps=None, stride=1)
    source = open_reader(sample / "sequences", None)
    sequences = list(source.sequences(None))
    each = sum(len(sequence.views) for sequence in sequences)

    class Repeated:
        root, report, dataset = source.root, source.report, source.dataset

        def sequences(self, split: str | None = None) -> Any:
            for number in range(-(-views // each)):
                for sequence in sequences:
                    yield replace(sequence, id=f"{sequence.id}-{number}")

    return make_plan([Repeated()], "0" * 64, options)


def write_shards(plan: Plan, work: Path, jpegs: list[bytes]) -> None:
    """Every shard of the plan as a build leaves it, with the same vectors in each."""
    for number, positions in enumerate(plan.shards):
        places = [(p, v) for p in positions for v in range(len(plan.sequences[p].views))]
        vectors = {head: unit(len(places), dim) for head, dim in HEADS.items()}
        shard = Shard(
            position=np.array(places, np.int64),
            view_id=np.array([plan.view_id(p, v) for p, v in places], np.int64),
            image_size=np.full((len(places), 2), 480, np.int64),
            vectors=vectors,
            jpegs=[jpegs[place % len(jpegs)] for place in range(len(places))],
            skipped=(),
        )
        write_shard(shard_path(work, number), shard)


def enrol_on(home: Home, jpeg: bytes, ready: Event, stop: Event, told: Any) -> None:
    """Enrols one view after the other until told to stop; tells the seconds each took."""
    gallery = Gallery.open(home, "sample")
    identity, heads = gallery.manifest.encoder.identity, gallery.heads
    seconds: list[float] = []
    failed: list[str] = []
    while not stop.is_set():
        view = NewView(
            dataset="wait",
            instance="thing",
            category="thing",
            bbox_xyxy=np.array([0.0, 0.0, 100.0, 100.0]),
            image_width=480,
            image_height=640,
            sequence="take",
            vectors={head: unit(1, dim)[0] for head, dim in heads.items()},
            thumbnail=jpeg,
            frame=len(seconds) + len(failed),
        )
        start = time.perf_counter()
        try:
            enrol(home, "sample", identity, [view])
            seconds.append(time.perf_counter() - start)
        except Exception as error:
            failed.append(f"{time.perf_counter() - start:.1f} s: {error}")
        ready.set()
        time.sleep(0.02)
    told.put((seconds, failed))


def measure(home: Home, arguments: argparse.Namespace) -> dict[str, Any]:
    """Seconds that the publication and the enrolments beside it took."""
    sample = Gallery.open(home, "sample")
    rows = np.arange(sample.size)
    ids = [view.id for view in sample.views(rows).values()]
    jpegs = [jpeg for key in ids if (jpeg := sample.thumbnail(key)) is not None]
    plan = many(arguments.sample, arguments.views)
    work = home.index_folder("large") / ".work" / plan.digest
    work.mkdir(parents=True)
    write_shards(plan, work, jpegs)
    manifest = assemble(
        plan,
        work,
        home.index_folder("large"),
        encoder_identity="0" * 64,
        heads=HEADS,
        options=Options(split=None, fps=None, stride=1),
        encoder_folder=None,
        confidence=None,
        canary={},
    )
    fresh = multiprocessing.get_context("spawn")
    ready, stop, told = fresh.Event(), fresh.Event(), fresh.Queue()
    process = fresh.Process(target=enrol_on, args=(home, jpegs[0], ready, stop, told))
    process.start()
    ready.wait(60)
    time.sleep(1.0)
    with reading(home) as connection:
        since = last_change(connection)
    start = time.perf_counter()
    publish(home, plan, work, manifest, since)
    published = time.perf_counter() - start
    time.sleep(1.0)
    stop.set()
    seconds, failed = told.get(timeout=120)
    process.join()
    return {
        "database": arguments.database or "sqlite",
        "views": plan.views,
        "thumbnail_bytes": float(np.mean([len(jpeg) for jpeg in jpegs])),
        "publish_s": published,
        "enrolments": len(seconds),
        "median_s": float(np.median(seconds)),
        "p99_s": float(np.percentile(seconds, 99)),
        "longest_s": max(seconds),
        "failed": failed,
    }


def main() -> None:
    parser = sample_options(__doc__.splitlines()[0])
    parser.add_argument("--views", type=int, default=100_000)
    arguments = parser.parse_args()
    with built_sample(arguments) as path:
        print(json.dumps(measure(Home.open(path), arguments), indent=1))


if __name__ == "__main__":
    main()
