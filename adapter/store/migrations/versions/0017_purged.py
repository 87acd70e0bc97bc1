"""In: a store that keeps everybody. Out: a list of those whose data were removed since nothing in them was a sign, and of what could become one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    op.create_table(
        "purged",
        sa.Column("site", sa.String(64), primary_key=True),
        sa.Column("patient", sa.String(128), primary_key=True),
        sa.Column("person", sa.String(128), nullable=False),
        sa.Column("first_run", sa.BigInteger, nullable=True),
        sa.Column("wanted", sa.Boolean, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "purged_number",
        sa.Column("site", sa.String(64), primary_key=True),
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("patient", sa.String(128), primary_key=True),
    )
    op.create_table(
        "purged_reference",
        sa.Column("site", sa.String(64), primary_key=True),
        sa.Column("type", sa.String(64), primary_key=True),
        sa.Column("reference", sa.String(128), primary_key=True),
    )
    op.create_table(
        "purged_site",
        sa.Column("site", sa.String(64), primary_key=True),
        sa.Column("signs", sa.String(64), nullable=False),
        sa.Column("all_wanted", sa.Boolean, nullable=False),
        sa.Column("tried_at", sa.DateTime(timezone=True), nullable=True),
    )


def downgrade() -> None:
    """Go back; whoever was purged is unknown to an earlier release, which would take what comes of them for all there is: everything is read whole again."""
    op.execute("delete from bookmark where site in (select site from purged)")
    op.drop_table("purged_site")
    op.drop_table("purged_reference")
    op.drop_table("purged_number")
    op.drop_table("purged")
