"""In: the first tables. Out: those of trial entities, of the outbox, and of what stands at a site's server."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

BIG_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Go forward."""
    op.create_table(
        "entity",
        sa.Column("number", BIG_KEY, autoincrement=True, nullable=False),
        sa.Column("site", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=512), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("is_current", sa.Boolean(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("put_by", sa.String(length=128), nullable=False),
        sa.Column("put_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_entity")),
        sa.UniqueConstraint("site", "kind", "key", "version", name=op.f("uq_entity_site_kind_key_version")),
    )
    op.create_index("ix_entity_current", "entity", ["site", "kind", "is_current"])
    op.create_table(
        "outbox",
        sa.Column("site", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=512), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("mapping", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("uncertain", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("site", "kind", "key", name=op.f("pk_outbox")),
    )
    op.create_index("ix_outbox_state", "outbox", ["site", "state"])
    op.create_table(
        "counterpart",
        sa.Column("site", sa.String(length=64), nullable=False),
        sa.Column("type", sa.String(length=64), nullable=False),
        sa.Column("system", sa.String(length=255), nullable=False),
        sa.Column("value", sa.String(length=512), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=512), nullable=False),
        sa.Column("server_id", sa.String(length=64), nullable=False),
        sa.Column("server_version", sa.String(length=64), nullable=False),
        sa.Column("sent_hash", sa.String(length=64), nullable=False),
        sa.Column("base", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("site", "type", "system", "value", name=op.f("pk_counterpart")),
    )
    op.create_index("ix_counterpart_entity", "counterpart", ["site", "kind", "key"])
    op.create_index("ix_counterpart_server", "counterpart", ["site", "type", "server_id"])
    op.create_table(
        "conflict",
        sa.Column("number", BIG_KEY, autoincrement=True, nullable=False),
        sa.Column("site", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=512), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("cause", sa.String(length=32), nullable=False),
        sa.Column("references", sa.Text(), nullable=False),
        sa.Column("theirs", sa.Text(), nullable=False),
        sa.Column("fields", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_by", sa.String(length=128), nullable=True),
        sa.Column("kept", sa.String(length=16), nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_conflict")),
    )
    op.create_index("ix_conflict_open", "conflict", ["site", "closed_at"])


def downgrade() -> None:
    """Go back."""
    for table in ("conflict", "counterpart", "outbox", "entity"):
        op.drop_table(table)
