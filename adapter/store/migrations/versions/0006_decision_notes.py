"""In: decisions with a code. Out: the same with a note, and the input of the verdict that the person saw."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward; of what was decided before, what the person saw is not known."""
    with op.batch_alter_table("decision") as table:
        table.add_column(sa.Column("note", sa.Text(), nullable=False, server_default=""))
        table.add_column(sa.Column("seen", sa.String(64), nullable=True))


def downgrade() -> None:
    """Go back."""
    with op.batch_alter_table("decision") as table:
        table.drop_column("seen")
        table.drop_column("note")
