"""Which indexes exist for a caller: those that hold a view of a dataset they may see."""

from __future__ import annotations

from index.search import Filters, Gallery
from service.problems import RefusedError
from service.security import Caller
from service.serving import ServedIndex, Serving


def visible(serving: Serving, caller: Caller) -> dict[str, ServedIndex]:
    """The served indexes that exist for the caller, by name."""
    return {name: one for name, one in serving.served.items() if _shows(one.gallery, caller)}


def pick(serving: Serving, name: str | None, caller: Caller) -> ServedIndex:
    """The index a request names, or the default one.

    Raises RefusedError ``unknown-index`` or ``not-ready``.
    """
    if caller.datasets is None:
        return serving.pick(name)
    there = visible(serving, caller)
    wanted = name or serving.default_name
    if wanted in there:
        return there[wanted]
    raise RefusedError(
        "unknown-index",
        f"Index {name!r} is not served." if name else "The default index has nothing for this key.",
        f"Served: {', '.join(sorted(there))}."
        if there
        else "No served index has a dataset of this key: ask for a key to one that has.",
    )


def _shows(gallery: Gallery, caller: Caller) -> bool:
    return caller.datasets is None or bool(gallery.values("dataset", caller.limit(Filters())))
