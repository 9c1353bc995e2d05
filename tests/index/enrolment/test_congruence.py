"""One random workload on SQLite, on Postgres and on NumPy: the same answers at every step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from index.build import build_index
from index.enrolment import compact, enrol, erase_instance, erase_views, list_views
from index.filters import Filters
from index.home import Home
from index.search import Catalog
from index.store.database import close_database
from index.verify import verify_version

STEPS = 30
CATEGORIES = ("drill", "saw", "cup", "shoe")
DATASETS = ("things", "workshop", "shed")


@dataclass(frozen=True)
class Known:
    """What NumPy knows of a view."""

    dataset: str
    split: str
    sequence: str
    instance: str
    category: str
    box: bool
    vectors: dict[str, np.ndarray]


class Model:
    """The plainest store there is: a dictionary, searched by comparing all."""

    def __init__(self) -> None:
        self.views: dict[int, Known] = {}

    def allowed(self, filters: Filters) -> list[int]:
        return sorted(key for key, view in self.views.items() if self._fits(view, filters))

    @staticmethod
    def _fits(view: Known, filters: Filters) -> bool:
        for name in ("dataset", "split", "category", "sequence", "instance"):
            wanted = getattr(filters, name)
            if wanted and getattr(view, name) not in wanted:
                return False
        for name in ("sequence", "instance"):
            value = getattr(view, name)
            if {value, f"{view.dataset}/{value}"} & set(getattr(filters, f"exclude_{name}")):
                return False
        if filters.allowed_datasets is not None and view.dataset not in filters.allowed_datasets:
            return False
        return filters.has_box9 is None or view.box == filters.has_box9

    def search(self, query: np.ndarray, head: str, k: int, filters: Filters) -> dict[int, float]:
        """The k best, their similarities to five decimals; ties in the order of ids."""
        scores = {
            key: float(self.views[key].vectors[head].astype(float) @ query.astype(float))
            for key in self.allowed(filters)
        }
        best = sorted(scores, key=lambda key: (-scores[key], key))[:k]
        return {key: scores[key] for key in best}


class Workload:
    """The same random steps on every home; what is said of them by the model."""

    def __init__(self, homes: list[Home], seed: int, painted, encoder, new_view) -> None:
        self.homes, self.model = homes, Model()
        self.painted, self.encoder, self.new_view = painted, encoder, new_view
        self.random = np.random.default_rng(seed)
        self.seeds = iter(range(10**6))
        self.catalogs: list[Catalog] = []
        self.build()
        self.catalogs = [Catalog(home) for home in homes]

    def build(self) -> None:
        splits = ("train", None) if not self.catalogs else (None,)
        for split in splits:  # what was erased of the data comes back with a build
            for home in self.homes:
                built = build_index(
                    home, "things", [(self.painted, None)], self.encoder, split=split
                )
        ids = np.load(built.folder / "ids.npy").tolist()
        self.model.views = {k: v for k, v in self.model.views.items() if v.dataset != "things"}
        catalog = Catalog(self.homes[0])
        gallery = catalog.get("things")
        rows = np.arange(len(ids))
        vectors = {head: gallery.vectors(rows, head) for head in gallery.heads}
        for row, key in enumerate(ids):
            view = catalog.view(key)
            self.model.views[key] = Known(
                view.dataset,
                view.split,
                view.sequence,
                view.instance,
                view.category,
                view.box9 is not None,
                {head: vectors[head][row] for head in vectors},
            )

    def enrol(self) -> None:
        views = [
            self.new_view(
                next(self.seeds),
                dataset=str(self.random.choice(DATASETS[1:])),
                instance=f"i{self.random.integers(6)}",
                category=str(self.random.choice(CATEGORIES)),
            )
            for _ in range(self.random.integers(1, 5))
        ]
        for home in self.homes:
            stored = enrol(home, "things", self.encoder.identity, views)
        for view, known in zip(views, stored, strict=True):
            self.model.views[known.id] = Known(
                view.dataset,
                view.split,
                view.sequence,
                view.instance,
                view.category,
                False,
                dict(view.vectors),
            )

    def erase_view(self) -> None:
        keys = sorted(self.model.views)
        key = keys[self.random.integers(len(keys))]
        for home in self.homes:
            assert erase_views(home, [key]).views == 1
        del self.model.views[key]

    def erase_instance(self) -> None:
        dataset = str(self.random.choice(DATASETS))
        name = f"i{self.random.integers(6)}" if dataset != "things" else "thing1"
        gone = self.model.allowed(Filters(dataset=dataset, instance=name))
        for home in self.homes:
            assert erase_instance(home, dataset, name).views == len(gone)
        for key in gone:
            del self.model.views[key]

    def compact(self) -> None:
        done = {compact(home, "things").new for home in self.homes}
        assert len(done) == 1  # the same bytes, so the same name

    def filters(self) -> Filters:
        def some(values: tuple[str, ...]) -> tuple[str, ...]:
            count = self.random.choice(3, p=[0.6, 0.2, 0.2])
            return tuple(str(v) for v in self.random.choice(values, count, replace=False))

        allowed = some(DATASETS)
        return Filters(
            dataset=some(DATASETS),
            split=some(("train", "test", "enrolled")),
            category=some(CATEGORIES),
            exclude_instance=some(("i1", "thing0", "shed/i2", "things/thing2")),
            exclude_sequence=some(("s1", "things/s2", "workshop/s3")),
            has_box9=(None, None, True, False)[self.random.integers(4)],
            allowed_datasets=allowed or None,
        )

    def ask(self) -> None:
        filters, k = self.filters(), int(self.random.integers(1, 50))
        head = str(self.random.choice(["pose", "identity"]))
        query = self.random.normal(size=self.encoder.heads[head]).astype(np.float32)
        query /= np.linalg.norm(query)
        expected = self.model.search(query, head, k, filters)
        for catalog in self.catalogs:
            catalog.refresh()
            assert catalog.errors == {}
            gallery = catalog.get("things")
            found = gallery.search(query, head, k, filters)[0]
            assert [neighbour.view_id for neighbour in found] == list(expected)
            np.testing.assert_allclose(
                [neighbour.similarity for neighbour in found], list(expected.values()), atol=1e-5
            )
            assert gallery.size == len(self.model.views)
            left = [self.model.views[key] for key in self.model.allowed(filters)]
            counts = gallery.counts(filters)
            assert counts.views == len(left)
            assert counts.instances == len({(view.dataset, view.instance) for view in left})
            assert counts.annotated == sum(view.box for view in left)
            assert gallery.values("category", filters) == tuple(
                sorted({view.category for view in left})
            )

    def page(self) -> None:
        filters, limit = self.filters(), int(self.random.integers(1, 9))
        for home in self.homes:
            found, after = [], None
            while True:
                page = list_views(home, "things", filters, after, limit)
                found += [view.id for view in page.views]
                after = page.next
                if after is None:
                    break
                assert len(page.views) == limit
            assert found == self.model.allowed(filters)


@pytest.mark.parametrize("seed", [1, 2])
def test_the_same_workload_gets_the_same_answers(
    tmp_path, postgres_url, painted, encoder, new_view, seed
):
    homes = [
        Home.open(tmp_path / "a", f"sqlite:///{tmp_path / 'a.sqlite'}"),
        Home.open(tmp_path / "b", postgres_url),
    ]
    work = Workload(homes, seed, painted, encoder, new_view)
    steps = [work.enrol, work.erase_view, work.erase_instance, work.compact, work.build]
    chances = [0.45, 0.25, 0.1, 0.15, 0.05]
    drawn = work.random.choice(np.array(steps, dtype=object), STEPS, p=chances).tolist()
    assert all(step in drawn for step in steps)
    for step in drawn:
        step()
        work.ask()
        work.page()
    for home in homes:
        assert verify_version(home, "things").problems == ()
        close_database(home)
