"""In: nothing. Out: the tables of cards of CDS Hooks, of what was answered to them, and of tokens used, typed."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from adapter.store.models import Base, BigKey, UtcDateTime

__all__ = ["CardFeedbackRow", "CardRow", "CardTokenRow"]


class CardRow(Base):
    """One card as it was shown: to whom, about whom, and what it came from; its texts are not kept."""

    __tablename__ = "card"
    __table_args__ = (Index("ix_card_patient", "site", "patient", "trial"),)

    uuid: Mapped[str] = mapped_column(String(36), primary_key=True)
    service: Mapped[str] = mapped_column(String(128))
    hook_instance: Mapped[str] = mapped_column(String(36))
    trial: Mapped[str] = mapped_column(String(64))
    site: Mapped[str] = mapped_column(String(64))
    patient: Mapped[str] = mapped_column(String(128))
    client: Mapped[str] = mapped_column(String(64))
    user: Mapped[str] = mapped_column(String(128))
    outcome: Mapped[str] = mapped_column(String(32))
    #: Of the answers to all criteria: the same as long as the verdict says the same.
    signature: Mapped[str] = mapped_column(String(64))
    suggestion: Mapped[str | None] = mapped_column(String(36))
    shown_at: Mapped[datetime] = mapped_column(UtcDateTime)


class CardFeedbackRow(Base):
    """What a person did with a card; the same told twice is one row."""

    __tablename__ = "card_feedback"
    __table_args__ = (UniqueConstraint("card", "outcome", "outcome_at"),)

    number: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=True)
    card: Mapped[str] = mapped_column(ForeignKey("card.uuid"))
    outcome: Mapped[str] = mapped_column(String(16))
    #: A code of ours, `other` for one of theirs, empty where none was given.
    reason: Mapped[str] = mapped_column(String(64))
    #: May hold patient content, as a note does.
    comment: Mapped[str] = mapped_column(Text)
    #: When it was done, as the client told; when we heard of it.
    outcome_at: Mapped[datetime] = mapped_column(UtcDateTime)
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)


class CardTokenRow(Base):
    """A token that was used, by a digest of its issuer and number, until it expires by itself."""

    __tablename__ = "card_token"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
