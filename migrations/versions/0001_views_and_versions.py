"""Sequences, views, thumbnails, and the versions of indexes with their rows."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "sequences",
        sa.Column("id", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("dataset", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("split", sa.Text, nullable=False),
        sa.Column("fps", sa.Double, nullable=False),
        sa.Column("flags", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sequences"),
        sa.UniqueConstraint("dataset", "name", name="uq_sequences_dataset_name"),
    )
    op.create_table(
        "views",
        sa.Column("id", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("sequence_id", sa.BigInteger, nullable=False),
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
        sa.PrimaryKeyConstraint("id", name="pk_views"),
        sa.ForeignKeyConstraint(["sequence_id"], ["sequences.id"], name="fk_views_sequence_id"),
    )
    op.create_index("ix_views_sequence_id", "views", ["sequence_id"])
    op.create_table(
        "thumbnails",
        sa.Column("view_id", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("jpeg", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("view_id", name="pk_thumbnails"),
        sa.ForeignKeyConstraint(
            ["view_id"], ["views.id"], name="fk_thumbnails_view_id", ondelete="CASCADE"
        ),
    )
    op.create_table(
        "index_versions",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("version", sa.String(12), nullable=False),
        sa.Column("manifest", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_index_versions"),
        sa.UniqueConstraint("name", "version", name="uq_index_versions_name_version"),
    )
    op.create_table(
        "current_versions",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("version_id", sa.Integer, nullable=False),
        sa.Column("promoted_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_current_versions"),
        sa.ForeignKeyConstraint(
            ["version_id"], ["index_versions.id"], name="fk_current_versions_version_id"
        ),
    )
    op.create_table(
        "version_rows",
        sa.Column("version_id", sa.Integer, nullable=False),
        sa.Column("row", sa.BigInteger, nullable=False),
        sa.Column("view_id", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("version_id", "row", name="pk_version_rows"),
        sa.ForeignKeyConstraint(
            ["version_id"],
            ["index_versions.id"],
            name="fk_version_rows_version_id",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_version_rows_view_id", "version_rows", ["view_id"])


def downgrade():
    for table in (
        "version_rows",
        "current_versions",
        "index_versions",
        "thumbnails",
        "views",
        "sequences",
    ):
        op.drop_table(table)
