"""In: nothing. Out: the tables of accounts, their roles at sites, sessions, sign-ins under way, typed."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from adapter.store.models import Base, BigKey, UtcDateTime

__all__ = ["AccountRoleRow", "AccountRow", "SessionRow", "SignInFlowRow"]


class AccountRow(Base):
    """Who may sign in. An account is never deleted: the audit trail names it."""

    __tablename__ = "account"
    __table_args__ = (UniqueConstraint("issuer", "subject"),)

    number: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=True)
    #: Folded: two names that differ by capitals only would be two people in the audit trail, and one to a reader.
    name: Mapped[str] = mapped_column(String(64), unique=True)
    display: Mapped[str] = mapped_column(String(128))
    email: Mapped[str] = mapped_column(String(254))
    #: None: signs in at a provider only.
    password_hash: Mapped[str | None] = mapped_column(String(255))
    #: When a person chose the password; None: it is a one-time password, to be changed before anything else.
    password_changed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    issuer: Mapped[str | None] = mapped_column(String(255))
    subject: Mapped[str | None] = mapped_column(String(255))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    disabled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: Wrong passwords since the last right one.
    failed_count: Mapped[int] = mapped_column(Integer)
    locked_until: Mapped[datetime | None] = mapped_column(UtcDateTime)


class AccountRoleRow(Base):
    """What an account is at a site, or at all (``*``)."""

    __tablename__ = "account_role"

    account: Mapped[int] = mapped_column(ForeignKey("account.number"), primary_key=True)
    site: Mapped[str] = mapped_column(String(64), primary_key=True)
    role: Mapped[str] = mapped_column(String(32), primary_key=True)


class SessionRow(Base):
    """A browser that signed in; of its token only the hash is kept."""

    __tablename__ = "account_session"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    account: Mapped[int] = mapped_column(ForeignKey("account.number"), index=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)


class SignInFlowRow(Base):
    """A browser that was sent to an OpenID provider and has not come back yet."""

    __tablename__ = "sign_in_flow"

    state_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    nonce: Mapped[str] = mapped_column(String(128))
    code_verifier: Mapped[str] = mapped_column(String(128))
    next: Mapped[str] = mapped_column(Text)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
