"""In: verdicts as plain text, of which one could take the place of another. Out: packed ones, each known by what it says."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from hashlib import sha256
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_AT_ONCE = 500
_KEY = ("site", "patient", "trial", "stage", "on_date", "input_hash")
_ORDERED = (*_KEY, "screened_at", "number")
_OLD = "uq_verdict_site_patient_trial_stage_on_date_input_hash"
#: PostgreSQL takes 63 signs.
_NEW = "uq_verdict_content_hash"
_ROW = sa.table("verdict", sa.column("number"), sa.column("content"), sa.column("content_hash"))


def upgrade() -> None:
    """Go forward; every verdict keeps its number and its text."""
    op.add_column("verdict", sa.Column("content_hash", sa.String(64), nullable=True))
    if _is_postgresql():
        op.alter_column("verdict", "content", type_=sa.LargeBinary(), postgresql_using="convert_to(content, 'UTF8')")
    change = (
        sa.update(_ROW)
        .where(_ROW.c.number == sa.bindparam("row"))
        .values(content=sa.bindparam("packed", type_=sa.LargeBinary), content_hash=sa.bindparam("hash"))
    )
    for rows in _rows():
        texts = ((number, content.encode() if isinstance(content, str) else bytes(content)) for number, content in rows)
        op.get_bind().execute(
            change,
            [
                {"row": number, "packed": zlib.compress(text), "hash": sha256(text).hexdigest()}
                for number, text in texts
            ],
        )
    # SQLite takes bytes into a column of any type: only what is packed is copied into the new table.
    with op.batch_alter_table("verdict") as table:
        if not _is_postgresql():
            table.alter_column("content", existing_type=sa.Text(), type_=sa.LargeBinary(), existing_nullable=False)
        table.alter_column("content_hash", existing_type=sa.String(64), nullable=False)
        table.drop_constraint(_OLD, type_="unique")
        table.create_unique_constraint(op.f(_NEW), [*_KEY, "content_hash"])


def downgrade() -> None:
    """Go back; of verdicts from one input at one date only the newest can stay."""
    row = sa.table("verdict", *map(sa.column, _ORDERED))
    other = row.alias("other")
    is_newer = sa.tuple_(other.c.screened_at, other.c.number) > sa.tuple_(row.c.screened_at, row.c.number)
    same = [other.c[name] == row.c[name] for name in _KEY]
    op.execute(sa.delete(row).where(sa.exists().where(*same, is_newer)))
    change = (
        sa.update(_ROW)
        .where(_ROW.c.number == sa.bindparam("row"))
        .values(content=sa.bindparam("text", type_=sa.LargeBinary if _is_postgresql() else sa.Text))
    )
    for rows in _rows():
        texts = ((number, zlib.decompress(content)) for number, content in rows)
        op.get_bind().execute(
            change,
            [{"row": number, "text": text if _is_postgresql() else text.decode()} for number, text in texts],
        )
    with op.batch_alter_table("verdict") as table:
        if not _is_postgresql():
            table.alter_column("content", existing_type=sa.LargeBinary(), type_=sa.Text(), existing_nullable=False)
        table.drop_constraint(op.f(_NEW), type_="unique")
        table.create_unique_constraint(_OLD, list(_KEY))
        table.drop_column("content_hash")
    if _is_postgresql():
        op.alter_column("verdict", "content", type_=sa.Text(), postgresql_using="convert_from(content, 'UTF8')")


def _is_postgresql() -> bool:
    return op.get_bind().dialect.name == "postgresql"


def _rows() -> Iterable[list[tuple[int, Any]]]:
    last = 0
    while True:
        query = sa.select(_ROW.c.number, _ROW.c.content).where(_ROW.c.number > last)
        rows = [
            (number, content)
            for number, content in op.get_bind().execute(query.order_by(_ROW.c.number).limit(_AT_ONCE))
        ]
        if not rows:
            return
        yield rows
        last = rows[-1][0]
