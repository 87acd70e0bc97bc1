"""In: a store that takes whoever a hospital sends. Out: a list of those who are kept off it, since they were forgotten; and the audit trail's last line of an action, found at once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    op.create_table(
        "kept_off",
        sa.Column("site", sa.String(64), primary_key=True),
        sa.Column("patient", sa.String(128), primary_key=True),
        sa.Column("person", sa.String(128), nullable=False),
        sa.Column("reason", sa.String(32), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_audit_action", "audit", ["action", "number"])


def downgrade() -> None:
    """Go back; the next full pull takes them again."""
    op.drop_index("ix_audit_action", "audit")
    op.drop_table("kept_off")
