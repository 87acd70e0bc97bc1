"""In: verdicts with the time of their last screening. Out: the same, and since when each has been known."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward; of what is there already the last time is all that is known."""
    with op.batch_alter_table("verdict") as table:
        table.add_column(sa.Column("first_screened_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("update verdict set first_screened_at = screened_at")
    with op.batch_alter_table("verdict") as table:
        table.alter_column("first_screened_at", existing_type=sa.DateTime(timezone=True), nullable=False)


def downgrade() -> None:
    """Go back."""
    with op.batch_alter_table("verdict") as table:
        table.drop_column("first_screened_at")
