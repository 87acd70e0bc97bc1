"""In: the tables of one release. Out: beside them cards of CDS Hooks, what was answered to them, and tokens used."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    when = sa.DateTime(timezone=True)
    op.create_table(
        "card",
        sa.Column("uuid", sa.String(36), nullable=False),
        sa.Column("service", sa.String(128), nullable=False),
        sa.Column("hook_instance", sa.String(36), nullable=False),
        sa.Column("trial", sa.String(64), nullable=False),
        sa.Column("site", sa.String(64), nullable=False),
        sa.Column("patient", sa.String(128), nullable=False),
        sa.Column("client", sa.String(64), nullable=False),
        sa.Column("user", sa.String(128), nullable=False),
        sa.Column("outcome", sa.String(32), nullable=False),
        sa.Column("signature", sa.String(64), nullable=False),
        sa.Column("suggestion", sa.String(36), nullable=True),
        sa.Column("shown_at", when, nullable=False),
        sa.PrimaryKeyConstraint("uuid", name="pk_card"),
    )
    op.create_index("ix_card_patient", "card", ["site", "patient", "trial"])
    op.create_table(
        "card_feedback",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("card", sa.String(36), nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(64), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("outcome_at", when, nullable=False),
        sa.Column("received_at", when, nullable=False),
        sa.ForeignKeyConstraint(["card"], ["card.uuid"], name="fk_card_feedback_card_card"),
        sa.PrimaryKeyConstraint("number", name="pk_card_feedback"),
        sa.UniqueConstraint("card", "outcome", "outcome_at", name="uq_card_feedback_card_outcome_outcome_at"),
    )
    op.create_table(
        "card_token",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("expires_at", when, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_card_token"),
    )
    op.create_index("ix_card_token_expires_at", "card_token", ["expires_at"])


def downgrade() -> None:
    """Go back."""
    op.drop_table("card_token")
    op.drop_table("card_feedback")
    op.drop_table("card")
