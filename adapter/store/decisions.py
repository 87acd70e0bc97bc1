"""In: what a person decided or added by hand. Out: the standing decision of each patient, and all before it.

Beside it what else is kept of people: random keys for addresses, and the audit trail.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from datetime import datetime

import msgspec
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from adapter.errors import UsageError
from adapter.store.models import AddedCandidateRow, AuditRow, DecisionRow, PatientKeyRow
from adapter.store.state import State, now

__all__ = ["Addition", "AuditEntry", "Decision", "Decisions", "StaleDecisionError"]


class StaleDecisionError(UsageError):
    """Somebody else decided on this patient meanwhile: read again, then decide."""

    def __init__(self, site: str, patient: str) -> None:
        super().__init__(f"{site} {patient}: decided meanwhile by another person; read it again first")


class Decision(msgspec.Struct, frozen=True):
    """One decision; ``version`` counts from 1 for each patient and trial.

    ``number`` grows with each decision of the store: it tells which of two came later, also where a computer's clock was
    set back between them and where they were made under two records of one person. ``note`` is free text about the patient: it never goes into a log, an export or the audit trail. ``seen`` is the
    ``input_hash`` of the verdict that the person saw; None where it is not known.
    """

    number: int
    site: str
    patient: str
    trial: str
    version: int
    state: str
    reason: str
    decided_by: str
    decided_at: datetime
    note: str = ""
    seen: str | None = None


class Addition(msgspec.Struct, frozen=True):
    """Somebody put a patient on a trial's list by hand."""

    site: str
    patient: str
    added_by: str
    added_at: datetime


class AuditEntry(msgspec.Struct, frozen=True):
    """Who did what to whom, by ids only."""

    at: datetime
    actor: str
    action: str
    subject: str
    detail: str


class Decisions:
    """Decisions, candidates added by hand, patient keys and the audit trail in the state."""

    def __init__(self, state: State) -> None:
        self._state = state

    def decide(  # noqa: PLR0913 - a decision, and what its person saw
        self,
        site: str,
        patient: str,
        *,
        trial: str,
        state: str,
        reason: str,
        by: str,
        expected: int | None = None,
        note: str = "",
        seen: str | None = None,
    ) -> Decision:
        """Record a decision.

        Args:
            site: the site.
            patient: ``Patient/id``.
            trial: its id.
            state: a decision state of the contract.
            reason: a code.
            by: who decided.
            expected: the version the person saw (0 for none), None to decide whatever stands.
            note: free text.
            seen: ``input_hash`` of the verdict that the person saw.

        Raises:
            StaleDecisionError: the standing decision is another one than the person saw.
        """
        standing_version = select(func.max(DecisionRow.version)).where(
            DecisionRow.site == site, DecisionRow.patient == patient, DecisionRow.trial == trial
        )
        try:
            with self._state.session() as session:
                standing = session.scalar(standing_version) or 0
                if expected is not None and expected != standing:
                    raise StaleDecisionError(site, patient)
                row = DecisionRow(
                    site=site,
                    patient=patient,
                    trial=trial,
                    version=standing + 1,
                    state=state,
                    reason=reason,
                    decided_by=by,
                    decided_at=now(),
                    note=note,
                    seen=seen,
                )
                session.add(row)
        except IntegrityError:
            raise StaleDecisionError(site, patient) from None
        return _decision(row)

    def standing(self, trial: str, *, site: str | None = None) -> dict[tuple[str, str], Decision]:
        """The last decision of each patient, by (site, patient)."""
        return {(decision.site, decision.patient): decision for decision in self.history(trial, site=site)}

    def history(
        self, trial: str, *, site: str | None = None, patients: Collection[str] | None = None
    ) -> list[Decision]:
        """All decisions of a trial, by site, patient and version; of some patients (``Patient/id``) only, where given."""
        query = select(DecisionRow).where(DecisionRow.trial == trial)
        if site is not None:
            query = query.where(DecisionRow.site == site)
        if patients is not None:
            query = query.where(DecisionRow.patient.in_(sorted(set(patients))))
        query = query.order_by(DecisionRow.site, DecisionRow.patient, DecisionRow.version)
        with self._state.session() as session:
            return [_decision(row) for row in session.scalars(query)]

    def add_candidate(self, site: str, patient: str, *, trial: str, by: str) -> None:
        """Put a patient on a trial's list by hand; doing it twice changes nothing."""
        with self._state.session() as session:
            row = {"site": site, "patient": patient, "trial": trial, "added_by": by, "added_at": now()}
            self._state.upsert(session, AddedCandidateRow, [row], keys=("site", "patient", "trial"), update=())

    def added_candidates(self, site: str, *, trial: str | None = None) -> set[str]:
        """Patients of a site that were added by hand."""
        query = select(AddedCandidateRow.patient).where(AddedCandidateRow.site == site)
        if trial is not None:
            query = query.where(AddedCandidateRow.trial == trial)
        with self._state.session() as session:
            return set(session.scalars(query))

    def additions(self, site: str, *, trial: str, patients: Collection[str]) -> list[Addition]:
        """Who put some patients of a site on a trial's list by hand, and when; oldest first."""
        query = (
            select(AddedCandidateRow)
            .where(AddedCandidateRow.site == site, AddedCandidateRow.trial == trial)
            .where(AddedCandidateRow.patient.in_(sorted(set(patients))))
            .order_by(AddedCandidateRow.added_at)
        )
        with self._state.session() as session:
            return [Addition(row.site, row.patient, row.added_by, row.added_at) for row in session.scalars(query)]

    def patient_key(self, site: str, patient: str) -> str:
        """The random key of a patient, made the first time it is asked for."""
        query = select(PatientKeyRow.key).where(PatientKeyRow.site == site, PatientKeyRow.patient == patient)
        with self._state.session() as session:
            key = session.scalar(query)
            if key is None:
                row = {"key": secrets.token_urlsafe(16), "site": site, "patient": patient}
                # Two at once: the first one's key holds for both.
                self._state.upsert(session, PatientKeyRow, [row], keys=("site", "patient"), update=())
                key = session.scalar(query)
        if key is None:  # pragma: no cover - the row was written above
            raise UsageError("no key could be made")
        return key

    def patient_by_key(self, key: str) -> tuple[str, str] | None:
        """(site, patient) of a key, None for an unknown one."""
        with self._state.session() as session:
            row = session.get(PatientKeyRow, key)
            return None if row is None else (row.site, row.patient)

    def record(self, actor: str, action: str, *, subject: str, detail: str = "") -> None:
        """Add to the audit trail; ids only."""
        with self._state.session() as session:
            session.add(AuditRow(at=now(), actor=actor, action=action, subject=subject, detail=detail))

    def trail(self) -> list[AuditEntry]:
        """The audit trail, oldest first."""
        with self._state.session() as session:
            rows = session.scalars(select(AuditRow).order_by(AuditRow.number))
            return [AuditEntry(row.at, row.actor, row.action, row.subject, row.detail) for row in rows]


def _decision(row: DecisionRow) -> Decision:
    return Decision(
        number=row.number,
        site=row.site,
        patient=row.patient,
        trial=row.trial,
        version=row.version,
        state=row.state,
        reason=row.reason,
        decided_by=row.decided_by,
        decided_at=row.decided_at,
        note=row.note,
        seen=row.seen,
    )
