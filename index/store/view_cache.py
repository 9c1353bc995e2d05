"""Views read before, kept as long as the database says they are the same."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from index.store.database import chunks
from index.store.stored_view import StoredView
from index.store.tables import changes, views
from index.store.views import fetch_views

KEPT = 10_000
"""Views kept at most, about 3 kB each; who was not asked for longest goes first."""

# Made once: to put such a statement together takes longer than to run it.
_STANDING = sa.select(views.c.id, views.c.fingerprint).where(
    views.c.id.in_(sa.bindparam("ids", expanding=True)),
    views.c.id.not_in(
        sa.select(changes.c.view_id).where(changes.c.id > sa.bindparam("seen"), changes.c.erased)
    ),
)


class ViewCache:
    """Spares reading and parsing a view's row again; safe for many threads.

    The database is asked every time which of the views there are and whether they changed, so an
    erased view is never answered from here.
    """

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._held: OrderedDict[int, tuple[str, StoredView]] = OrderedDict()
        self._guard = threading.Lock()

    def fetch(
        self, connection: sa.Connection, ids: Sequence[int], seen: int
    ) -> dict[int, StoredView]:
        """The views with these ids, those that stand.

        One that was erased after the change ``seen`` does not: what has its id since is another
        picture.
        """
        fingerprints: dict[int, str] = {}
        for part in chunks(ids):
            rows = connection.execute(_STANDING, {"ids": part, "seen": seen})
            fingerprints.update((key, fingerprint) for key, fingerprint in rows)
        found = self._known(fingerprints)
        fresh = fetch_views(connection, [key for key in fingerprints if key not in found])
        with self._guard:
            for key, view in fresh.items():
                self._held[key] = (fingerprints[key], view)
            while len(self._held) > self._kept:
                self._held.popitem(last=False)
        self.forget(key for key in ids if key not in fingerprints)
        return found | fresh

    def forget(self, ids: Iterable[int]) -> None:
        """Keep nothing of these views."""
        with self._guard:
            for key in ids:
                self._held.pop(key, None)

    def _known(self, fingerprints: dict[int, str]) -> dict[int, StoredView]:
        found: dict[int, StoredView] = {}
        with self._guard:
            for key, fingerprint in fingerprints.items():
                held = self._held.get(key)
                if held is not None and held[0] == fingerprint:
                    self._held.move_to_end(key)
                    found[key] = held[1]
        return found
