"""In: nothing. Out: the tables of who was purged: their data were removed since nothing in them was a sign of any trial."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Boolean, String
from sqlalchemy.orm import Mapped, mapped_column

from adapter.store.models import Base, UtcDateTime

__all__ = ["PurgedNumberRow", "PurgedReferenceRow", "PurgedRow", "PurgedSiteRow"]


class PurgedRow(Base):
    """A patient whose data were removed, and are not taken until the site is read whole again."""

    __tablename__ = "purged"

    site: Mapped[str] = mapped_column(String(64), primary_key=True)
    patient: Mapped[str] = mapped_column(String(128), primary_key=True)
    #: The record that stood for the person.
    person: Mapped[str] = mapped_column(String(128))
    #: Number of the run that brought the Patient resource first; none where it never came.
    first_run: Mapped[int | None] = mapped_column(BigInteger)
    #: A sign came since, or somebody named them: they are wanted back.
    wanted: Mapped[bool] = mapped_column(Boolean)
    at: Mapped[datetime] = mapped_column(UtcDateTime)


class PurgedNumberRow(Base):
    """That a record of somebody who was purged gave a number of the hospital; of the number only a keyed digest is kept."""

    __tablename__ = "purged_number"

    site: Mapped[str] = mapped_column(String(64), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    patient: Mapped[str] = mapped_column(String(128), primary_key=True)


class PurgedReferenceRow(Base):
    """That a resource of this type of somebody who was purged refers to this Medication or study; of whom is not kept."""

    __tablename__ = "purged_reference"

    site: Mapped[str] = mapped_column(String(64), primary_key=True)
    type: Mapped[str] = mapped_column(String(64), primary_key=True)
    reference: Mapped[str] = mapped_column(String(128), primary_key=True)


class PurgedSiteRow(Base):
    """Of a site with somebody who was purged: a digest of what was a sign then, and whether all of them are wanted back."""

    __tablename__ = "purged_site"

    site: Mapped[str] = mapped_column(String(64), primary_key=True)
    signs: Mapped[str] = mapped_column(String(64))
    all_wanted: Mapped[bool] = mapped_column(Boolean)
    #: When everything was read for them last, and did not come whole.
    tried_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
