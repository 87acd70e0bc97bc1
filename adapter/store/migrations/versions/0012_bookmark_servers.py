"""In: bookmarks by site and type. Out: the same, and of which server each is the time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward; of what was noted before it is not known, and taken for that of the settings."""
    with op.batch_alter_table("bookmark") as table:
        table.add_column(sa.Column("server", sa.Text(), nullable=True))


def downgrade() -> None:
    """Go back."""
    with op.batch_alter_table("bookmark") as table:
        table.drop_column("server")
