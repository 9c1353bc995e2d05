"""Kill a server -9 while clients enrol and delete, and `index compact` while it works.

    python benchmarks/kill_enrolment.py [--kills 100] [--seed 0] [--postgres postgresql://…/postgres]

Several connections enrol single views and batches and delete views and instances without a pause;
at a random moment the server gets SIGKILL. After each restart: every view whose 201 was read is
answered, is as it was, and is its own nearest neighbour; of every view whose deletion was
acknowledged no row, vector or picture is left in any file; a request whose answer did not come was
done wholly or not at all; the index opens and verifies. Prints one JSON object.
"""

from __future__ import annotations

import itertools
import json
import random
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import sqlalchemy as sa
from attacked import Attacked, annotated, attack_options, database, picture, report

from index import manage
from index.home import Home
from index.store.database import close_database, reading
from index.store.stored_view import view_id, view_key
from index.store.tables import enrolled_vectors, enrolled_views, sequences, thumbnails, views
from index.verify import verify_version

CONNECTIONS = 4
MOST_ALIVE = 40
"""Enrolled views from which on more is deleted than enrolled, so that checks stay short."""

Views = dict[int, int]
"""View id → seed of its picture."""


@dataclass
class Request:
    """A change asked for: of the instance ``name`` it makes or takes views and keeps others."""

    name: str
    makes: Views = field(default_factory=dict)
    takes: Views = field(default_factory=dict)
    keeps: Views = field(default_factory=dict)


@dataclass
class Ledger:
    """What the clients were told. A view is in one place: ``alive``, ``deleted`` or ``open``."""

    alive: dict[str, Views] = field(default_factory=dict)
    deleted: set[int] = field(default_factory=set)
    open: list[Request] = field(default_factory=list)
    """Requests without an answer."""
    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    seeds: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def fault(self, what: str) -> None:
        """Notes that something is not as it has to be."""
        self.faults.append(what)
        print(f"fault: {what}", file=sys.stderr, flush=True)


def change_until_killed(url: str, ledger: Ledger, seed: int) -> None:
    """Enrols and deletes over one connection until the server is gone."""
    moments = random.Random(seed)
    with httpx.Client(base_url=url, timeout=60) as client:
        while True:
            full = sum(map(len, ledger.alive.values())) > MOST_ALIVE
            change = _delete if moments.random() < (0.7 if full else 0.3) else _enrol
            try:
                change(client, ledger, moments)
            except httpx.TransportError:
                return


def _enrol(client: httpx.Client, ledger: Ledger, moments: random.Random) -> None:
    seeds = [next(ledger.seeds) for _ in range(moments.choice((1, 1, 1, 2, 4, 8)))]
    request = Request(f"thing-{seeds[0]}")
    items = [annotated(request.name, f"s{seed}") for seed in seeds]
    for seed in seeds:
        request.makes[view_id("attacked", f"s{seed}", 0, request.name)] = seed
    route, body = ("/views", items[0]) if len(seeds) == 1 else ("/views:batch", {"views": items})
    files = [("image", ("i.jpg", picture(seed))) for seed in seeds]
    with ledger.lock:
        ledger.open.append(request)
    answer = client.post(route, files=files, data={"request": json.dumps(body)})
    with ledger.lock:
        ledger.open.remove(request)
        if answer.status_code == 201:
            ledger.alive[request.name] = request.makes
            ledger.counts["enrolments acknowledged"] += 1
            ledger.counts["views enrolled"] += len(seeds)
        elif answer.status_code == 429:
            ledger.counts["asked to wait"] += 1
        else:
            ledger.fault(f"enrolment: {answer.status_code} {answer.text}")


def _delete(client: httpx.Client, ledger: Ledger, moments: random.Random) -> None:
    with ledger.lock:
        if not ledger.alive:
            return
        name = moments.choice(sorted(ledger.alive))
        found = ledger.alive.pop(name)
        request = Request(name)
        whole = moments.random() < 0.5
        takes = list(found) if whole else [moments.choice(sorted(found))]
        request.takes = {key: found[key] for key in takes}
        request.keeps = {key: seed for key, seed in found.items() if key not in request.takes}
        ledger.open.append(request)
    if whole:
        answer = client.delete(f"/instances/{name}", params={"dataset": "attacked"})
    else:
        answer = client.delete(f"/views/{view_key(takes[0])}")
    with ledger.lock:
        if answer.status_code == 503:  # a compaction holds the index: it may have begun
            ledger.counts["deletions answered 503"] += 1
            return
        ledger.open.remove(request)
        if answer.status_code == 200 and answer.json()["views"] == len(takes):
            ledger.deleted.update(takes)
            ledger.counts["deletions acknowledged"] += 1
            ledger.counts["views deleted"] += len(takes)
            if request.keeps:
                ledger.alive[name] = request.keeps
        elif answer.status_code == 429:
            ledger.alive[name] = found
            ledger.counts["asked to wait"] += 1
        else:
            ledger.fault(f"deletion: {answer.status_code} {answer.text}")


class Inspector:
    """Compares what is there with what the clients were told."""

    def __init__(self, attacked: Attacked, ledger: Ledger) -> None:
        self._attacked, self._ledger = attacked, ledger
        self._home = Home.open(attacked.home, attacked.database)
        self._secrets: dict[int, list[bytes]] = {}
        """View id → pieces of its vectors and picture, which must not change nor stay."""

    def check(self) -> None:
        """After a restart: everything. Settles the requests without an answer."""
        stored = self._stored()
        self._settle(set(stored))
        told = {key for views in self._ledger.alive.values() for key in views}
        self._expect(set(stored) == told, f"{len(told - set(stored))} acknowledged views are lost")
        for key, pieces in stored.items():
            known = self._secrets.setdefault(key, pieces)
            self._expect(known == pieces, f"{view_key(key)} is stored otherwise than before")
        self._check_answers()
        self._check_files()
        verdict = verify_version(self._home, "shelf")
        self._expect(verdict.ok, f"verify: {verdict.problems}")
        close_database(self._home)

    def tidy(self) -> None:
        """Drops old versions, which compactions leave."""
        for record in manage.versions(self._home):
            if not record.current:
                manage.drop(self._home, "shelf", record.version)
        close_database(self._home)

    def _expect(self, holds: bool, what: str) -> None:
        if not holds:
            self._ledger.fault(what)

    def _stored(self) -> dict[int, list[bytes]]:
        """The enrolled views of the database, each of which has to be whole."""
        mine = sa.select(views.c.id).join(sequences).where(sequences.c.dataset == "attacked")
        found: dict[int, list[bytes]] = {}
        with reading(self._home) as connection:
            ids = {row[0] for row in connection.execute(mine)}
            listed = {row[0] for row in connection.execute(sa.select(enrolled_views.c.view_id))}
            for table, column in ((enrolled_vectors, "vector"), (thumbnails, "jpeg")):
                chosen = sa.select(table.c.view_id, table.c[column])
                for key, content in connection.execute(chosen.where(table.c.view_id.in_(ids))):
                    # A page of the database ends anywhere, so a part is looked for.
                    found.setdefault(key, []).append(bytes(content[-300:-20]))
        self._expect(ids == listed == set(found), "a view is stored without being enrolled")
        self._expect(
            all(len(pieces) == 2 for pieces in found.values()), "a view has no vector or no picture"
        )
        return found

    def _settle(self, stored: set[int]) -> None:
        ledger = self._ledger
        for request in ledger.open:
            asked = request.makes or request.takes
            there = asked.keys() & stored
            if there and there != asked.keys():
                ledger.fault(f"{request.name}: {len(there)} of {len(asked)} views")
            kind = "enrolments" if request.makes else "deletions"
            ledger.counts[f"{kind} unanswered, found {'there' if there else 'absent'}"] += 1
            rest = request.keeps | {key: asked[key] for key in there}
            if rest:
                ledger.alive[request.name] = rest
            if request.takes and not there:
                ledger.deleted.update(request.takes)
        ledger.open.clear()

    def _check_answers(self) -> None:
        """Over HTTP: who is alive is found, who is not is not."""
        alive = [
            (key, name, seed)
            for name, views in self._ledger.alive.items()
            for key, seed in views.items()
        ]
        with (
            httpx.Client(base_url=self._attacked.url, timeout=60) as client,
            ThreadPoolExecutor(CONNECTIONS) as threads,
        ):
            for problem in threads.map(lambda one: _missing(client, *one), alive):
                self._expect(problem is None, str(problem))
            for problem in threads.map(lambda key: _present(client, key), self._ledger.deleted):
                self._expect(problem is None, str(problem))
        self._ledger.counts["views asked for and searched"] += len(alive)
        self._ledger.counts["deleted views asked for"] += len(self._ledger.deleted)

    def _check_files(self) -> None:
        """Of what was deleted no file has a trace, once the server has finished what was cut."""
        gone = {piece for key in self._ledger.deleted for piece in self._secrets.pop(key, ())}
        kept = {pieces[0] for pieces in self._secrets.values()}
        left: list[str] = []

        def clean() -> bool:
            files = list(_contents(self._attacked.home))
            left[:] = [str(path) for path, text in files if any(piece in text for piece in gone)]
            for path, content in files:
                if path.name == "ids.npy":
                    ids = set(np.frombuffer(content, np.int64, offset=128).tolist())
                    left.extend([str(path)] if ids & self._ledger.deleted else [])
            return not left

        try:
            self._attacked.until(clean, 30.0)
        except RuntimeError:
            self._ledger.fault(f"deleted views left traces in {left}")
        self._ledger.counts["traces looked for"] += len(gone)
        if "sqlite" in self._attacked.database:
            text = b"".join(content for _, content in _contents(self._attacked.home))
            self._expect(all(piece in text for piece in kept), "the search for traces finds none")
        self._ledger.deleted.clear()


def _contents(home: Path) -> list[tuple[Path, bytes]]:
    found = []
    for path in sorted(home.rglob("*")):
        try:
            if path.is_file():
                found.append((path, path.read_bytes()))
        except FileNotFoundError:  # the server is tidying up
            continue
    return found


def _missing(client: httpx.Client, key: int, name: str, seed: int) -> str | None:
    """What is wrong with a view that has to be there."""
    answer = client.get(f"/views/{view_key(key)}")
    if answer.status_code != 200 or answer.json()["instance"] != name:
        return f"{view_key(key)} of {name}: {answer.status_code} {answer.text[:200]}"
    for _ in range(20):
        answer = client.post("/reid/search", files={"image": ("q.jpg", picture(seed))})
        if answer.status_code != 429:
            break
        time.sleep(0.2)
    best = answer.json()["matches"][0]["views"][0] if answer.status_code == 200 else answer.text
    if answer.status_code != 200 or best["view"]["id"] != view_key(key):
        return f"{view_key(key)} is not its own nearest neighbour: {best}"
    return None


def _present(client: httpx.Client, key: int) -> str | None:
    """What is wrong with a view that has to be gone."""
    for place in ("", "/thumbnail"):
        answer = client.get(f"/views/{view_key(key)}{place}")
        if answer.status_code != 404:
            return f"{view_key(key)}{place} was deleted: {answer.status_code}"
    return None


def changes_told(ledger: Ledger, more: int, seconds: float) -> None:
    """Waits until the clients were told of so many more changes, but no longer than ``seconds``."""

    def told() -> int:
        return ledger.counts["enrolments acknowledged"] + ledger.counts["deletions acknowledged"]

    end, wanted = time.monotonic() + seconds, told() + more
    while told() < wanted and time.monotonic() < end:
        time.sleep(0.002)


def killed_compaction(attacked: Attacked, moments: random.Random, counts: Counter[str]) -> None:
    """Begins `index compact` and kills it once it holds the index."""
    lock = attacked.home / "indexes" / "shelf" / ".lock"
    command = attacked.begin("index", "compact", "shelf")
    mark = f"process {command.process.pid} "
    while command.process.is_alive() and mark not in lock.read_text():
        time.sleep(0.001)
    time.sleep(moments.uniform(0, 0.1))
    command.process.kill()
    code, _ = command.wait()
    counts["compactions killed" if code < 0 else "compactions done"] += 1


def attack(attacked: Attacked, ledger: Ledger, kills: int, seed: int) -> None:
    """Kills the server ``kills`` times; every fifth time a compaction as well."""
    moments = random.Random(seed)
    inspector = Inspector(attacked, ledger)
    attacked.start()
    for number in range(kills):
        clients = [
            threading.Thread(
                target=change_until_killed, args=(attacked.url, ledger, moments.randrange(1 << 30))
            )
            for _ in range(CONNECTIONS)
        ]
        for client in clients:
            client.start()
        changes_told(ledger, moments.randrange(12), seconds=5.0)
        time.sleep(moments.uniform(0.0, 0.1))
        if number % 5 == 4:
            killed_compaction(attacked, moments, ledger.counts)
            time.sleep(moments.uniform(0.0, 0.2))
        attacked.kill()
        ledger.counts["servers killed"] += 1
        for client in clients:
            client.join()
        if number % 10 == 9:
            code, told = attacked.index("compact", "shelf")
            if code:
                ledger.fault(f"compact: {told}")
            inspector.tidy()
        attacked.start()
        inspector.check()
        if number % 10 == 9:
            code, told = attacked.index("verify", "shelf")
            if code:
                ledger.fault(f"index verify: {told}")
            print(f"{number + 1} kills {dict(ledger.counts)}", file=sys.stderr, flush=True)
        if len(ledger.faults) > 20:
            return


def main() -> int:
    parser = attack_options(__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    options = parser.parse_args()
    ledger = Ledger()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        home = folder / "home"
        home.mkdir()
        with database(options.postgres, home) as url:
            attacked = Attacked(home, url, folder / "logs")
            data = ("--data", options.data, "--encoder", options.encoder, "--stride", 8)
            code, told = attacked.index("build", "shelf", *data)
            assert code == 0, told
            try:
                attack(attacked, ledger, options.kills, options.seed)
            finally:
                attacked.kill()
        log = attacked.server_log.read_text()
    found: dict[str, Any] = {
        **dict(sorted(ledger.counts.items())),
        "median_start_s": round(statistics.median(attacked.seconds), 2),
        "seconds": round(time.perf_counter() - began),
    }
    return report(options, found, log, ledger.faults)


if __name__ == "__main__":
    sys.exit(main())
