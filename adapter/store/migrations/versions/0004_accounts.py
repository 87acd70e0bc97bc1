"""In: the tables of one release. Out: beside them accounts, their roles and sessions; an audit trail that only grows."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

BIG_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_REFUSAL = "the audit trail only grows"


def upgrade() -> None:
    """Go forward."""
    op.create_table(
        "account",
        sa.Column("number", BIG_KEY, autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("display", sa.String(length=128), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("password_hash", sa.String(length=255), nullable=True),
        sa.Column("password_changed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("issuer", sa.String(length=255), nullable=True),
        sa.Column("subject", sa.String(length=255), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failed_count", sa.Integer(), nullable=False),
        sa.Column("locked_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_account")),
        sa.UniqueConstraint("name", name=op.f("uq_account_name")),
        sa.UniqueConstraint("issuer", "subject", name=op.f("uq_account_issuer_subject")),
    )
    op.create_table(
        "account_role",
        sa.Column("account", BIG_KEY, nullable=False),
        sa.Column("site", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(["account"], ["account.number"], name=op.f("fk_account_role_account_account")),
        sa.PrimaryKeyConstraint("account", "site", "role", name=op.f("pk_account_role")),
    )
    op.create_table(
        "account_session",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("account", BIG_KEY, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account"], ["account.number"], name=op.f("fk_account_session_account_account")),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_account_session")),
    )
    op.create_index(op.f("ix_account_session_account"), "account_session", ["account"])
    op.create_table(
        "sign_in_flow",
        sa.Column("state_hash", sa.String(length=64), nullable=False),
        sa.Column("nonce", sa.String(length=128), nullable=False),
        sa.Column("code_verifier", sa.String(length=128), nullable=False),
        sa.Column("next", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("state_hash", name=op.f("pk_sign_in_flow")),
    )
    if op.get_bind().dialect.name == "postgresql":
        _close_audit_of_postgresql()
    else:
        _close_audit_of_sqlite()


def downgrade() -> None:
    """Go back."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("drop trigger audit_only_grows on audit")
        op.execute("drop trigger audit_is_not_emptied on audit")
        op.execute("drop function refuse_change_of_audit()")
    else:
        for name in ("audit_no_update", "audit_no_delete", "audit_no_replace"):
            op.execute(f"drop trigger {name}")
    for table in ("sign_in_flow", "account_session", "account_role", "account"):
        op.drop_table(table)


# A later migration that copies the table of SQLite (batch_alter_table) loses its triggers, and has to make them again.
def _close_audit_of_sqlite() -> None:
    for change in ("update", "delete"):
        op.execute(
            f"create trigger audit_no_{change} before {change} on audit begin select raise(abort, '{_REFUSAL}'); end"
        )
    # INSERT OR REPLACE takes a row away without telling the trigger above (SQLite, lang_conflict).
    op.execute(
        "create trigger audit_no_replace before insert on audit "
        "when exists (select 1 from audit where number = new.number) "
        "begin select raise(abort, 'the audit trail only grows'); end"
    )


def _close_audit_of_postgresql() -> None:
    op.execute(
        "create function refuse_change_of_audit() returns trigger language plpgsql as "
        f"$$ begin raise exception '{_REFUSAL}'; end $$"
    )
    op.execute(
        "create trigger audit_only_grows before update or delete on audit "
        "for each row execute function refuse_change_of_audit()"
    )
    # TRUNCATE touches no row.
    op.execute(
        "create trigger audit_is_not_emptied before truncate on audit "
        "for each statement execute function refuse_change_of_audit()"
    )
