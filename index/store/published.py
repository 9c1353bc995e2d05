"""A view by its id, for who may have any id: what a build is still writing is not there."""

from __future__ import annotations

import sqlalchemy as sa

from index.store.stored_view import StoredView
from index.store.tables import enrolled_views, index_versions, thumbnails, version_rows
from index.store.versions import UNFINISHED
from index.store.views import fetch_views

_ID = sa.bindparam("id", type_=sa.BigInteger)
_ENROLLED = sa.exists().where(enrolled_views.c.view_id == _ID)
_BUILT = sa.exists().where(
    version_rows.c.view_id == _ID,
    index_versions.c.id == version_rows.c.version_id,
    index_versions.c.manifest != UNFINISHED,
)
_PUBLISHED = sa.select(sa.or_(_ENROLLED, _BUILT))


def published_view(connection: sa.Connection, view_id: int) -> StoredView | None:
    """The view with this id, if it was enrolled or a finished version holds it."""
    if not connection.execute(_PUBLISHED, {"id": view_id}).scalar():
        return None
    return fetch_views(connection, [view_id]).get(view_id)


def published_thumbnail(connection: sa.Connection, view_id: int) -> bytes | None:
    """The JPEG of such a view's crop, longest side at most 160 px, or None."""
    if not connection.execute(_PUBLISHED, {"id": view_id}).scalar():
        return None
    statement = sa.select(thumbnails.c.jpeg).where(thumbnails.c.view_id == view_id)
    found = connection.execute(statement).scalar()
    return None if found is None else bytes(found)
