"""Kill `index build` at random moments and compare the manifest with an undisturbed build.

    python benchmarks/kill_build.py --data ROOT --encoder DIR [--kills 20] [--seed 0]

Prints one JSON object: the moments, and whether every manifest and vector file was identical.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any


def start(home: Path, data: Path, encoder: Path) -> subprocess.Popen[bytes]:
    words = ["build", "killed", "--data", data, "--encoder", encoder, "--fps", "0", "--threads", 1]
    words += ["--home", home]
    command = [sys.executable, "-m", "index.cli", *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def files(home: Path) -> dict[str, bytes]:
    (folder,) = (home / "indexes" / "killed").glob("[0-9a-f]" * 12)
    return {f"{folder.name}/{path.name}": path.read_bytes() for path in folder.iterdir()}


def working(home: Path, process: subprocess.Popen[bytes]) -> float:
    """Wait until the build holds its lock; the moment it did."""
    lock = home / "indexes" / "killed" / ".lock"
    while not (lock.exists() and lock.stat().st_size) and process.poll() is None:
        time.sleep(0.002)
    return time.perf_counter()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--encoder", type=Path, required=True)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        calm, home = Path(folder) / "calm", Path(folder) / "killed"
        process = start(calm, options.data, options.encoder)
        begun = working(calm, process)
        if process.wait() != 0:
            print("the undisturbed build failed; run it by hand to see why", file=sys.stderr)
            return 1
        seconds = undisturbed = time.perf_counter() - begun
        wanted = files(calm)
        moments, killed = random.Random(options.seed), 0
        rounds: list[dict[str, Any]] = []
        while killed < options.kills:
            # A round is one build: killed up to four times, then left to end.
            kills: list[float] = []
            while True:
                (home / "indexes" / "killed" / ".lock").unlink(missing_ok=True)
                process = start(home, options.data, options.encoder)
                begun = working(home, process)
                delay = moments.uniform(0, seconds)
                if killed < options.kills and len(kills) < 4:
                    time.sleep(max(0.0, begun + delay - time.perf_counter()))
                    process.kill()
                if process.wait() != -signal.SIGKILL:
                    break
                kills.append(round(delay, 3))
                killed += 1
            if kills:
                rounds.append({"killed_after_s": kills, "identical": files(home) == wanted})
            else:  # it was done before its moment came: the machine is less busy than at first
                seconds *= 0.8
            shutil.rmtree(home)
        identical = sum(entry["identical"] for entry in rounds)
        print(
            json.dumps(
                {
                    "undisturbed_s": round(undisturbed, 3),
                    "kills": killed,
                    "builds": len(rounds),
                    "identical": identical,
                    "version": next(iter(wanted)).split("/")[0],
                    "rounds": rounds,
                }
            )
        )
        return 0 if identical == len(rounds) else 1


if __name__ == "__main__":
    sys.exit(main())
