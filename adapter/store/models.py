"""In: nothing. Out: the tables of the state database (SQLite by default, PostgreSQL by url), typed.

The lake holds resources; these tables hold everything that changes: which segments are visible, how far a type was
pulled, what was put aside, what was decided. Times are UTC.
"""

from __future__ import annotations

import zlib
from datetime import UTC, date, datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    Date,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

__all__ = [
    "AddedCandidateRow",
    "AuditRow",
    "Base",
    "BookmarkRow",
    "ConflictRow",
    "CounterpartRow",
    "DecisionRow",
    "EntityRow",
    "KeptOffRow",
    "OutboxRow",
    "OutboxServerRow",
    "PackedText",
    "PatientKeyRow",
    "QuarantineRow",
    "RetiredSegmentRow",
    "RunRow",
    "SegmentRow",
    "SiteLockRow",
    "TombstoneRow",
    "UtcDateTime",
    "VerdictRow",
]

#: SQLite only auto-increments a column of exactly this type.
BigKey = BigInteger().with_variant(Integer, "sqlite")


class UtcDateTime(TypeDecorator[datetime]):
    """A time that is aware in Python and UTC in the database (SQLite forgets zones)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Aware time in, UTC out; a naive one is a defect."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """UTC out, whatever the database kept of the zone."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class PackedText(TypeDecorator[str]):
    """A long text, in the database packed by zlib: a verdict's JSON says most of its words many times."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> bytes | None:
        """Text in, bytes out."""
        return None if value is None else zlib.compress(value.encode())

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> str | None:
        """Bytes in, the same text out."""
        return None if value is None else zlib.decompress(value).decode()


class Base(DeclarativeBase):
    """Root of the tables; every constraint has a name, for SQLite can change only what has one."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class RunRow(Base):
    """One run over one site. Its segments are visible when ``state`` is ``committed``, all at once."""

    __tablename__ = "run"

    number: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    site: Mapped[str] = mapped_column(String(64), index=True)
    kind: Mapped[str] = mapped_column(String(32))
    state: Mapped[str] = mapped_column(String(16))
    complete: Mapped[bool | None] = mapped_column(Boolean)
    summary: Mapped[str | None] = mapped_column(Text)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class SiteLockRow(Base):
    """Who works on a site now."""

    __tablename__ = "site_lock"

    site: Mapped[str] = mapped_column(String(64), primary_key=True)
    token: Mapped[str] = mapped_column(String(64))
    host: Mapped[str] = mapped_column(String(255))
    pid: Mapped[int] = mapped_column(Integer)
    process_start: Mapped[str] = mapped_column(String(32))
    taken_at: Mapped[datetime] = mapped_column(UtcDateTime)


class SegmentRow(Base):
    """One pair of Parquet files (raw and index); ``run`` is the newest that brought some of its rows."""

    __tablename__ = "segment"
    __table_args__ = (Index("ix_segment_site_type", "site", "type"),)

    number: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=True)
    run: Mapped[int] = mapped_column(ForeignKey("run.number"), index=True)
    site: Mapped[str] = mapped_column(String(64))
    type: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(128))
    rows: Mapped[int] = mapped_column(BigInteger)
    raw_bytes: Mapped[int] = mapped_column(BigInteger)
    raw_sha256: Mapped[str | None] = mapped_column(String(64))
    index_sha256: Mapped[str | None] = mapped_column(String(64))


class RetiredSegmentRow(Base):
    """A segment whose rows stand in another one since ``at``; who began to read before still has its files."""

    __tablename__ = "retired_segment"

    site: Mapped[str] = mapped_column(String(64), primary_key=True)
    type: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(128), primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)


class BookmarkRow(Base):
    """The server's time up to which a type of a site was pulled whole; ``server`` is its base URL, where it is known."""

    __tablename__ = "bookmark"

    site: Mapped[str] = mapped_column(String(64), primary_key=True)
    type: Mapped[str] = mapped_column(String(64), primary_key=True)
    transaction_time: Mapped[str] = mapped_column(String(64))
    set_at: Mapped[datetime] = mapped_column(UtcDateTime)
    server: Mapped[str | None] = mapped_column(Text)


class QuarantineRow(Base):
    """Bytes that could not be read, kept in the store's folder; the same bytes of a site are one item."""

    __tablename__ = "quarantine"
    __table_args__ = (UniqueConstraint("site", "key"),)

    number: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=True)
    site: Mapped[str] = mapped_column(String(64))
    key: Mapped[str] = mapped_column(String(64))
    has_bytes: Mapped[bool] = mapped_column(Boolean)
    origin: Mapped[str] = mapped_column(Text)
    line: Mapped[int | None] = mapped_column(BigInteger)
    reference: Mapped[str | None] = mapped_column(String(255))
    reason: Mapped[str] = mapped_column(Text)
    adapter_version: Mapped[str] = mapped_column(String(32))
    first_run: Mapped[int] = mapped_column(BigInteger)
    last_run: Mapped[int] = mapped_column(BigInteger)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)


class TombstoneRow(Base):
    """A deletion: versions ingested up to ``seq`` are no longer live, later ones are."""

    __tablename__ = "tombstone"

    site: Mapped[str] = mapped_column(String(64), primary_key=True)
    type: Mapped[str] = mapped_column(String(64), primary_key=True)
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger)
    run: Mapped[int] = mapped_column(BigInteger)


class VerdictRow(Base):
    """One patient's verdicts of one stage at one date, as the contract's JSON."""

    __tablename__ = "verdict"
    __table_args__ = (
        # Another release may say something else of the same input: what a person has seen is not written over.
        UniqueConstraint(
            *("site", "patient", "trial", "stage", "on_date", "input_hash", "content_hash"),
            name="uq_verdict_content_hash",
        ),
        Index("ix_verdict_latest", "trial", "stage", "site", "patient", "screened_at"),
    )

    number: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=True)
    site: Mapped[str] = mapped_column(String(64))
    patient: Mapped[str] = mapped_column(String(128))
    trial: Mapped[str] = mapped_column(String(64))
    stage: Mapped[str] = mapped_column(String(32))
    on_date: Mapped[date] = mapped_column(Date)
    screened_at: Mapped[datetime] = mapped_column(UtcDateTime)
    #: When it was screened so for the first time: `screened_at` moves with each screening of the same input.
    first_screened_at: Mapped[datetime] = mapped_column(UtcDateTime)
    run: Mapped[str] = mapped_column(String(64))
    content: Mapped[str] = mapped_column(PackedText)
    #: SHA-256 of the content, unpacked.
    content_hash: Mapped[str] = mapped_column(String(64))
    input_hash: Mapped[str] = mapped_column(String(64))


class KeptOffRow(Base):
    """A patient of whom nothing is taken any more: forgotten, and nobody has let them come back."""

    __tablename__ = "kept_off"

    site: Mapped[str] = mapped_column(String(64), primary_key=True)
    patient: Mapped[str] = mapped_column(String(128), primary_key=True)
    #: The record that stood for the person: all of theirs come back together.
    person: Mapped[str] = mapped_column(String(128))
    reason: Mapped[str] = mapped_column(String(32))
    at: Mapped[datetime] = mapped_column(UtcDateTime)


class PatientKeyRow(Base):
    """A random key for a patient, so that no hospital id stands in an address."""

    __tablename__ = "patient_key"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    site: Mapped[str] = mapped_column(String(64))
    patient: Mapped[str] = mapped_column(String(128))
    __table_args__ = (UniqueConstraint("site", "patient"),)


class AddedCandidateRow(Base):
    """A patient put on the list by hand."""

    __tablename__ = "added_candidate"

    site: Mapped[str] = mapped_column(String(64), primary_key=True)
    patient: Mapped[str] = mapped_column(String(128), primary_key=True)
    trial: Mapped[str] = mapped_column(String(64), primary_key=True)
    added_by: Mapped[str] = mapped_column(String(128))
    added_at: Mapped[datetime] = mapped_column(UtcDateTime)


class DecisionRow(Base):
    """A person's decision on a patient; each one is a new version, none is overwritten."""

    __tablename__ = "decision"
    __table_args__ = (UniqueConstraint("site", "patient", "trial", "version"),)

    number: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=True)
    site: Mapped[str] = mapped_column(String(64))
    patient: Mapped[str] = mapped_column(String(128))
    trial: Mapped[str] = mapped_column(String(64))
    version: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(String(32))
    reason: Mapped[str] = mapped_column(String(64))
    decided_by: Mapped[str] = mapped_column(String(128))
    decided_at: Mapped[datetime] = mapped_column(UtcDateTime)
    #: Free text, for those who may see who the patient is.
    note: Mapped[str] = mapped_column(Text, default="", server_default="")
    #: The input of the verdict that the person saw, where they saw one.
    seen: Mapped[str | None] = mapped_column(String(64))


class AuditRow(Base):
    """Who did what to whom: ids only."""

    __tablename__ = "audit"
    # When something was done last, a backup above all, is asked with every look at the metrics.
    __table_args__ = (Index("ix_audit_action", "action", "number"),)

    number: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    actor: Mapped[str] = mapped_column(String(128))
    action: Mapped[str] = mapped_column(String(64))
    subject: Mapped[str] = mapped_column(String(255))
    detail: Mapped[str] = mapped_column(Text)


class EntityRow(Base):
    """One version of a trial entity (study, subject, laboratory result, infusion) as JSON; none is overwritten."""

    __tablename__ = "entity"
    __table_args__ = (
        UniqueConstraint("site", "kind", "key", "version"),
        Index("ix_entity_current", "site", "kind", "is_current"),
    )

    number: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=True)
    site: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(32))
    key: Mapped[str] = mapped_column(String(512))
    version: Mapped[int] = mapped_column(Integer)
    is_current: Mapped[bool] = mapped_column(Boolean)
    content: Mapped[str] = mapped_column(Text)
    content_hash: Mapped[str] = mapped_column(String(64))
    source: Mapped[str] = mapped_column(Text)
    put_by: Mapped[str] = mapped_column(String(128))
    put_at: Mapped[datetime] = mapped_column(UtcDateTime)


class OutboxRow(Base):
    """What is still to be told to a site's server of an entity; written in the transaction that changes the entity."""

    __tablename__ = "outbox"
    __table_args__ = (Index("ix_outbox_state", "site", "state"),)

    site: Mapped[str] = mapped_column(String(64), primary_key=True)
    kind: Mapped[str] = mapped_column(String(32), primary_key=True)
    key: Mapped[str] = mapped_column(String(512), primary_key=True)
    version: Mapped[int] = mapped_column(Integer)
    mapping: Mapped[str] = mapped_column(String(32))
    state: Mapped[str] = mapped_column(String(16))
    #: Something was sent, and whether it arrived is not known.
    uncertain: Mapped[bool] = mapped_column(Boolean)
    reason: Mapped[str] = mapped_column(String(64))
    detail: Mapped[str] = mapped_column(Text)
    attempts: Mapped[int] = mapped_column(Integer)
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)


class OutboxServerRow(Base):
    """The server that a site's outbox was told to: counterparts and conflicts are of that one."""

    __tablename__ = "outbox_server"

    site: Mapped[str] = mapped_column(String(64), primary_key=True)
    base_url: Mapped[str] = mapped_column(Text)


class CounterpartRow(Base):
    """A resource of ours at a site's server: where it is, and what it was when both sides last agreed."""

    __tablename__ = "counterpart"
    __table_args__ = (
        Index("ix_counterpart_entity", "site", "kind", "key"),
        Index("ix_counterpart_server", "site", "type", "server_id"),
    )

    site: Mapped[str] = mapped_column(String(64), primary_key=True)
    type: Mapped[str] = mapped_column(String(64), primary_key=True)
    system: Mapped[str] = mapped_column(String(255), primary_key=True)
    value: Mapped[str] = mapped_column(String(512), primary_key=True)
    kind: Mapped[str] = mapped_column(String(32))
    key: Mapped[str] = mapped_column(String(512))
    server_id: Mapped[str] = mapped_column(String(64))
    server_version: Mapped[str] = mapped_column(String(64))
    #: Hash of what the mapper made of the entity then.
    sent_hash: Mapped[str] = mapped_column(String(64))
    #: The resource as the server had it then.
    base: Mapped[str] = mapped_column(Text)


class ConflictRow(Base):
    """Both sides say something else of an entity: for a person to settle."""

    __tablename__ = "conflict"
    __table_args__ = (Index("ix_conflict_open", "site", "closed_at"),)

    number: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=True)
    site: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(32))
    key: Mapped[str] = mapped_column(String(512))
    version: Mapped[int] = mapped_column(Integer)
    cause: Mapped[str] = mapped_column(String(32))
    #: References at the server, and what stands there (JSON), where there is anything to read.
    references: Mapped[str] = mapped_column(Text)
    theirs: Mapped[str] = mapped_column(Text)
    fields: Mapped[str] = mapped_column(Text)
    opened_at: Mapped[datetime] = mapped_column(UtcDateTime)
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    closed_by: Mapped[str | None] = mapped_column(String(128))
    kept: Mapped[str | None] = mapped_column(String(16))
