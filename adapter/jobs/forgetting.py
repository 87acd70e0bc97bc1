"""In: a person, why. Out: nothing of them in the store, and nothing taken any more; what lies elsewhere is named.

Whoever was registered in a trial is not forgotten without being asked for twice: what a trial has documented of its subjects has
to be kept (ICH E6(R2) 4.9.5 and 8.1; GDPR article 17(3)).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import msgspec

from adapter.criteria import Stage, Trial, reference_date
from adapter.errors import UsageError
from adapter.screening.candidates import CANDIDATE_NUMBER, identifiers_in
from adapter.screening.person_record import read_record
from adapter.store import Forgotten, Store, Whom
from adapter.store.stored_versions import versions_about
from mappings.elements import REFERENCE_SYSTEM
from mappings.entities import Identifier, Infusion, LabResult, Subject

__all__ = ["REASONS", "Removed", "SubjectOfTrialError", "forget_person"]

#: Why somebody is forgotten; the audit trail and the list of who is kept off tell it.
REASONS: Final = ("objection", "erasure", "mistake")
#: Of decisions: the person was registered, whatever became of it.
_REGISTERED: Final = frozenset({"on-study", "withdrawn", "off-study"})


class Removed(msgspec.Struct, frozen=True):
    """What was removed, and what could not be.

    Attributes:
        patients: ``Patient/id`` of all records of the person: nothing of these is taken any more.
        removed: from the store.
        at_hospital: references of what was pushed of them, and is the hospital's server's to delete.
        in_packages: they were in a package for the sponsor.
    """

    patients: tuple[str, ...]
    removed: Forgotten
    at_hospital: tuple[str, ...]
    in_packages: bool


class SubjectOfTrialError(UsageError):
    """The person was registered in a trial."""

    def __init__(self, person: str, acronym: str) -> None:
        super().__init__(
            f"{person}: is a subject of {acronym}, whose records have to be kept (ICH E6(R2) 4.9.5); nothing was removed. "
            "If sponsor and data protection officer have agreed that they go: --even-subject"
        )


def forget_person(
    store: Store,
    site: str,
    patient: str,
    *,
    trials: Collection[Trial],
    reason: str,
    by: str,
    even_subject: bool = False,
) -> Removed:
    """Remove all that the store holds of a person, and keep them off.

    Args:
        store: open.
        site: whose patient.
        patient: ``Patient/id``; nothing need be known of them.
        trials: of the settings; their subjects are asked about first.
        reason: one of `REASONS`.
        by: who asked for it.
        even_subject: also who is a subject of a trial.

    Raises:
        SubjectOfTrialError: they are one.
        BusyError: another run works on the site; nothing was removed.
        ConfigurationError: a file of the store is not as it was written; likewise.
    """
    survivor, patients = _records_of(store, site, patient)
    named = _named_by(store, site, patients)
    subjects = _subjects(store, site, named)
    if not even_subject:
        _refuse_subjects(store, site, patient, trials=trials, subjects=subjects, patients=patients)
    entities = {("subjects", one.number) for one in subjects}
    entities |= _results(store, site, named, {one.number for one in subjects})
    counterparts = (one for each in store.outbox.counterparts(site).values() for one in each)
    at_hospital = sorted({one.reference for one in counterparts if (one.kind, one.key) in entities})
    in_packages = any(
        one.site == site and one.patient in patients for trial in trials for one in store.subjects.pseudonyms(trial.id)
    )
    whom = Whom(survivor, patients, frozenset(entities))
    removed = store.forget(site, whom, by=by, reason=reason)
    return Removed(patients, removed, tuple(at_hospital), in_packages)


def _records_of(store: Store, site: str, patient: str) -> tuple[str, tuple[str, ...]]:
    """``Patient/id`` of the record that stands for a person, and of all of theirs; itself where the store knows no other."""
    merges = store.lake.merges(site)
    survivor = merges.get(patient, patient)
    records = {patient, survivor, *(old for old, new in merges.items() if new == survivor)}
    # Of somebody whose data were removed the lake knows no other record.
    if away := store.purged.among(site, records):
        purged = store.purged.patients(site)
        persons = {purged[one] for one in away}
        records |= {one for one, person in purged.items() if person in persons}
    return survivor, tuple(sorted(records))


def _named_by(store: Store, site: str, patients: Collection[str]) -> frozenset[Identifier]:
    """All that what was loaded may name the person by: numbers that any version of their records gives, and references."""
    versions = versions_about(store.lake, site, "Patient", sorted(patients))
    told = frozenset(found for one in versions for found in identifiers_in(one.raw))
    return told | {Identifier(system=REFERENCE_SYSTEM, value=one) for one in patients}


def _subjects(store: Store, site: str, named: Collection[Identifier]) -> list[Subject]:
    found = (one.entity for one in store.entities.all(site, "subjects"))
    return [one for one in found if isinstance(one, Subject) and one.patient in named]


def _results(store: Store, site: str, named: Collection[Identifier], numbers: Collection[str]) -> set[tuple[str, str]]:
    """Kind and key of the laboratory results and infusions that were loaded of them."""
    return {
        (kind, one.key)
        for kind in ("labs", "infusions")
        for one in store.entities.all(site, kind)
        if isinstance(one.entity, LabResult | Infusion)
        and (one.entity.patient in named or one.entity.subject in numbers)
    }


def _refuse_subjects(
    store: Store,
    site: str,
    patient: str,
    *,
    trials: Collection[Trial],
    subjects: Collection[Subject],
    patients: Collection[str],
) -> None:
    person = f"{site}/{patient.removeprefix('Patient/')}"
    record = read_record(store, site, patient)
    for trial in trials:
        statuses = {state.id: state.research_subject_status for state in trial.states}
        decided = store.decision_history(trial.id, site=site, patients=patients)
        if (
            any(one.study == trial.id and not one.number.startswith(CANDIDATE_NUMBER) for one in subjects)
            or any(statuses.get(one.state) in _REGISTERED for one in decided)
            or any(one.site == site and one.patient in patients for one in store.subjects.pseudonyms(trial.id))
            or (record is not None and reference_date(trial, record, Stage.REGISTRATION) is not None)
        ):
            raise SubjectOfTrialError(person, trial.acronym)
