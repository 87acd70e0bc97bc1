"""In: a patient's random key, a stage, the desk of whoever asks. Out: the last verdict with its history, or nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import partial

from adapter.accounts import Permission
from adapter.criteria import Stage
from adapter.screening.hospital_records import RecordState, as_deleted, deleted_people, inactive_people
from adapter.service.desk import Desk
from adapter.service.shapes import KeptOutcome, PatientFile, StandingDecision, Verdict
from adapter.store import Decision, KeptVerdict

__all__ = ["read_patient"]

_NEW = "new"


def read_patient(desk: Desk, key: str, stage: Stage) -> PatientFile | None:
    """One patient's last verdict, None for an unknown key or one that was not screened at this stage.

    A record that the hospital has deleted since takes nothing away: the verdict is marked, and all that led to it stays.
    """
    named = desk.store.patient_by_key(key)
    if named is None:
        return None
    site, patient = named
    if not desk.may(Permission.WORKLIST, site):
        # Of another site's patients not even that there is one.
        return None
    # An address kept from before two records were merged leads to the record that stayed.
    merges = desk.store.lake.merges(site)
    patient = merges.get(patient, patient)
    # Who was merged since the last screening stands under the old record's verdict until the next one.
    people = [patient, *sorted(old for old, new in merges.items() if new == patient)]
    read = partial(desk.store.verdict_of, site, trial=desk.trial.id, stage=stage)
    stored = next((kept for one in people if (kept := read(one))), None)
    if stored is None:
        return None
    history = desk.store.verdict_history(desk.trial.id, stage, site=site, patients=people)
    decided = [one for one in desk.store.decision_history(desk.trial.id, site=site) if one.patient in people]
    decisions = [_decision(one) for one in sorted(decided, key=lambda one: one.decided_at)]
    record = _record(desk, site, patient)
    content = json.loads(stored.content)
    return PatientFile(
        key=desk.store.patient_key(site, patient),
        record=record,
        state=decisions[-1].state if decisions else _NEW,
        decision=decisions[-1] if decisions else None,
        screened_at=stored.screened_at,
        verdict=Verdict.model_validate(as_deleted(content) if record is RecordState.DELETED else content),
        outcomes=_outcomes([kept for found in history.values() for kept in found]),
        decisions=decisions,
    )


def _record(desk: Desk, site: str, patient: str) -> RecordState:
    if patient in deleted_people(desk.store, site):
        return RecordState.DELETED
    inactive = inactive_people(desk.store, site, [patient])
    return RecordState.INACTIVE if inactive else RecordState.ACTIVE


def _decision(decision: Decision) -> StandingDecision:
    return StandingDecision(
        state=decision.state,
        reason=decision.reason,
        decided_by=decision.decided_by,
        decided_at=decision.decided_at,
    )


def _outcomes(kept: Iterable[KeptVerdict]) -> list[KeptOutcome]:
    """What verdicts came to, oldest first, each as long as it stays the same once."""
    found: list[KeptOutcome] = []
    for one in sorted(kept, key=lambda one: one.first_at):
        content = json.loads(one.verdict.content)
        told = {key: content[key] for key in ("candidate", "outcome", "outcome_reason")}
        if not found or found[-1].model_dump(include=set(told)) != told:
            found.append(KeptOutcome(first_at=one.first_at, on=one.verdict.on, **told))
    return found
