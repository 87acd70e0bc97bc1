"""In: a patient's random key, a stage, the desk of whoever asks. Out: the last verdict with its history, as that person may see it, or nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from urllib.parse import quote

from adapter.accounts import Permission
from adapter.criteria import Stage
from adapter.documents import load_site
from adapter.errors import DocumentError
from adapter.fhir import PatientRecord
from adapter.observe import logger
from adapter.screening import number_of
from adapter.screening.hospital_records import RecordState, as_deleted, deleted_people, inactive_people
from adapter.screening.person_record import read_record
from adapter.screening.same_number import decided_elsewhere
from adapter.service.desk import Desk
from adapter.service.patient.attested import attestation_events, seen_of
from adapter.service.patient.redaction import redacted
from adapter.service.shapes import AdditionEvent, DecidedRecord, KeptOutcome, PatientFile, StandingDecision, Verdict
from adapter.store import Decision, KeptVerdict, StoredVerdict
from adapter.terminology import Site

__all__ = ["Opened", "open_patient", "read_patient"]

_NEW = "new"


@dataclass(frozen=True, slots=True)
class Opened:
    """One patient's file, opened by somebody.

    Attributes:
        file: as they may see it.
        site: the site's id.
        patient: ``Patient/id`` of the surviving record; never for their eyes without the right to identity.
        people: that id and those merged into it.
        verdict: with all references; never for their eyes likewise.
        record: all that is known of the person; None where the lake holds nothing.
        reading: how the site's records are read; None where its documents are wrong.
    """

    file: PatientFile
    site: str
    patient: str
    people: tuple[str, ...]
    verdict: Verdict
    record: PatientRecord | None
    reading: Site | None


def read_patient(desk: Desk, key: str, stage: Stage) -> PatientFile | None:
    """One patient's file; see `open_patient`."""
    opened = open_patient(desk, key, stage)
    return None if opened is None else opened.file


def open_patient(desk: Desk, key: str, stage: Stage) -> Opened | None:
    """One patient's last verdict with its history, None for an unknown key or one that was not screened at this stage.

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
    people = (patient, *sorted(old for old, new in merges.items() if new == patient))
    read = partial(desk.store.verdict_of, site, trial=desk.trial.id, stage=stage)
    stored = next((kept for one in people if (kept := read(one))), None)
    if stored is None:
        return None
    record = read_record(desk.store, site, patient)
    file = _file(desk, people, stored=stored, record=record)
    return Opened(
        file=file if desk.shows_identity(site) else redacted(file, record),
        site=site,
        patient=patient,
        people=people,
        verdict=file.verdict,
        record=record,
        reading=_reading(desk, site),
    )


def _file(desk: Desk, people: Sequence[str], *, stored: StoredVerdict, record: PatientRecord | None) -> PatientFile:
    site, patient, trial = stored.site, people[0], desk.trial
    stage = Stage(stored.stage)
    history = desk.store.verdict_history(trial.id, stage, site=site, patients=people)
    made = sorted(desk.store.decision_history(trial.id, site=site, patients=people), key=lambda one: one.number)
    decisions = [_decision(one) for one in made]
    state = _record_state(desk, site, patient)
    attested = attestation_events(desk.store, trial, site=site, people=people)
    content = json.loads(stored.content)
    person = record.identities[0] if record is not None and record.identities else None
    number = _hospital_number(desk, site, record)
    return PatientFile(
        key=desk.store.patient_key(site, patient),
        number=number_of(desk.store, trial, stage, site=site, patient=patient),
        identified=True,
        hospital_number=number,
        hospital_url=_hospital_url(desk, site, patient, number),
        born=_year(person.birth_date if person else None),
        sex=person.gender if person and person.gender in ("male", "female", "other", "unknown") else None,
        version=max((one.version for one in made if one.patient == patient), default=0),
        seen=stored.input_hash,
        new_data=bool(made) and made[-1].seen not in (None, stored.input_hash),
        # A process that ended between the signature and the screening after it.
        before_attestation=any(one.here and one.at and one.at > stored.screened_at for one in attested),
        record=state,
        state=decisions[-1].state if decisions else _NEW,
        decision=decisions[-1] if decisions else None,
        screened_at=stored.screened_at,
        verdict=Verdict.model_validate(as_deleted(content) if state is RecordState.DELETED else content),
        outcomes=_outcomes([kept for found in history.values() for kept in found]),
        decisions=decisions,
        decided_elsewhere=_elsewhere(desk, site, people),
        attestations=attested,
        attested=seen_of(attested),
        additions=[
            AdditionEvent(at=one.added_at, by=one.added_by)
            for one in desk.store.additions(site, trial=trial.id, patients=people)
        ],
    )


def _elsewhere(desk: Desk, site: str, people: Sequence[str]) -> list[DecidedRecord]:
    told = desk.settings.sites.get(site)
    system = None if told is None else told.identifier_system
    return [
        DecidedRecord(
            key=desk.store.patient_key(site, one.patient),
            state=one.decision.state,
            reason=one.decision.reason,
            decided_by=one.decision.decided_by,
            decided_at=one.decision.decided_at,
            record=RecordState.DELETED if one.is_deleted else RecordState.ACTIVE,
        )
        for one in decided_elsewhere(desk.store, desk.trial, site, people, system=system)
    ]


def _reading(desk: Desk, site: str) -> Site | None:
    try:
        return load_site(site, desk.overlay(site))
    except DocumentError as error:
        logger("service").warning("overlay", site=site, problem=str(error))
        return None


def _hospital_number(desk: Desk, site: str, record: PatientRecord | None) -> str | None:
    """The patient's number at the hospital, where the settings say whose identifiers those are."""
    told = desk.settings.sites.get(site)
    if told is None or told.identifier_system is None or record is None or not record.identities:
        return None
    own = (one.value for one in record.identities[0].identifier if one.system == told.identifier_system and one.value)
    return next(own, None)


def _hospital_url(desk: Desk, site: str, patient: str, number: str | None) -> str | None:
    """The address of the hospital's own record; None where the settings tell none, or it takes a number that is not known."""
    told = desk.settings.sites.get(site)
    address = None if told is None else told.record_url
    if address is None or ("{number}" in address and number is None):
        return None
    identity = quote(patient.removeprefix("Patient/"), safe="")
    return address.replace("{id}", identity).replace("{number}", quote(number or "", safe=""))


def _year(birth_date: str | None) -> int | None:
    first = (birth_date or "")[:4]
    return int(first) if first.isascii() and first.isdigit() and len(first) == len("1960") else None


def _record_state(desk: Desk, site: str, patient: str) -> RecordState:
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
        version=decision.version,
        note=decision.note,
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
