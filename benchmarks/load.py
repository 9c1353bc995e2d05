"""How much of the bare encoder's throughput the service gives over HTTP, and p99 when overloaded.

    python benchmarks/load.py [--encoder DIR | --backbone resnet50 --size 224] [--seconds 10]

One run builds the sample's index with the encoder (one with random weights where a backbone is
named), starts `posebank serve` on it, and prints one JSON object with two ratios: answers per
second over crops per second of the bare encoder in its best batches, on the same cores, the two
measured in turn; and p99 of the accepted questions at three times the load the server can carry
over p99 at that load. Questions arrive at random times (Poisson) whether or not earlier ones were
answered, and each latency counts from the time the question was due. The load comes from a process,
and where there are two cores or more from a core, of its own.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from load_generator import Target, closed_loop, open_loop
from serving import build_sample, serving

CARRIED = 0.8
"""The load the server can carry, as a share of its throughput with clients that wait in turn."""

BATCHES = (1, 4, 8, 16, 32, 64)


def bare(folder: Path, seconds: float) -> float:
    """Crops per second of the encoder alone, in the batches that suit it best."""
    from training.cores import available_cores
    from training.encoder import Encoder

    encoder = Encoder.load(folder, threads=available_cores())
    size = encoder.preprocessing.size
    crops = np.random.default_rng(0).integers(0, 256, (max(BATCHES), size, size, 3), np.uint8)
    best = 0.0
    for batch in BATCHES:
        encoder.encode(crops[:batch])
        done, start = 0, time.perf_counter()
        while done == 0 or time.perf_counter() - start < seconds / len(BATCHES):
            encoder.encode(crops[:batch])
            done += batch
        best = max(best, done / (time.perf_counter() - start))
    return best


def random_encoder(folder: Path, backbone: str, size: int) -> Path:
    """An encoder of random weights, which costs what a trained one does."""
    import torch

    from training.artifact import EncoderInfo, Preprocessing
    from training.export import export_encoder
    from training.networks import EncoderNetwork

    torch.manual_seed(0)
    network = EncoderNetwork(backbone, {"pose": 1}, Preprocessing(size=size))
    info = EncoderInfo(
        method="random",
        recipe="load",
        backbone=backbone,
        heads=network.heads,
        preprocessing=network.preprocessing,
    )
    export_encoder(network, folder, info)
    return folder


def on(cores: set[int]) -> ProcessPoolExecutor:
    """One process that runs on these cores alone."""
    fresh = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(1, fresh, initializer=os.sched_setaffinity, initargs=(0, cores))


def measure(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """All figures of one run: the bare encoder, the load carried, three times that."""
    cores = sorted(os.sched_getaffinity(0))
    serves, loads = set(cores[:-1] or cores), set(cores[-1:])
    encoder = arguments.encoder
    if arguments.backbone:
        encoder = random_encoder(folder / "encoder", arguments.backbone, arguments.size)
    seconds = arguments.seconds
    build_sample(folder / "home", arguments.sample, encoder)
    with (
        on(serves) as same_cores,
        on(loads) as load,
        serving(folder / "home", serves) as server,
    ):
        target = Target.of(
            server.url, arguments.route, arguments.sample / "queries" / arguments.image
        )
        load.submit(closed_loop, target, arguments.clients, min(3.0, seconds)).result()  # warm
        crops, answers = [], []
        for _ in range(arguments.rounds):
            crops.append(same_cores.submit(bare, encoder, seconds).result())
            answers.append(load.submit(closed_loop, target, arguments.clients, seconds).result())
        carried = CARRIED * statistics.median(answers)
        at_once = load.submit(open_loop, target, carried, seconds).result()
        at_three = load.submit(open_loop, target, 3 * carried, seconds).result()
    ratios = [a / c for a, c in zip(answers, crops, strict=True)]
    return {
        "encoder": arguments.backbone or str(encoder),
        "cores": {"server": sorted(serves), "load": sorted(loads)},
        "bare_crops_per_s": crops,
        "http_answers_per_s": answers,
        "throughput_ratio": {
            "median": statistics.median(ratios),
            "min": min(ratios),
            "max": max(ratios),
        },
        "at_load_carried": at_once,
        "at_three_times": at_three,
        "p99_ratio": at_three["p99_ms"] / at_once["p99_ms"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--encoder", type=Path, default=Path("examples/encoder"))
    parser.add_argument("--backbone", help="make an encoder of random weights instead")
    parser.add_argument("--size", type=int, default=224, help="crop size of --backbone")
    parser.add_argument("--sample", type=Path, default=Path("examples"))
    parser.add_argument("--image", default="known-chair.jpg")
    parser.add_argument("--route", default="/pose/estimate")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=5)
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(parser.parse_args(), Path(folder)), indent=1))


if __name__ == "__main__":
    main()
