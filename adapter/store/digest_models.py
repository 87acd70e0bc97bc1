"""In: nothing. Out: the table of digests: which one went to whom on which day, or is on its way, typed."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import BigInteger, Date, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from adapter.store.models import Base, UtcDateTime

__all__ = ["DigestRow"]


class DigestRow(Base):
    """One digest of one day for one recipient, who is kept as a hash of the address: claimed before it is sent."""

    __tablename__ = "digest_sent"
    __table_args__ = (Index("ix_digest_sent_recipient", "site", "recipient"),)

    site: Mapped[str] = mapped_column(String(64), primary_key=True)
    recipient: Mapped[str] = mapped_column(String(64), primary_key=True)
    language: Mapped[str] = mapped_column(String(8), primary_key=True)
    #: The time of day by which it is scheduled; one that a person asked for has a slot of its own.
    slot: Mapped[str] = mapped_column(String(16), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    state: Mapped[str] = mapped_column(String(16))
    claimed_by: Mapped[str] = mapped_column(String(64))
    claimed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    #: How often it was claimed: more than once after a failure, or after a process that ended on the way.
    attempts: Mapped[int] = mapped_column(Integer)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: Number of the newest verdict that it tells of.
    seen: Mapped[int | None] = mapped_column(BigInteger)
