"""In: nothing. Out: the tables of the Bulk Data provider: tokens that were given, exports, and what was exported when, typed."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from adapter.store.models import Base, UtcDateTime

__all__ = ["ProviderJobRow", "ProviderResourceRow", "ProviderTokenRow"]


class ProviderTokenRow(Base):
    """An access token that was given to a client of the sponsor's, by its digest, until it expires."""

    __tablename__ = "provider_token"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    client: Mapped[str] = mapped_column(String(128))
    scopes: Mapped[str] = mapped_column(Text)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


class ProviderJobRow(Base):
    """One export that was asked for: accepted, running, complete, failed, cancelled or expired."""

    __tablename__ = "provider_job"
    __table_args__ = (Index("ix_provider_job_state", "state", "requested_at"),)

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    client: Mapped[str] = mapped_column(String(128))
    trial: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(16))
    #: The kick-off's own address, for the manifest; and what it was understood as (JSON).
    request: Mapped[str] = mapped_column(Text)
    wanted: Mapped[str] = mapped_column(Text)
    #: Who works on it (JSON), empty for nobody; and how often somebody began.
    owner: Mapped[str] = mapped_column(Text)
    attempts: Mapped[int] = mapped_column(Integer)
    progress: Mapped[str] = mapped_column(String(128))
    problem: Mapped[str] = mapped_column(Text)
    transaction_time: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: Its files (JSON), once it is complete.
    files: Mapped[str] = mapped_column(Text)
    requested_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class ProviderResourceRow(Base):
    """A pseudonymised resource as it was last exported, or that it is not there any more."""

    __tablename__ = "provider_resource"

    trial: Mapped[str] = mapped_column(String(64), primary_key=True)
    site: Mapped[str] = mapped_column(String(64), primary_key=True)
    type: Mapped[str] = mapped_column(String(64), primary_key=True)
    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    #: Of its line in the feed.
    sha256: Mapped[str] = mapped_column(String(64))
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    deleted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
