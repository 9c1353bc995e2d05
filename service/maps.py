"""Maps of the indexes, drawn once for each state of an index and each set of visible datasets."""

from __future__ import annotations

import sys
import threading
from collections import OrderedDict

from index.map import ViewMap, draw_map
from index.search import Filters, Gallery
from service.schemas.answers import IndexRef
from service.schemas.map import MapOut, MapPoint
from service.security import Caller

KEPT = 32
KEPT_BYTES = 32 << 20
"""Texts kept at most, of all indexes together: who asks chooses the limit and so how many there can
be. One of 2,000 points has about 0.4 MB; what was not asked for longest goes first."""

State = tuple[str, int]
Wanted = tuple[str, str, int, tuple[str, ...] | None]


class Maps:
    """Of each index only its newest state is kept, so that nothing of what was deleted is."""

    def __init__(self, kept: int = KEPT, kept_bytes: int = KEPT_BYTES) -> None:
        self._kept = kept
        self._kept_bytes = kept_bytes
        self._states: dict[str, State] = {}
        self._texts: OrderedDict[Wanted, str] = OrderedDict()
        self._lock = threading.Lock()

    def answer(self, gallery: Gallery, head: str | None, limit: int, caller: Caller) -> str:
        """The JSON of a MapOut. Raises QueryError where the index has no such head."""
        state = (gallery.version, gallery.seen)
        wanted = (gallery.name, head or "pose", limit, caller.datasets)
        with self._lock:
            self._enter(gallery.name, state)
            if wanted in self._texts:
                self._texts.move_to_end(wanted)
                return self._texts[wanted]
        found = draw_map(gallery, wanted[1], limit, caller.limit(Filters()))
        text = map_out(gallery, found).model_dump_json()
        with self._lock:
            if self._states[gallery.name] == state:
                self._keep(wanted, text)
        return text

    def _enter(self, name: str, state: State) -> None:
        """Forget the maps of other states of this index."""
        if self._states.get(name) != state:
            self._states[name] = state
            for wanted in [wanted for wanted in self._texts if wanted[0] == name]:
                del self._texts[wanted]

    def _keep(self, wanted: Wanted, text: str) -> None:
        self._texts[wanted] = text
        while (
            len(self._texts) > self._kept
            or sum(map(sys.getsizeof, self._texts.values())) > self._kept_bytes
        ):
            self._texts.popitem(last=False)


def map_out(gallery: Gallery, found: ViewMap) -> MapOut:
    """A map in JSON's shape."""
    return MapOut(
        index=IndexRef(name=gallery.name, version=gallery.version),
        head=found.head,
        explained=(float(found.explained[0]), float(found.explained[1])),
        total=found.total,
        points=[
            MapPoint(
                id=view.key,
                x=float(x),
                y=float(y),
                dataset=view.dataset,
                category=view.category,
                instance=view.instance,
                sequence=view.sequence,
                frame=view.frame,
                time_s=view.time_s,
            )
            for view, (x, y) in zip(found.views, found.xy, strict=True)
        ],
    )
