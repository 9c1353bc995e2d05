"""Maps of the indexes, drawn once for each state of an index and each set of visible datasets."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from index.map import ViewMap, draw_map
from index.search import Filters, Gallery
from service.schemas.answers import IndexRef
from service.schemas.map import MapOut, MapPoint
from service.security import Caller

Wanted = tuple[str, int, tuple[str, ...] | None]


@dataclass(slots=True)
class _Drawn:
    """The maps of one state of an index, as JSON."""

    version: str
    seen: int
    texts: dict[Wanted, str] = field(default_factory=dict)


class Maps:
    """Of each index only its newest state is kept, so that nothing of what was deleted is."""

    def __init__(self) -> None:
        self._drawn: dict[str, _Drawn] = {}
        self._lock = threading.Lock()

    def answer(self, gallery: Gallery, head: str | None, limit: int, caller: Caller) -> str:
        """The JSON of a MapOut. Raises QueryError where the index has no such head."""
        wanted = (head or "pose", limit, caller.datasets)
        with self._lock:
            drawn = self._drawn.get(gallery.name)
            if drawn is None or (drawn.version, drawn.seen) != (gallery.version, gallery.seen):
                drawn = self._drawn[gallery.name] = _Drawn(gallery.version, gallery.seen)
        if wanted not in drawn.texts:
            found = draw_map(gallery, wanted[0], limit, caller.limit(Filters()))
            drawn.texts[wanted] = map_out(gallery, found).model_dump_json()
        return drawn.texts[wanted]


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
