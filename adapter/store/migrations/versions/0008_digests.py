"""In: the tables of one release. Out: beside them when which digest was sent to whom."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    op.create_table(
        "digest_sent",
        sa.Column("site", sa.String(length=64), nullable=False),
        sa.Column("recipient", sa.String(length=64), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("slot", sa.String(length=16), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("claimed_by", sa.String(length=64), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("seen", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("site", "recipient", "language", "slot", "day", name=op.f("pk_digest_sent")),
    )
    op.create_index("ix_digest_sent_recipient", "digest_sent", ["site", "recipient"])


def downgrade() -> None:
    """Go back."""
    op.drop_index("ix_digest_sent_recipient", table_name="digest_sent")
    op.drop_table("digest_sent")
