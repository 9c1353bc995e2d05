"""The tables. Their history is in ``migrations/versions``; a test holds the two equal."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class UtcTime(sa.types.TypeDecorator[datetime]):
    """An aware UTC time in both databases; SQLite itself forgets the zone."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """To UTC; a naive time is refused because its zone would be a guess."""
        if value is not None and value.tzinfo is None:
            raise ValueError("a time without a zone cannot be stored")
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """To an aware UTC time."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


sequences = sa.Table(
    "sequences",
    metadata,
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("dataset", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("split", sa.Text, nullable=False),
    sa.Column("fps", sa.Double, nullable=False),
    sa.Column("flags", sa.JSON, nullable=False),
    sa.UniqueConstraint("dataset", "name"),
)

views = sa.Table(
    "views",
    metadata,
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column(
        "sequence_id", sa.BigInteger, sa.ForeignKey("sequences.id"), nullable=False, index=True
    ),
    sa.Column("frame", sa.BigInteger, nullable=False),
    sa.Column("time_s", sa.Double, nullable=False),
    sa.Column("instance", sa.Text, nullable=False),
    sa.Column("category", sa.Text, nullable=False),
    sa.Column("bbox_x0", sa.Double, nullable=False),
    sa.Column("bbox_y0", sa.Double, nullable=False),
    sa.Column("bbox_x1", sa.Double, nullable=False),
    sa.Column("bbox_y1", sa.Double, nullable=False),
    sa.Column("image_reference", sa.Text, nullable=False),
    sa.Column("image_width", sa.Integer, nullable=False),
    sa.Column("image_height", sa.Integer, nullable=False),
    sa.Column("visibility", sa.Double, nullable=False),
    sa.Column("has_box9", sa.Boolean, nullable=False),
    sa.Column("camera", sa.JSON(none_as_null=True)),
    sa.Column("plane", sa.JSON(none_as_null=True)),
    sa.Column("box9", sa.JSON(none_as_null=True)),
    sa.Column("keypoints", sa.JSON(none_as_null=True)),
    sa.Column("attributes", sa.JSON, nullable=False),
    sa.Column("fingerprint", sa.String(32), nullable=False),
)

thumbnails = sa.Table(
    "thumbnails",
    metadata,
    sa.Column(
        "view_id",
        sa.BigInteger,
        sa.ForeignKey("views.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    sa.Column("jpeg", sa.LargeBinary, nullable=False),
)

# ``manifest`` is empty while the rows of the version are being written.
index_versions = sa.Table(
    "index_versions",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("version", sa.String(12), nullable=False),
    sa.Column("manifest", sa.Text, nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.UniqueConstraint("name", "version"),
)

current_versions = sa.Table(
    "current_versions",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("version_id", sa.Integer, sa.ForeignKey("index_versions.id"), nullable=False),
    sa.Column("promoted_at", UtcTime, nullable=False),
)

# No foreign key to views: a view may be deleted while a snapshot still holds its vector, and
# the row order of the snapshot must stay provable.
version_rows = sa.Table(
    "version_rows",
    metadata,
    sa.Column(
        "version_id",
        sa.Integer,
        sa.ForeignKey("index_versions.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    sa.Column("row", sa.BigInteger, primary_key=True),
    sa.Column("view_id", sa.BigInteger, nullable=False, index=True),
)

# What was enrolled online and into which index; kept for as long as the view, also after its vector
# went into a snapshot, so that any version of the index can be searched together with it.
enrolled_views = sa.Table(
    "enrolled_views",
    metadata,
    sa.Column(
        "view_id",
        sa.BigInteger,
        sa.ForeignKey("views.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    sa.Column("index_name", sa.Text, nullable=False, index=True),
    sa.Column("encoder", sa.String(64), nullable=False),
    sa.Column("enrolled_at", UtcTime, nullable=False),
)

# ``vector``: little-endian float32.
enrolled_vectors = sa.Table(
    "enrolled_vectors",
    metadata,
    sa.Column(
        "view_id",
        sa.BigInteger,
        sa.ForeignKey("enrolled_views.view_id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    sa.Column("head", sa.Text, primary_key=True),
    sa.Column("vector", sa.LargeBinary, nullable=False),
)

# What each process follows. Written under the one writer's lock, so that ids rise in the order of
# commits. No foreign key to views: that one is gone is what is said.
changes = sa.Table(
    "changes",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("view_id", sa.BigInteger, nullable=False),
    sa.Column("erased", sa.Boolean, nullable=False),
)

# A secret is 256 random bits, so that one round of SHA-256 keeps it. ``datasets`` null: all.
api_keys = sa.Table(
    "api_keys",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
    sa.Column("scopes", sa.JSON, nullable=False),
    sa.Column("datasets", sa.JSON(none_as_null=True)),
    sa.Column("rate_per_minute", sa.Integer),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("revoked_at", UtcTime),
)
