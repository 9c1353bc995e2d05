"""Searching: the public names in one place."""

from index.catalog import Catalog
from index.filters import NO_FILTERS, Filters
from index.gallery import Gallery, Neighbour
from index.store.stored_view import StoredView, parse_view_key, view_key

__all__ = [
    "NO_FILTERS",
    "Catalog",
    "Filters",
    "Gallery",
    "Neighbour",
    "StoredView",
    "parse_view_key",
    "view_key",
]
