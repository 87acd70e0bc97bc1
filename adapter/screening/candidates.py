"""In: a site's verdicts, decisions and loaded subjects. Out: its candidates as Subjects for the outbox, and the list of them.

What is told of a person is that screening found them, and what people have decided since, here or at the hospital. A verdict
tells nothing more: a re-screen neither adds an event nor takes one away, and who fails for good is a person's to say.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, NamedTuple

import msgspec

from adapter.criteria import Outcome, Stage, Trial
from adapter.fhir import PARIS
from adapter.screening.hospital_records import RecordState
from adapter.screening.listed import Listed, listed
from adapter.store import Decision, PatientResources, Store
from mappings.elements import REFERENCE_SYSTEM
from mappings.entities import Candidate, CandidateList, EntityError, EventKind, Identifier, Subject, SubjectEvent
from mappings.subject import event_for

__all__ = ["CANDIDATE_NUMBER", "Candidates", "Refused", "candidate_subjects", "identifiers_in"]

#: What the number of a candidate begins with; the person's random key follows.
CANDIDATE_NUMBER = "CAND-"


class Refused(NamedTuple):
    """A person one of whose decisions a subject cannot take; ``reason`` holds no patient content."""

    site: str
    patient: str
    reason: str


class Candidates(NamedTuple):
    """What a site's server is to be told of its candidates.

    Attributes:
        subjects: by number; those that a person was loaded as otherwise are not among them.
        listing: who is on the list.
        refused: whose decisions could not all be told.
    """

    subjects: list[Subject]
    listing: CandidateList
    refused: list[Refused]


def candidate_subjects(
    store: Store,
    trial: Trial,
    *,
    site: str,
    identifier_system: str | None,
    on: date,
    site_code: str | None = None,
) -> Candidates:
    """The candidates of a site as it stands, for the outbox; nothing is written but random keys of new people.

    Args:
        store: verdicts, decisions, records, and the subjects that were told before.
        trial: whose candidates.
        site: its name in the settings.
        identifier_system: of the hospital's own patient number, None where the settings name none.
        on: the day that the list carries if it has changed.
        site_code: the sponsor's number of the site; its name stands for it where the settings give none.

    Returns:
        subjects (those of whom nothing is new as they were), the list (the stored one where nobody came or went), and
        whose decisions a subject cannot take.
    """
    code = site_code or site
    people = _people(store, trial, site=site, identifier_system=identifier_system)
    known = _Known.of(store, trial, site)
    subjects: dict[str, Subject] = {}
    entries: dict[str, Candidate] = {}
    refused: list[Refused] = []
    for person in people:
        subject = known.loaded(person)
        if subject is None:
            number, stored = known.candidate(store, person)
            if not person.is_on_list and not _has_human_event(stored):
                continue
            if person.is_deleted and stored is None:
                # Who it was the hospital no longer says: a subject loaded by the hospital's number may be theirs.
                continue
            subject, reasons = _told(person, stored, study=trial.id, site=code, number=number)
            refused.extend(Refused(site, person.patient, reason) for reason in reasons)
            if subject is None:
                continue
            subjects[subject.number] = subject
        elif not person.is_on_list:
            continue
        entries[subject.number] = Candidate(number=subject.number, since=subject.events[0].on)
    listing = _listing(store, CandidateList(study=trial.id, site=code, as_of=on.isoformat()), site, entries=entries)
    return Candidates([subjects[number] for number in sorted(subjects)], listing, refused)


# --- who is there --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Person:
    """Attributes:
    patient: ``Patient/id`` of the record that survives; ``merged`` those that went into it.
    number: the hospital's own number, or the literal reference.
    identifiers: everything that a loaded subject may name the person by.
    found: the day of the first verdict.
    is_deleted: the hospital has deleted the record, and with it what names the person.
    """

    site: str
    patient: str
    merged: tuple[str, ...]
    number: Identifier
    identifiers: frozenset[Identifier]
    found: date
    is_candidate: bool
    is_deleted: bool
    events: tuple[SubjectEvent, ...]
    faults: tuple[str, ...]

    @property
    def is_on_list(self) -> bool:
        """A candidate who does not fail for good, or one whom a person has decided on."""
        return self.is_candidate or bool(self.events) or bool(self.faults)


class _Identified(msgspec.Struct, frozen=True):
    """Of a Patient resource what names the person."""

    resourceType: str
    id: str | None = None
    identifier: Any = None


_read_patient = msgspec.json.Decoder(_Identified).decode


def _people(store: Store, trial: Trial, *, site: str, identifier_system: str | None) -> list[_Person]:
    """Everybody with a verdict, by patient."""
    found = listed(store, trial, Stage.REGISTRATION, site=site)
    merges = store.lake.merges(site)
    first = _by_person(store.first_verdicts(trial.id, Stage.REGISTRATION, site=site).items(), merges)
    decided = _by_person(((one.patient, one) for one in store.decision_history(trial.id, site=site)), merges)
    numbers = _Numbers(store, site, identifier_system, patients=[merges.get(one.patient, one.patient) for one in found])
    statuses = {state.id: state.research_subject_status for state in trial.states}
    people = []
    for one in found:
        # Who was merged into another record since the last screening still stands under the verdict of their own.
        patient = merges.get(one.patient, one.patient)
        merged = tuple(old for old, survivor in merges.items() if survivor == patient)
        events, faults = _events(decided.get(patient, ()), statuses)
        number, identifiers = numbers.of(patient, merged)
        people.append(
            _Person(
                site=site,
                patient=patient,
                merged=merged,
                number=number,
                identifiers=identifiers,
                found=_day(min(first.get(patient, [one.screened_at]))),
                is_candidate=one.candidate and not _fails_for_good(one),
                is_deleted=one.record is RecordState.DELETED,
                events=events,
                faults=faults,
            )
        )
    return people


def _fails_for_good(one: Listed) -> bool:
    return one.outcome is Outcome.INELIGIBLE and bool(one.verdict["permanent"])


def _by_person(pairs: Iterable[tuple[str, Any]], merges: Mapping[str, str]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for patient, value in pairs:
        found.setdefault(merges.get(patient, patient), []).append(value)
    return found


def _events(
    decisions: Collection[Decision], statuses: Mapping[str, str]
) -> tuple[tuple[SubjectEvent, ...], tuple[str, ...]]:
    """The event of each decision in the order in which they were made, and why one has none.

    None carries an earlier day than the one before it: where a clock was set back between two decisions, the hospital would
    else hear the earlier one last, and take it for what holds.
    """
    events, faults = [], []
    day = date.min
    for one in sorted(decisions, key=lambda one: one.number):
        day = max(day, _day(one.decided_at))
        try:
            events.append(event_for(statuses.get(one.state, ""), day.isoformat(), one.reason))
        except EntityError as error:
            faults.append(str(error))
    return tuple(events), tuple(faults)


def _day(moment: datetime) -> date:
    return moment.astimezone(PARIS).date()


class _Numbers:
    """The numbers that the Patient resources of a site give."""

    def __init__(self, store: Store, site: str, system: str | None, *, patients: Collection[str]) -> None:
        self._system = system
        self._of: dict[str, list[tuple[Identifier, bool]]] = {}
        for record in store.lake.records(site, patients) if patients else ():
            self._add(record)

    def of(self, patient: str, merged: Collection[str]) -> tuple[Identifier, frozenset[Identifier]]:
        """The number to write, and all that the person may be named by."""
        ids = (patient, *merged)
        told = {found for one in ids for found, _ in self._of.get(one, ())}
        literal = {Identifier(system=REFERENCE_SYSTEM, value=one) for one in ids}
        # Two numbers in use: which of them is the person's nobody can tell from here.
        own = {found for found, in_use in self._of.get(patient, ()) if in_use and found.system == self._system}
        number = own.pop() if len(own) == 1 else Identifier(system=REFERENCE_SYSTEM, value=patient)
        return number, frozenset(told | literal)

    def _add(self, record: PatientResources) -> None:
        for raw in record.resources:
            found = _identified(raw)
            if found is not None:
                self._of[f"Patient/{found.id}"] = list(_identifiers(found.identifier))


def identifiers_in(raw: bytes) -> frozenset[Identifier]:
    """All identifiers that a Patient resource gives, in use or not; none where it is another resource."""
    found = _identified(raw)
    return frozenset() if found is None else frozenset(one for one, _ in _identifiers(found.identifier))


def _identified(raw: bytes) -> _Identified | None:
    # Cheaper than reading the whole record, of which one resource is wanted.
    if b'"Patient"' not in raw:
        return None
    try:
        found = _read_patient(raw)
    except msgspec.DecodeError:
        return None
    return found if found.resourceType == "Patient" and isinstance(found.identifier, list) else None


def _identifiers(told: list[Any]) -> Iterable[tuple[Identifier, bool]]:
    """Each whole one, and whether it is in use."""
    for one in told:
        if isinstance(one, dict) and isinstance(one.get("system"), str) and isinstance(one.get("value"), str):
            try:
                yield Identifier(system=one["system"], value=one["value"]), one.get("use") != "old"
            except EntityError:
                continue


# --- what was told before ------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Known:
    """Subjects of the trial at a site: candidates by number, loaded ones by what they name the person by."""

    candidates: dict[str, Subject] = field(default_factory=dict)
    by_person: dict[Identifier, Subject] = field(default_factory=dict)

    @classmethod
    def of(cls, store: Store, trial: Trial, site: str) -> _Known:
        known = cls()
        for one in store.entities.all(site, "subjects"):
            subject = one.entity
            if not isinstance(subject, Subject) or subject.study != trial.id:
                continue
            if subject.number.startswith(CANDIDATE_NUMBER):
                known.candidates[subject.number] = subject
            else:
                known.by_person[subject.patient] = subject
        return known

    def loaded(self, person: _Person) -> Subject | None:
        """The subject that a person was loaded as; of several the one of the last event."""
        found = [self.by_person[one] for one in person.identifiers if one in self.by_person]
        return max(found, key=lambda one: (one.events[-1].on, one.number), default=None)

    def candidate(self, store: Store, person: _Person) -> tuple[str, Subject | None]:
        """The number of a candidate, and the subject as it was told before.

        Who was told under a record that has been merged since keeps that number: one person, one subject.
        """
        numbers = [CANDIDATE_NUMBER + store.patient_key(person.site, one) for one in (person.patient, *person.merged)]
        number = next((one for one in numbers if one in self.candidates), numbers[0])
        return number, self.candidates.get(number)


def _has_human_event(subject: Subject | None) -> bool:
    return subject is not None and len(subject.events) > 1


# --- what to tell --------------------------------------------------------------------------------------------------


def _told(
    person: _Person, stored: Subject | None, *, study: str, site: str, number: str
) -> tuple[Subject | None, list[str]]:
    """The subject with all that was decided, and why some of it is not in it."""
    reasons = list(person.faults)
    found = min([person.found.isoformat(), *(one.on for one in person.events)])
    try:
        subject = Subject(
            study=study,
            site=site,
            number=number,
            patient=_number(person, stored),
            events=_from(found, stored.events) if stored is not None else _from(found, ()),
        )
    except EntityError as error:
        return None, [str(error)]
    for event in _missing(person.events, subject.events):
        place = sum(1 for one in subject.events if one.on <= event.on)
        events = (*subject.events[:place], event, *subject.events[place:])
        try:
            subject = Subject(study=study, site=site, number=number, patient=_number(person, stored), events=events)
        except EntityError as error:
            reasons.append(str(error))
    return subject, reasons


def _number(person: _Person, stored: Subject | None) -> Identifier:
    """The person's number: of a deleted record the one that was told before, for nothing else names them any more."""
    return stored.patient if stored is not None and person.is_deleted else person.number


def _from(found: str, events: tuple[SubjectEvent, ...]) -> tuple[SubjectEvent, ...]:
    """The events, the first of which is that screening found the person; that day, once told, only moves before a decision."""
    if not events:
        return (SubjectEvent(kind=EventKind.PRE_SCREENED, on=found),)
    first = events[0]
    if first.kind is not EventKind.PRE_SCREENED or first.on <= found:
        return events
    return (msgspec.structs.replace(first, on=found), *events[1:])


def _missing(wanted: Iterable[SubjectEvent], there: tuple[SubjectEvent, ...]) -> list[SubjectEvent]:
    """Those of the events that are not there yet; one that stands twice has to be there twice."""
    # The first event is the screening's own, even where a decision of that day says the same.
    left = list(there[1:]) if there[0].kind is EventKind.PRE_SCREENED else list(there)
    missing = []
    for event in wanted:
        if event in left:
            left.remove(event)
        else:
            missing.append(event)
    return missing


def _listing(store: Store, fresh: CandidateList, site: str, *, entries: Mapping[str, Candidate]) -> CandidateList:
    """The list; the stored one where nobody came or went, so that a day without news is no new version."""
    listing = msgspec.structs.replace(fresh, candidates=tuple(entries[number] for number in sorted(entries)))
    stored = store.entities.get(site, "candidates", listing.study)
    if stored is None or not isinstance(stored.entity, CandidateList):
        return listing
    before = stored.entity
    listing = msgspec.structs.replace(listing, retired=before.retired)
    return before if msgspec.structs.replace(listing, as_of=before.as_of) == before else listing
