"""In: segments that nobody merges. Out: a list of those that were, and positions of the worklist that merging does not move."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward; rows of the worklist are made anew once, for how their position is told has changed."""
    op.create_table(
        "retired_segment",
        sa.Column("site", sa.String(64), primary_key=True),
        sa.Column("type", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(128), primary_key=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
    op.execute("update listing_state set position = ''")


def downgrade() -> None:
    """Go back; the files of what is retired are then of no listed segment, and cleared away by the next run."""
    op.drop_table("retired_segment")
    op.execute("update listing_state set position = ''")
