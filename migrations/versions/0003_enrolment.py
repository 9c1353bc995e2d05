"""Views enrolled online: their vectors, and the log of changes that every process follows."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "enrolled_views",
        sa.Column("view_id", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("index_name", sa.Text, nullable=False),
        sa.Column("encoder", sa.String(64), nullable=False),
        sa.Column("enrolled_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("view_id", name="pk_enrolled_views"),
        sa.ForeignKeyConstraint(
            ["view_id"], ["views.id"], name="fk_enrolled_views_view_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_enrolled_views_index_name", "enrolled_views", ["index_name"])
    op.create_table(
        "enrolled_vectors",
        sa.Column("view_id", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("head", sa.Text, nullable=False),
        sa.Column("vector", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("view_id", "head", name="pk_enrolled_vectors"),
        sa.ForeignKeyConstraint(
            ["view_id"],
            ["enrolled_views.view_id"],
            name="fk_enrolled_vectors_view_id",
            ondelete="CASCADE",
        ),
    )
    op.create_table(
        "changes",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False),
        sa.Column("view_id", sa.BigInteger, nullable=False),
        sa.Column("erased", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_changes"),
    )


def downgrade():
    for table in ("changes", "enrolled_vectors", "enrolled_views"):
        op.drop_table(table)
