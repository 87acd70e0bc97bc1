"""In: segments by name and size. Out: the same, with what each of their files was when it was written."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward; of what was written before nothing is known but what it holds."""
    with op.batch_alter_table("segment") as table:
        table.add_column(sa.Column("raw_sha256", sa.String(64), nullable=True))
        table.add_column(sa.Column("index_sha256", sa.String(64), nullable=True))


def downgrade() -> None:
    """Go back."""
    with op.batch_alter_table("segment") as table:
        table.drop_column("index_sha256")
        table.drop_column("raw_sha256")
