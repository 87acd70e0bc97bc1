"""In: the tables of one release. Out: beside them the server that each site's outbox was told to."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    op.create_table(
        "outbox_server",
        sa.Column("site", sa.String(length=64), nullable=False),
        sa.Column("base_url", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("site", name=op.f("pk_outbox_server")),
    )


def downgrade() -> None:
    """Go back."""
    op.drop_table("outbox_server")
