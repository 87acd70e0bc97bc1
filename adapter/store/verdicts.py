"""In: verdicts of a screening, as the contract's JSON. Out: the latest of each patient, that of one patient, and all that were ever made."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Collection, Iterable, Iterator
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import LargeBinary, case, func, select, type_coerce, update
from sqlalchemy.orm import Session

from adapter.store.clock_leaps import was_ahead
from adapter.store.models import VerdictRow
from adapter.store.state import State, now

__all__ = ["KeptVerdict", "StoredVerdict", "VerdictSizes", "Verdicts"]

_BATCH = 500
#: SQLite allows 32,766 variables in a statement.
_AT_ONCE = 500


class StoredVerdict(msgspec.Struct, frozen=True):
    """One patient's verdicts of one stage at one date.

    ``content`` is the contract's JSON; ``input_hash`` names the resources and documents it was made from.
    """

    site: str
    patient: str
    trial: str
    stage: str
    on: date
    screened_at: datetime
    run: str
    content: str
    input_hash: str


class KeptVerdict(msgspec.Struct, frozen=True):
    """One verdict, and since when the store has known it."""

    first_at: datetime
    verdict: StoredVerdict


class VerdictSizes(NamedTuple):
    """How many verdicts, and how many bytes of content."""

    verdicts: int
    bytes: int


class Verdicts:
    """Verdicts in the state."""

    def __init__(self, state: State) -> None:
        self._state = state

    def save(self, verdicts: Iterable[StoredVerdict]) -> int:
        """Keep verdicts; of one that says the same from the same input at the same date only the last time is noted.

        What a clock that was ahead has dated into the future comes before them from now on.

        Returns:
            how many were given.
        """
        total = 0
        with self._state.session() as session:
            rows: dict[tuple[str, ...], dict[str, Any]] = {}

            def put() -> None:
                _set_back(session, list(rows.values()))
                self._state.upsert(
                    session,
                    VerdictRow,
                    list(rows.values()),
                    keys=("site", "patient", "trial", "stage", "on_date", "input_hash", "content_hash"),
                    update=("screened_at", "run"),
                )
                rows.clear()

            for verdict in verdicts:
                total += 1
                row = msgspec.structs.asdict(verdict)
                row["on_date"] = row.pop("on")
                row["content_hash"] = hashlib.sha256(verdict.content.encode()).hexdigest()
                key = (
                    *(verdict.site, verdict.patient, verdict.trial, verdict.stage, str(verdict.on)),
                    *(verdict.input_hash, row["content_hash"]),
                )
                # Not among the columns to update: what is there keeps its first time.
                row["first_screened_at"] = rows[key]["first_screened_at"] if key in rows else verdict.screened_at
                rows[key] = row
                if len(rows) >= _BATCH:
                    put()
            put()
        return total

    def latest(self, trial: str, stage: str, *, site: str | None = None) -> Iterator[StoredVerdict]:
        """The last verdict of every patient, ordered by site and patient."""
        place = func.row_number().over(
            partition_by=(VerdictRow.site, VerdictRow.patient),
            order_by=(VerdictRow.screened_at.desc(), VerdictRow.number.desc()),
        )
        ranked = select(VerdictRow.number, place.label("place")).where(
            VerdictRow.trial == trial, VerdictRow.stage == stage
        )
        if site is not None:
            ranked = ranked.where(VerdictRow.site == site)
        inner = ranked.subquery()
        query = (
            select(VerdictRow)
            .join(inner, inner.c.number == VerdictRow.number)
            .where(inner.c.place == 1)
            .order_by(VerdictRow.site, VerdictRow.patient)
            .execution_options(yield_per=_BATCH)
        )
        with self._state.session() as session:
            for row in session.scalars(query):
                yield _stored(row)

    def of(self, site: str, patient: str, *, trial: str, stage: str, on: date | None = None) -> StoredVerdict | None:
        """The last verdict of one patient, at one date if given."""
        query = select(VerdictRow).where(
            VerdictRow.site == site,
            VerdictRow.patient == patient,
            VerdictRow.trial == trial,
            VerdictRow.stage == stage,
        )
        if on is not None:
            query = query.where(VerdictRow.on_date == on)
        query = query.order_by(VerdictRow.screened_at.desc(), VerdictRow.number.desc()).limit(1)
        with self._state.session() as session:
            row = session.scalar(query)
            return None if row is None else _stored(row)

    def people(self, site: str, *, limit: int) -> list[str]:
        """Some ``Patient/id`` of a site that have a verdict."""
        query = select(VerdictRow.patient).where(VerdictRow.site == site).distinct().limit(limit)
        with self._state.session() as session:
            return list(session.scalars(query))

    def sizes(self) -> dict[str, VerdictSizes]:
        """How many verdicts there are of each site, and what they take, packed."""
        query = select(VerdictRow.site, func.count(), func.sum(func.length(VerdictRow.content)))
        with self._state.session() as session:
            rows = session.execute(query.group_by(VerdictRow.site).order_by(VerdictRow.site))
            return {site: VerdictSizes(verdicts, int(bytes_)) for site, verdicts, bytes_ in rows}

    def damaged(self) -> Iterator[int]:
        """Numbers of verdicts that are not as they were kept."""
        # Packed, as it lies there: what cannot be unpacked is to be named, too.
        packed = type_coerce(VerdictRow.content, LargeBinary)
        last = 0
        while True:
            query = select(VerdictRow.number, packed, VerdictRow.content_hash).where(VerdictRow.number > last)
            with self._state.session() as session:
                rows = session.execute(query.order_by(VerdictRow.number).limit(_BATCH)).all()
            if not rows:
                return
            for number, content, digest in rows:
                if not _is_as_kept(content, digest):
                    yield number
            last = rows[-1][0]

    def first(self, trial: str, stage: str, *, site: str) -> dict[str, datetime]:
        """When each patient of a site was first found, by ``Patient/id``."""
        query = (
            select(VerdictRow.patient, func.min(VerdictRow.first_screened_at, type_=VerdictRow.first_screened_at.type))
            .where(VerdictRow.trial == trial, VerdictRow.stage == stage, VerdictRow.site == site)
            .group_by(VerdictRow.patient)
        )
        with self._state.session() as session:
            return dict(session.execute(query).all())

    def history(self, trial: str, stage: str, *, site: str, patients: Collection[str]) -> dict[str, list[KeptVerdict]]:
        """All verdicts of some patients of a site, by ``Patient/id``, in the order in which they were made."""
        found: dict[str, list[KeptVerdict]] = {}
        for part in _parts(sorted(set(patients))):
            query = (
                select(VerdictRow)
                .where(VerdictRow.trial == trial, VerdictRow.stage == stage, VerdictRow.site == site)
                .where(VerdictRow.patient.in_(part))
                .order_by(VerdictRow.patient, VerdictRow.first_screened_at, VerdictRow.number)
            )
            with self._state.session() as session:
                for row in session.scalars(query):
                    found.setdefault(row.patient, []).append(KeptVerdict(row.first_screened_at, _stored(row)))
        return found


def _set_back(session: Session, rows: Collection[dict[str, Any]]) -> None:
    """Date what was screened in the future just before what is kept now: else it would be the latest for years.

    A machine without its clock's battery, or before it is told the time, dates a screening by whatever its clock shows.
    """
    moment = now()
    for trial, stage, site in {(row["trial"], row["stage"], row["site"]) for row in rows}:
        earliest = min(row["screened_at"] for row in rows if row["site"] == site)
        of_future = (
            *(VerdictRow.trial == trial, VerdictRow.stage == stage, VerdictRow.site == site),
            *(VerdictRow.screened_at > moment, VerdictRow.screened_at > earliest),
        )
        if session.scalar(select(VerdictRow.number).where(*of_future).limit(1)) is None:
            continue
        if not was_ahead(session, site, moment):
            continue
        before, first = earliest - timedelta(microseconds=1), VerdictRow.first_screened_at
        session.execute(
            update(VerdictRow)
            .where(*of_future)
            .values(screened_at=before, first_screened_at=case((first > before, before), else_=first))
            .execution_options(synchronize_session=False)
        )


def _is_as_kept(packed: bytes, digest: str) -> bool:
    try:
        return hashlib.sha256(zlib.decompress(packed)).hexdigest() == digest
    except (zlib.error, TypeError):
        return False


def _parts(patients: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(patients), _AT_ONCE):
        yield patients[start : start + _AT_ONCE]


def _stored(row: VerdictRow) -> StoredVerdict:
    return StoredVerdict(
        site=row.site,
        patient=row.patient,
        trial=row.trial,
        stage=row.stage,
        on=row.on_date,
        screened_at=row.screened_at,
        run=row.run,
        content=row.content,
        input_hash=row.input_hash,
    )
