"""Build, enrol, compact and delete on a disk that is full, at many amounts of free space.

    python benchmarks/disk_full.py [--points 12] [--seed 0] [--postgres postgresql://…/postgres]

Mounts a small file system in memory, which needs root. A server of an older version runs on the
home there while the disk is filled up to a chosen rest. A command that does not fit must end with
code 2, one line that names the disk, and a remedy; an enrolment or deletion with the problem
`storage-full`; questions are answered all the while. With space again the same must succeed. With
Postgres the database lies elsewhere and the files alone on that disk. Prints one JSON object.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
from attacked import (
    Asked,
    Attacked,
    annotated,
    attack_options,
    database,
    picture,
    report,
)

from index import manage
from index.home import Home
from index.search import Gallery
from index.store.database import close_database
from index.verify import verify_version

SIZE = 16 << 20
PAGE = 4096
FILLER = ".filler"


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A mounted file system of SIZE bytes."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(disk: Path, rest: int) -> None:
    """Leaves ``rest`` bytes free."""
    free(disk)
    with (disk / FILLER).open("wb", buffering=0) as file:
        os.posix_fallocate(file.fileno(), 0, max(PAGE, space(disk) - rest))


def free(disk: Path) -> None:
    """Gives back what ``fill`` took."""
    (disk / FILLER).unlink(missing_ok=True)


def space(disk: Path) -> int:
    """Free bytes."""
    found = os.statvfs(disk)
    return found.f_bavail * found.f_frsize


class Trial:
    """One database with one home, brought back to its beginning before each point."""

    def __init__(self, attacked: Attacked, disk: Path, beside: Path, options: Any) -> None:
        self.attacked, self.disk, self.beside = attacked, disk, beside
        self.home = Home.open(attacked.home, attacked.database)
        self.words = ("--data", options.data, "--encoder", options.encoder, "--threads", 1)
        self.faults: list[str] = []
        self.outcomes: Counter[str] = Counter()
        code, told = attacked.index("build", "shelf", *self.words, "--stride", 4)
        assert code == 0, told
        (self.old,) = (record.version for record in manage.versions(self.home))
        close_database(self.home)
        shutil.copytree(attacked.home, beside)

    def expect(self, holds: bool, what: str) -> None:
        """Notes a fault where ``what`` does not hold."""
        if not holds:
            self.faults.append(what)
            print(f"fault: {what}", file=sys.stderr, flush=True)

    def begin(self) -> None:
        """The home as it was at first, with a server."""
        self.attacked.kill()
        free(self.disk)
        for record in manage.versions(self.home):
            if record.version != self.old:
                manage.promote(self.home, "shelf", self.old)
                manage.drop(self.home, "shelf", record.version)
        close_database(self.home)
        shutil.rmtree(self.attacked.home)
        shutil.copytree(self.beside, self.attacked.home)
        self.attacked.start()

    def whole(self, what: str) -> str:
        """The current version, which has to verify and to open."""
        verdict = verify_version(self.home, "shelf")
        self.expect(verdict.ok, f"{what}: {verdict.problems}")
        Gallery.open(self.home, "shelf")
        close_database(self.home)
        return verdict.version

    def refused(self, code: int, told: str, what: str) -> None:
        """A command has to end as a person would want it to."""
        *_, message, remedy = ["", "", *told.strip().splitlines()]
        self.count(what, message.removeprefix("posebank: "))
        good = (
            code == 2
            and message.startswith("posebank: ")
            and str(self.disk) in message
            and remedy.startswith("remedy: Free space")
            and "Traceback" not in told
        )
        self.expect(good, f"{what}: code {code}, {told[-600:]}")

    def count(self, what: str, told: str) -> None:
        """Counts an outcome, whatever the folder is called today."""
        self.outcomes[f"{what.split()[0]}: {told.replace(str(self.disk), 'DISK')}"] += 1

    def command(self, rest: int, *words: object) -> bool:
        """The command with ``rest`` bytes free, then with space; whether it failed at first."""
        what = f"{words[0]} with {rest} bytes"
        fill(self.disk, rest)
        with Asked(self.attacked.url) as asked:
            code, told = self.attacked.index(*words)
            failed = code != 0
            if failed:
                self.refused(code, told, what)
                self.expect(self.whole(what) == self.old, f"{what}: the old version is not current")
        if failed:
            versions = set(asked.answers)
            self.expect(versions == {self.old}, f"{what}: answered by {versions}")
        self.expect(not asked.failures, f"{what}: questions failed: {asked.failures[:1]}")
        free(self.disk)
        code, told = self.attacked.index(*words)
        self.expect(code == 0, f"{what}: did not go on: {told[-600:]}")
        new = self.whole(f"{what}, repeated")
        self.attacked.until(lambda: self.served() == new, 20)
        return failed

    def served(self) -> str:
        return str(httpx.get(f"{self.attacked.url}/readyz").json()["version"])

    def enrol(self, seed: int, count: int = 1) -> httpx.Response:
        """One view, or a batch of views; always the same for a seed."""
        views = [annotated(f"thing-{seed}", f"s{seed}", frame) for frame in range(count)]
        files = [("image", ("i.jpg", picture(1000 * seed + frame))) for frame in range(count)]
        route, body = ("/views", views[0]) if count == 1 else ("/views:batch", {"views": views})
        url = self.attacked.url + route
        return httpx.post(url, files=files, data={"request": json.dumps(body)}, timeout=60)

    def full(self, answer: httpx.Response, what: str) -> None:
        """A refusal has to be the documented problem."""
        self.count(what, f"{answer.status_code} {answer.json()['detail']}")
        good = answer.status_code == 507 and "Free space" in answer.json()["remedy"]
        self.expect(good, f"{what}: {answer.status_code} {answer.text}")

    def enrolment(self, rest: int, restart: bool) -> int:
        """Enrols until the disk is full; how many views were acknowledged."""
        what = f"enrol with {rest} bytes"
        known: list[str] = []
        with Asked(self.attacked.url) as asked:
            fill(self.disk, rest)
            for seed in range(400):
                count = 4 if seed % 3 == 2 else 1
                answer = self.enrol(seed, count)
                if answer.status_code != 201:
                    break
                told = answer.json()
                known += [view["id"] for view in ([told] if count == 1 else told["views"])]
            self.full(answer, what)
            self.full(self.enrol(seed, count), what)
        self.expect(not asked.failures, f"{what}: questions failed: {asked.failures[:1]}")
        if restart:
            self.attacked.kill()
            self.attacked.start()
        for view in known:
            got = httpx.get(f"{self.attacked.url}/views/{view}")
            self.expect(got.status_code == 200, f"{what}: {view} acknowledged and lost")
        listed = self.listed()
        self.expect(listed == set(known), f"{what}: {len(listed)} of {len(known)} views")
        gone: set[str] = set()
        if known:
            answer = httpx.delete(f"{self.attacked.url}/views/{known[0]}", timeout=60)
            if answer.status_code == 200:
                gone.add(known[0])
                self.count("delete", "200")
            else:
                self.full(answer, f"delete, {what}")
                there = httpx.get(f"{self.attacked.url}/views/{known[0]}").status_code == 200
                self.expect(
                    there != ("out of every search" in answer.text), f"{what}: {answer.text}"
                )
                gone |= set() if there else {known[0]}
        free(self.disk)
        answer = self.enrol(seed, count)
        self.expect(answer.status_code == 201, f"{what}, space again: {answer.text}")
        more = len(self.listed()) - len(set(known) - gone)
        self.expect(more == count, f"{what}, space again: {more} more views, not {count}")
        self.expect(self.whole(what) == self.old, f"{what}: another version")
        return len(known)

    def cold_start(self) -> None:
        """Starts where not even the memory that SQLite shares between processes has room."""
        self.begin()
        self.attacked.kill()
        file = self.home.database_url.removeprefix("sqlite:///")
        with closing(sqlite3.connect(file)) as connection:  # the last one takes log and memory away
            connection.execute("SELECT count(*) FROM views").fetchone()
        fill(self.disk, 0)
        code, told = self.attacked.index("verify", "shelf")
        self.refused(code, told, "start on a full disk")
        self.attacked.launch()
        self.attacked.until(lambda: "Free space" in self.told(), 30)
        free(self.disk)
        self.attacked.until(self.attacked.ready, 30)
        self.expect(self.served() == self.old, f"start: {self.served()}")

    def told(self) -> str:
        """What /readyz says, nothing while the server is not there."""
        try:
            return httpx.get(f"{self.attacked.url}/readyz").text
        except httpx.TransportError:
            return ""

    def listed(self) -> set[str]:
        """The enrolled views."""
        found: set[str] = set()
        asked: dict[str, Any] = {"dataset": "attacked", "limit": 200}
        while True:
            page = httpx.get(f"{self.attacked.url}/views", params=asked).json()
            found |= {view["id"] for view in page["views"]}
            if page["next"] is None:
                return found
            asked["after"] = page["next"]

    def deletion(self, rest: int) -> None:
        """Deletes a view that was built in: its version has to be written anew."""
        what = f"erase with {rest} bytes"
        gallery = Gallery.open(self.home, "shelf")
        view = next(iter(gallery.views(gallery.rows()).values()))
        close_database(self.home)
        fill(self.disk, rest)
        answer = httpx.delete(f"{self.attacked.url}/views/{view.key}", timeout=60)
        if answer.status_code == 200:
            self.count(what, "200")
        else:
            self.full(answer, what)
            there = httpx.get(f"{self.attacked.url}/views/{view.key}").status_code == 200
            free(self.disk)
            if there:
                answer = httpx.delete(f"{self.attacked.url}/views/{view.key}", timeout=60)
                self.expect(answer.status_code == 200, f"{what}, space again: {answer.text}")
        # The server itself completes what it could not.
        self.attacked.until(
            lambda: not (self.attacked.home / "indexes/shelf" / self.old).exists(), 20
        )
        now = self.whole(what)
        self.expect(now != self.old, f"{what}: the version still holds the view")
        self.attacked.kill()
        shutil.rmtree(self.beside)
        shutil.copytree(self.attacked.home, self.beside)
        self.old = now


def attack(trial: Trial, points: int, moments: random.Random, on_disk: bool) -> dict[str, Any]:
    """Every kind of work at ``points`` amounts of free space."""
    found: dict[str, Any] = {}

    def rests(most: int) -> list[int]:
        few = [PAGE * number for number in range(2)]
        return few + [moments.randrange(most) // PAGE * PAGE for _ in range(points - len(few))]

    failed = 0
    for rest in rests(2_500_000 if on_disk else 1_100_000):
        trial.begin()
        failed += trial.command(rest, "build", "shelf", *trial.words, "--stride", 2)
    found["build"] = {"points": points, "failed_at_first": failed}
    failed = 0
    for rest in rests(600_000)[: points // 2]:
        trial.begin()
        for seed in range(5):
            assert trial.enrol(seed, 4).status_code == 201
        failed += trial.command(rest, "compact", "shelf")
    found["compact"] = {"points": points // 2, "failed_at_first": failed}
    for rest in rests(900_000 if on_disk else 250_000)[: points // 2]:
        trial.begin()
        trial.deletion(rest)
    found["erase"] = {"points": points // 2}
    if on_disk:
        views = []
        for number, rest in enumerate(rests(700_000)):
            trial.begin()
            views.append(trial.enrolment(rest, restart=number % 2 == 1))
        found["enrol"] = {"points": points, "views_before_it_was_full": views}
        trial.cold_start()
    found["outcomes"] = dict(sorted(trial.outcomes.items()))
    found["faults"] = trial.faults
    return found


def main() -> int:
    parser = attack_options(__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=12)
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("disk_full.py mounts a file system: run it as root", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        home = folder / "disk" / "home"
        with small_disk(folder / "disk") as disk, database(options.postgres, home) as url:
            attacked = Attacked(home, url, folder / "logs")
            try:
                trial = Trial(attacked, disk, folder / "beside", options)
                moments = random.Random(options.seed)
                found = attack(trial, options.points, moments, options.postgres is None)
            finally:
                attacked.kill()
        log = attacked.server_log.read_text()
    return report(options, found, log, found["faults"])


if __name__ == "__main__":
    sys.exit(main())
