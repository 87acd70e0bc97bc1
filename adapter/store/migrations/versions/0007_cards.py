"""In: the tables of one release. Out: beside them cards of CDS Hooks, what was answered to them, and tokens used."""

from __future__ import annotations

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""


def downgrade() -> None:
    """Go back."""
