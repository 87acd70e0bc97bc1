"""In: nothing. Out: the tables of what a sponsor's packages keep from export to export: pseudonyms and record numbers, typed."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Boolean, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from adapter.store.models import Base, UtcDateTime

__all__ = ["DatasetSequenceRow", "SubjectPseudonymRow"]


class SubjectPseudonymRow(Base):
    """Who stands behind a trial's subject number at a site; it never leaves the site."""

    __tablename__ = "subject_pseudonym"
    __table_args__ = (UniqueConstraint("trial", "usubjid", name="uq_subject_pseudonym_usubjid"),)

    trial: Mapped[str] = mapped_column(String(64), primary_key=True)
    site: Mapped[str] = mapped_column(String(64), primary_key=True)
    #: ``Patient/id`` of the identity that survived when it was last looked at.
    patient: Mapped[str] = mapped_column(String(128), primary_key=True)
    usubjid: Mapped[str] = mapped_column(String(64))
    #: Given here because nobody told one; else it is the sponsor's.
    assigned: Mapped[bool] = mapped_column(Boolean)
    noted_at: Mapped[datetime] = mapped_column(UtcDateTime)


class DatasetSequenceRow(Base):
    """The number (``--SEQ``) that a record of a subject has in a domain, for good."""

    __tablename__ = "dataset_sequence"
    __table_args__ = (UniqueConstraint("trial", "usubjid", "domain", "number", name="uq_dataset_sequence_number"),)

    trial: Mapped[str] = mapped_column(String(64), primary_key=True)
    usubjid: Mapped[str] = mapped_column(String(64), primary_key=True)
    domain: Mapped[str] = mapped_column(String(8), primary_key=True)
    row_key: Mapped[str] = mapped_column(String(200), primary_key=True)
    number: Mapped[int] = mapped_column(Integer)
