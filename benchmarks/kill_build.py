"""Kill `index build` at random moments, beside a server, and compare with an undisturbed build.

    python benchmarks/kill_build.py [--data ROOT] [--encoder DIR] [--kills 20] [--seed 0]

A server answers questions from an older version all the while. After each kill that version has to
open and to verify; each build that is left to end has to end in the bytes of the undisturbed one,
and the server has to take it up. Prints one JSON object.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import httpx
from attacked import Asked, Attacked, Command, attack_options, database, report

from index import manage
from index.home import Home
from index.search import Gallery
from index.store.database import close_database
from index.verify import verify_version

OLDER = ("--split", "train")
"""What makes the older version another one."""

MOST_KILLS = 4
"""Of one build, before it is left to end."""


def files(home: Path, version: str) -> dict[str, bytes]:
    """The files of a version."""
    folder = home / "indexes" / "killed" / version
    return {f"{version}/{path.name}": path.read_bytes() for path in folder.iterdir()}


def working(attacked: Attacked, command: Command) -> float:
    """Wait until the build holds its lock; the moment it did."""
    lock = attacked.home / "indexes" / "killed" / ".lock"
    mark = f"process {command.process.pid} "
    while command.process.is_alive() and not (lock.exists() and mark in lock.read_text()):
        time.sleep(0.001)
    return time.perf_counter()


class Trial:
    """One home with an older version and a server of it, and the build that is killed."""

    def __init__(self, attacked: Attacked, calm: Attacked, words: tuple[object, ...]) -> None:
        self.attacked, self.words = attacked, ("index", "build", "killed", *words)
        self.home = Home.open(attacked.home, attacked.database)
        self.faults: list[str] = []
        self.kills: Counter[int] = Counter()
        """How many kills a build took → how many builds."""
        for one, more in ((attacked, OLDER), (calm, OLDER), (calm, ())):
            command = one.begin(*self.words, *more)
            began = working(one, command)
            code, told = command.wait()
            assert code == 0, told
        self.seconds = self.undisturbed = time.perf_counter() - began
        self.old = self.current()
        new = verify_version(Home.open(calm.home, calm.database), "killed").version
        self.wanted = files(calm.home, new)

    def current(self) -> str:
        """The current version, which has to open and to verify."""
        verdict = verify_version(self.home, "killed")
        if not verdict.ok:
            self.faults.append(f"verify: {verdict.problems}")
        Gallery.open(self.home, "killed")
        close_database(self.home)
        return verdict.version

    def round(self, moments: random.Random, most: int) -> None:
        """One build, killed up to ``most`` times, then left to end."""
        killed = 0
        while True:
            command = self.attacked.begin(*self.words)
            began = working(self.attacked, command)
            if killed < most:
                delay = moments.uniform(0, self.seconds)
                time.sleep(max(0.0, began + delay - time.perf_counter()))
                command.process.kill()
            code, told = command.wait()
            if code >= 0:
                break
            killed += 1
            version = self.current()
            if version != self.old:
                break  # the kill came after its last transaction
        if code > 0:
            self.faults.append(f"build: {told}")
        if not killed:  # it was done before its moment came: the machine is less busy than at first
            self.seconds *= 0.8
        self.kills[killed] += 1
        version = self.current()
        if files(self.attacked.home, version) != self.wanted:
            self.faults.append(f"version {version} differs from the undisturbed build's")
        self.attacked.until(lambda: self.served() == version, 20)
        manage.promote(self.home, "killed", self.old)
        manage.drop(self.home, "killed", version)
        close_database(self.home)
        self.attacked.until(lambda: self.served() == self.old, 20)

    def served(self) -> str:
        """The version that the server answers with."""
        return str(httpx.get(f"{self.attacked.url}/readyz", timeout=30).json()["version"])


def main() -> int:
    parser = attack_options(__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--stride", type=int, default=1, help="build from every n-th frame")
    options = parser.parse_args()
    words = ("--data", options.data, "--encoder", options.encoder, "--fps", 0, "--threads", 1)
    words += ("--stride", options.stride)
    moments = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as place:
        folder, calm = Path(place), Path(place) / "calm"
        home = folder / "home"
        home.mkdir()
        calm.mkdir()
        with database(options.postgres, home) as url:
            attacked = Attacked(home, url, folder / "logs")
            undisturbed = Attacked(calm, f"sqlite:///{calm / 'posebank.sqlite'}", folder / "logs-2")
            trial = Trial(attacked, undisturbed, words)
            try:
                attacked.start()
                with Asked(attacked.url) as asked:
                    while (left := options.kills - sum(k * n for k, n in trial.kills.items())) > 0:
                        trial.round(moments, min(MOST_KILLS, left))
            finally:
                attacked.kill()
        log = attacked.server_log.read_text()
    trial.faults += [f"question: {text}" for text in asked.failures]
    found = {
        "undisturbed_s": round(trial.undisturbed, 3),
        "kills": sum(k * n for k, n in trial.kills.items()),
        "builds_by_kills": dict(sorted(trial.kills.items())),
        "version": next(iter(trial.wanted)).split("/")[0],
        "questions_answered": sum(asked.answers.values()),
        "questions_failed": len(asked.failures),
    }
    return report(options, found, log, trial.faults)


if __name__ == "__main__":
    sys.exit(main())
