"""In: nothing. Out: the tables of the worklist as rows, and of which state of the site they are, typed."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import BigInteger, Date, Index, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from adapter.store.models import Base, UtcDateTime, VerdictRow

__all__ = ["ListingContentRow", "ListingRow", "ListingStateRow"]

# Asked on every page: whether anybody was screened since, without a look at a single verdict.
Index("ix_verdict_screened", VerdictRow.trial, VerdictRow.stage, VerdictRow.site, VerdictRow.screened_at)


class ListingRow(Base):
    """One person on the worklist of a trial and stage: what the list is counted, filtered and ordered by.

    Made from verdicts, decisions and the lake; it holds nothing that could not be made again.
    """

    __tablename__ = "listing"
    __table_args__ = (
        # Whole: a page deep in the list passes over the others without reading a row of them.
        Index("ix_listing_place", "trial", "stage", "place", "site", "person"),
        Index("ix_listing_bin", "trial", "stage", "bin", "place", "site", "person"),
        Index("ix_listing_site", "trial", "stage", "site", "bin"),
    )

    trial: Mapped[str] = mapped_column(String(64), primary_key=True)
    stage: Mapped[str] = mapped_column(String(32), primary_key=True)
    site: Mapped[str] = mapped_column(String(64), primary_key=True)
    #: `Patient/id` of the record that survives.
    person: Mapped[str] = mapped_column(String(128), primary_key=True)
    bin: Mapped[str] = mapped_column(String(32))
    #: Sorts as bytes: every database orders these alike, whatever its collation.
    place: Mapped[bytes] = mapped_column(LargeBinary(512))
    #: Criteria that fail or are missing, and markers, each between blanks.
    holding: Mapped[str] = mapped_column(Text)
    markers: Mapped[str] = mapped_column(Text)
    flips_on: Mapped[date | None] = mapped_column(Date)
    last_entry: Mapped[date | None] = mapped_column(Date)
    found_at: Mapped[datetime] = mapped_column(UtcDateTime)
    #: The screening number, and what the hospital calls the person, folded, each between blanks.
    number: Mapped[str] = mapped_column(String(128))
    identifiers: Mapped[str] = mapped_column(Text)
    #: Which verdict it was made from.
    verdict: Mapped[int] = mapped_column(BigInteger)
    screened_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ListingContentRow(Base):
    """What a row shows, apart from what it is found by: a count or a search need not read it."""

    __tablename__ = "listing_content"

    trial: Mapped[str] = mapped_column(String(64), primary_key=True)
    stage: Mapped[str] = mapped_column(String(32), primary_key=True)
    site: Mapped[str] = mapped_column(String(64), primary_key=True)
    person: Mapped[str] = mapped_column(String(128), primary_key=True)
    content: Mapped[str] = mapped_column(Text)


class ListingStateRow(Base):
    """Of which state of verdicts, decisions and lake the rows of a site are."""

    __tablename__ = "listing_state"

    trial: Mapped[str] = mapped_column(String(64), primary_key=True)
    stage: Mapped[str] = mapped_column(String(32), primary_key=True)
    site: Mapped[str] = mapped_column(String(64), primary_key=True)
    #: Counts every write: who finds another number than they read has been overtaken.
    generation: Mapped[int] = mapped_column(BigInteger)
    #: JSON of the position, empty while the rows are being made for the first time.
    position: Mapped[str] = mapped_column(Text)
    #: JSON: who was merged into whom then.
    merges: Mapped[str] = mapped_column(Text)
