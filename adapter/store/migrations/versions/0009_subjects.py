"""In: the tables of one release. Out: beside them the trial's pseudonyms, and the numbers of the records of its datasets."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    op.create_table(
        "subject_pseudonym",
        sa.Column("trial", sa.String(length=64), nullable=False),
        sa.Column("site", sa.String(length=64), nullable=False),
        sa.Column("patient", sa.String(length=128), nullable=False),
        sa.Column("usubjid", sa.String(length=64), nullable=False),
        sa.Column("assigned", sa.Boolean(), nullable=False),
        sa.Column("noted_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("trial", "site", "patient", name=op.f("pk_subject_pseudonym")),
        sa.UniqueConstraint("trial", "usubjid", name="uq_subject_pseudonym_usubjid"),
    )
    op.create_table(
        "dataset_sequence",
        sa.Column("trial", sa.String(length=64), nullable=False),
        sa.Column("usubjid", sa.String(length=64), nullable=False),
        sa.Column("domain", sa.String(length=8), nullable=False),
        sa.Column("row_key", sa.String(length=200), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("trial", "usubjid", "domain", "row_key", name=op.f("pk_dataset_sequence")),
        sa.UniqueConstraint("trial", "usubjid", "domain", "number", name="uq_dataset_sequence_number"),
    )


def downgrade() -> None:
    """Go back."""
    op.drop_table("dataset_sequence")
    op.drop_table("subject_pseudonym")
