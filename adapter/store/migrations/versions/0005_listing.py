"""In: the tables of one release. Out: beside them the worklist as rows that can be counted, searched and paged."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward; the rows are made by whoever first asks for the list."""
    op.create_table(
        "listing",
        sa.Column("trial", sa.String(length=64), nullable=False),
        sa.Column("stage", sa.String(length=32), nullable=False),
        sa.Column("site", sa.String(length=64), nullable=False),
        sa.Column("person", sa.String(length=128), nullable=False),
        sa.Column("bin", sa.String(length=32), nullable=False),
        sa.Column("place", sa.LargeBinary(length=512), nullable=False),
        sa.Column("holding", sa.Text(), nullable=False),
        sa.Column("markers", sa.Text(), nullable=False),
        sa.Column("flips_on", sa.Date(), nullable=True),
        sa.Column("last_entry", sa.Date(), nullable=True),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("number", sa.String(length=128), nullable=False),
        sa.Column("identifiers", sa.Text(), nullable=False),
        sa.Column("verdict", sa.BigInteger(), nullable=False),
        sa.Column("screened_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("trial", "stage", "site", "person", name=op.f("pk_listing")),
    )
    op.create_index("ix_listing_place", "listing", ["trial", "stage", "place", "site", "person"])
    op.create_index("ix_listing_bin", "listing", ["trial", "stage", "bin", "place", "site", "person"])
    op.create_index("ix_listing_site", "listing", ["trial", "stage", "site", "bin"])
    op.create_table(
        "listing_content",
        sa.Column("trial", sa.String(length=64), nullable=False),
        sa.Column("stage", sa.String(length=32), nullable=False),
        sa.Column("site", sa.String(length=64), nullable=False),
        sa.Column("person", sa.String(length=128), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("trial", "stage", "site", "person", name=op.f("pk_listing_content")),
    )
    op.create_table(
        "listing_state",
        sa.Column("trial", sa.String(length=64), nullable=False),
        sa.Column("stage", sa.String(length=32), nullable=False),
        sa.Column("site", sa.String(length=64), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Text(), nullable=False),
        sa.Column("merges", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("trial", "stage", "site", name=op.f("pk_listing_state")),
    )
    op.create_index("ix_verdict_screened", "verdict", ["trial", "stage", "site", "screened_at"])


def downgrade() -> None:
    """Go back."""
    op.drop_index("ix_verdict_screened", table_name="verdict")
    op.drop_table("listing_state")
    op.drop_table("listing_content")
    op.drop_table("listing")
