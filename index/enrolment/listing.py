"""The views of an index page by page, whether a build or an enrolment brought them."""

from __future__ import annotations

from dataclasses import dataclass

from index.filters import NO_FILTERS, Filters
from index.home import Home
from index.manifest import Manifest
from index.opening import unknown_index
from index.store.database import reading
from index.store.migrate import migrate
from index.store.pages import view_ids_after
from index.store.stored_view import StoredView, parse_view_key, view_key
from index.store.versions import current_names, find_version
from index.store.views import fetch_views
from training.errors import QueryError


@dataclass(frozen=True, slots=True, eq=False)
class ViewPage:
    """Some views in the order of their keys; ``next`` is what the next page comes after, or None.

    It is the key of the last view, so that what is enrolled or erased between two pages moves
    nothing from one to the other.
    """

    views: tuple[StoredView, ...]
    next: str | None


def list_views(
    home: Home,
    index_name: str,
    filters: Filters = NO_FILTERS,
    after: str | None = None,
    limit: int = 100,
) -> ViewPage:
    """At most ``limit`` views that a search of the index could return, after the key ``after``.

    Raises GalleryError if the index is unknown, QueryError if ``after`` is no key of a view.
    """
    start = -1 if after is None else parse_view_key(after)
    if start is None or limit < 1:
        raise QueryError(
            f"There is no page of {limit} views after {after!r}.",
            "Ask for one or more, after the `next` of the page before.",
        )
    migrate(home)
    with reading(home) as connection:
        record = find_version(connection, index_name)
        if record is None:
            raise unknown_index(index_name, None, sorted(current_names(connection)))
        manifest = Manifest.parse(record.manifest, f"{record.name} {record.version}")
        ids = view_ids_after(
            connection, record, manifest.encoder.identity, filters, start, limit + 1
        )
        views = fetch_views(connection, ids[:limit])
    more = len(ids) > limit
    return ViewPage(
        tuple(views[key] for key in ids[:limit]), view_key(ids[limit - 1]) if more else None
    )
