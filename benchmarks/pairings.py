"""Nearby, distant and same-frame pairs side by side: hit rate and re-ID mAP over several seeds.

    posebank render runs/rendered --instances 40 --test-share 0.2 --seconds 4 --fps 5 \\
        --size 360x480 --seed 11 --no-antialias
    python benchmarks/pairings.py runs/rendered runs/pairings \\
        --set optimise.epochs=10 --set network.pool_grid=2 --set network.whiten=256 \\
        --set augment.hue=0.3 --set augment.gray=0.5

Trains the three small recipes on the training split with each seed, evaluates each encoder by
the ``objectron`` protocol and prints a table (Markdown) of means and ranges. Finished runs are
kept and not repeated, so it can be killed and started again. Every figure is printed, whichever
way it falls.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from statistics import fmean

PAIRINGS = ("nearby", "distant", "same-frame")
COLUMNS = {
    "hit rate": lambda result: result["hit_rate"]["nearest_neighbour"]["mean"],
    "hit rate, symmetric": lambda result: result["hit_rate"]["nearest_neighbour_symmetric"]["mean"],
    "re-ID mAP": lambda result: result["reid_map"],
    "category": lambda result: result["class_accuracy"],
}


def posebank(*arguments: str) -> str:
    command = [str(Path(sys.executable).parent / "posebank"), *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"failed with {done.returncode}: {' '.join(command)}")
    return done.stdout


def measure(data: Path, run: Path, pairing: str, seed: int, overrides: list[str]) -> dict:
    """The evaluation of one training run, made if it is not there yet."""
    result = run / "objectron.json"
    if not result.exists():
        sets = [f"--set={value}" for value in [f"run.seed={seed}", *overrides]]
        resume = ["--resume"] if run.exists() else []
        posebank(
            "train", f"small-{pairing}", "--data", str(data), "--split", "train",
            "--out", str(run), *resume, *sets,
        )  # fmt: skip
        line = posebank(
            "evaluate",
            "objectron",
            "--root",
            str(data),
            "--encoder",
            str(run / "encoder"),
            "--json",
        ).splitlines()[-1]
        result.write_text(line + "\n")
    return json.loads(result.read_text())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--set", action="append", default=[], help="passed on to posebank train")
    options = parser.parse_args()
    results: dict[str, list[dict]] = {pairing: [] for pairing in PAIRINGS}
    for seed in options.seeds:  # seed by seed, so that a part of the table is already comparable
        for pairing in PAIRINGS:
            run = options.runs / f"{pairing}-{seed}"
            results[pairing].append(measure(options.data, run, pairing, seed, options.set))
    print(f"| pairs ({len(options.seeds)} seeds) | " + " | ".join(COLUMNS) + " |")
    print("|---" * (len(COLUMNS) + 1) + "|")
    for pairing, rows in results.items():
        cells = []
        for read in COLUMNS.values():
            values = [read(row) for row in rows]
            cells.append(f"{fmean(values):.3f} ({min(values):.3f} to {max(values):.3f})")
        print(f"| {pairing} | " + " | ".join(cells) + " |")
    rows = results[PAIRINGS[0]][0]["hit_rate"]
    for name in ("random_in_category_fit", "random_fit"):
        print(f"| {name} | {rows[name]['mean']:.3f} |" + " |" * (len(COLUMNS) - 1))


if __name__ == "__main__":
    main()
