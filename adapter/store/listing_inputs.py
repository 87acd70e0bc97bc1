"""In: a trial, a stage, a site. Out: what worklist rows are made from, for many people at once, and what of it has changed since.

A `Position` names a state of verdicts, decisions and lake by a few maxima and counts, each an index look-up: two that are
equal are the same state. From one position to the next only the people between them are read again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import BigInteger, ColumnElement, ScalarSelect, cast, func, select

from adapter.store.models import AddedCandidateRow, DecisionRow, PatientKeyRow, SegmentRow, TombstoneRow, VerdictRow
from adapter.store.state import State

__all__ = ["Head", "ListingInputs", "Position"]

#: SQLite allows 32,766 variables in a statement.
_AT_ONCE = 2000


class Position(msgspec.Struct, frozen=True):
    """A state of all that the rows of a site are made from; ``made_by`` names release and trial document."""

    made_by: str
    verdict: int
    screened_at: datetime | None
    screened: int
    decision: int
    decisions: int
    added_at: datetime | None
    added: int
    run: int
    versions: int
    tombstone_run: int
    tombstones: int


class Head(NamedTuple):
    """The latest verdict under one patient id."""

    patient: str
    number: int
    screened_at: datetime


class ListingInputs:
    """Set-wise reads of what the worklist is made from.

    Args:
        state: the database.
        trial: id of the trial.
        stage: of the trial.
        site: whose people.
    """

    def __init__(self, state: State, *, trial: str, stage: str, site: str) -> None:
        self._state = state
        #: Trial, stage and site.
        self.of = (trial, stage, site)
        self._site = site
        self._own = (VerdictRow.trial == trial, VerdictRow.stage == stage, VerdictRow.site == site)
        self._decided = (DecisionRow.trial == trial, DecisionRow.site == site)
        self._added = (AddedCandidateRow.trial == trial, AddedCandidateRow.site == site)

    def position(self, made_by: str) -> Position:
        """Where the site stands now; one statement."""
        latest = select(func.max(VerdictRow.screened_at)).where(*self._own).scalar_subquery()
        query = select(
            # Over all sites, by the primary key: a number that is too high only makes one look twice.
            select(func.coalesce(func.max(VerdictRow.number), 0)).scalar_subquery(),
            latest,
            select(func.count()).where(*self._own, VerdictRow.screened_at == latest).scalar_subquery(),
            select(func.coalesce(func.max(DecisionRow.number), 0)).scalar_subquery(),
            select(func.count()).where(*self._decided).scalar_subquery(),
            select(func.max(AddedCandidateRow.added_at)).where(*self._added).scalar_subquery(),
            select(func.count()).where(*self._added).scalar_subquery(),
            _of(func.coalesce(func.max(SegmentRow.run), 0), SegmentRow.site == self._site),
            # PostgreSQL adds whole numbers up to a decimal.
            _of(cast(func.coalesce(func.sum(SegmentRow.rows), 0), BigInteger), SegmentRow.site == self._site),
            _of(func.coalesce(func.max(TombstoneRow.run), 0), TombstoneRow.site == self._site),
            _of(func.count(TombstoneRow.id), TombstoneRow.site == self._site),
        )
        with self._state.session() as session:
            return Position(made_by, *session.execute(query).one())

    # What has changed ---------------------------------------------------------------------------------------------

    def screened_since(self, before: Position) -> list[Head]:
        """The latest verdicts of patients that got one, or the same one again, at or after a position.

        A screening writes in batches of one time: those of that very time are among them, seen before or not.
        """
        new = [VerdictRow.number > before.verdict]
        if before.screened_at is not None:
            new.append(VerdictRow.screened_at >= before.screened_at)
        patients: set[str] = set()
        # Two questions, for each has an index; one with "or" has none.
        for condition in new:
            with self._state.session() as session:
                patients.update(session.scalars(select(VerdictRow.patient).where(*self._own, condition).distinct()))
        return self.heads(patients)

    def decided_since(self, before: Position) -> list[str]:
        """The patient of each decision after a position; one that was decided on twice stands twice."""
        query = select(DecisionRow.patient).where(*self._decided, DecisionRow.number > before.decision)
        with self._state.session() as session:
            return list(session.scalars(query))

    def all_decided(self) -> set[str]:
        """Patients with a decision."""
        with self._state.session() as session:
            return set(session.scalars(select(DecisionRow.patient).where(*self._decided).distinct()))

    def all_added(self) -> set[str]:
        """Patients added by hand."""
        with self._state.session() as session:
            return set(session.scalars(select(AddedCandidateRow.patient).where(*self._added)))

    def segments_since(self, before: Position) -> tuple[list[tuple[str, str]], int]:
        """Type and name of the segments that hold versions from after a position, and how many versions there are in all."""
        query = select(SegmentRow.run, SegmentRow.type, SegmentRow.name, SegmentRow.rows)
        with self._state.session() as session:
            rows = session.execute(query.where(SegmentRow.site == self._site).order_by(SegmentRow.number)).all()
        new = [(type_, name) for run, type_, name, _ in rows if run > before.run]
        return new, sum(held for _, _, _, held in rows)

    def buried_since(self, before: Position) -> list[tuple[str, str]]:
        """Type and id of what was deleted after a position."""
        query = select(TombstoneRow.type, TombstoneRow.id)
        query = query.where(TombstoneRow.site == self._site, TombstoneRow.run > before.tombstone_run)
        with self._state.session() as session:
            return [(type_, id_) for type_, id_ in session.execute(query)]

    # What rows are made from --------------------------------------------------------------------------------------

    def screened_patients(self) -> set[str]:
        """All patient ids with a verdict."""
        with self._state.session() as session:
            return set(session.scalars(select(VerdictRow.patient).where(*self._own).distinct()))

    def heads(self, patients: Collection[str]) -> list[Head]:
        """The latest verdict of each of some patients."""
        place = func.row_number().over(
            partition_by=VerdictRow.patient, order_by=(VerdictRow.screened_at.desc(), VerdictRow.number.desc())
        )
        found: list[Head] = []
        for part in _parts(patients):
            ranked = select(VerdictRow.patient, VerdictRow.number, VerdictRow.screened_at, place.label("place"))
            inner = ranked.where(*self._own, VerdictRow.patient.in_(part)).subquery()
            query = select(inner.c.patient, inner.c.number, inner.c.screened_at).where(inner.c.place == 1)
            with self._state.session() as session:
                found += [Head(*row) for row in session.execute(query)]
        return found

    def contents(self, heads: Sequence[Head]) -> dict[str, tuple[str, str]]:
        """Content (the contract's JSON) and input hash of verdicts, by patient."""
        patient_of = {head.number: head.patient for head in heads}
        found: dict[str, tuple[str, str]] = {}
        for part in _parts(patient_of):
            query = select(VerdictRow.number, VerdictRow.content, VerdictRow.input_hash)
            with self._state.session() as session:
                for number, content, input_hash in session.execute(query.where(VerdictRow.number.in_(part))):
                    found[patient_of[number]] = (content, input_hash)
        return found

    def first_found(self, patients: Collection[str]) -> dict[str, datetime]:
        """When each of some patients was first screened."""
        first = func.min(VerdictRow.first_screened_at, type_=VerdictRow.first_screened_at.type)
        found: dict[str, datetime] = {}
        for part in _parts(patients):
            query = select(VerdictRow.patient, first).where(*self._own, VerdictRow.patient.in_(part))
            with self._state.session() as session:
                found |= dict(session.execute(query.group_by(VerdictRow.patient)).all())
        return found

    def keys(self, patients: Collection[str]) -> dict[str, str]:
        """The random keys of those of some patients that have one."""
        found: dict[str, str] = {}
        for part in _parts(patients):
            query = select(PatientKeyRow.patient, PatientKeyRow.key)
            query = query.where(PatientKeyRow.site == self._site, PatientKeyRow.patient.in_(part))
            with self._state.session() as session:
                found |= dict(session.execute(query).all())
        return found


def _of(value: ColumnElement[int], condition: ColumnElement[bool]) -> ScalarSelect[int]:
    return select(value).where(condition).scalar_subquery()


def _parts(values: Collection[Any]) -> Iterator[list[Any]]:
    ordered = sorted(values)
    for start in range(0, len(ordered), _AT_ONCE):
        yield ordered[start : start + _AT_ONCE]
