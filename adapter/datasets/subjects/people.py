"""In: the store, a trial, a site. Out: everybody who may be a subject: the patients of loaded subjects and of the trial's ResearchSubjects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import msgspec

from adapter.criteria import Trial
from adapter.datasets.model import Finding
from adapter.datasets.source import RawResource, read, read_of_people, read_of_type, read_shared
from adapter.datasets.subjects.consenting import names_trial
from adapter.fhir import Json, normalise_reference
from adapter.store import Store, StoredEntity
from mappings.elements import REFERENCE_SYSTEM
from mappings.entities import Study, Subject

__all__ = ["LeftOut", "Person", "Scope", "people_of"]

_TRIAL = "urn:reluth:extension:trial"


class _Identifier(msgspec.Struct):
    system: Any = None
    value: Any = None


class _Identified(msgspec.Struct):
    identifier: list[_Identifier] = []


_IDENTIFIED = msgspec.json.Decoder(_Identified)


@dataclass(frozen=True)
class Scope:
    """What an export asks of one site.

    Attributes:
        site: as in the settings.
        trial: its documents.
        study: its study document.
        site_code: the sponsor's number of the site, where the settings tell it.
        types: resource types to read of each person.
        key: the store's secret: the order of what it makes of patients is the order of new numbers, and tells nothing.
        as_of: data cut.
    """

    site: str
    trial: Trial
    study: Study
    site_code: str | None
    types: frozenset[str]
    key: bytes = field(repr=False)
    as_of: date | None = None


@dataclass
class LeftOut:
    """Who is not in the export and why, counted, and what somebody must look at."""

    counts: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)

    def add(self, reason: str, code: str, text: str) -> None:
        """One subject."""
        self.counts[reason] += 1
        self.findings.append(Finding(code=code, text=text))


@dataclass
class Person:
    """One person: identities, the loaded subject, the trial's ResearchSubjects, and all resources once they are read."""

    patient: str
    identities: tuple[str, ...] = ()
    entity: StoredEntity | None = None
    pulled: list[tuple[RawResource, Json]] = field(default_factory=list)
    resources: dict[str, list[RawResource]] = field(default_factory=dict)

    def bodies(self, type_: str) -> list[Json]:
        """The resources of a type, as far as they can be read."""
        return [body for row in self.resources.get(type_, ()) if (body := read(row)) is not None]


def people_of(store: Store, scope: Scope, left_out: LeftOut) -> list[Person]:
    """Everybody who may be a subject, by ``Patient/id``, with all of their resources."""
    merged = store.lake.merges(scope.site)
    people: dict[str, Person] = {}

    def of(patient: str) -> Person:
        survivor = merged.get(patient, patient)
        return people.setdefault(survivor, Person(survivor))

    for row, body in _research_subjects(store, scope):
        if row.patient is None:
            left_out.add("no-patient", "subject-without-patient", "A ResearchSubject of the trial names no patient.")
        else:
            of(row.patient).pulled.append((row, body))
    entities = [
        one
        for one in store.entities.all(scope.site, "subjects")
        if isinstance(one.entity, Subject) and one.entity.study == scope.trial.id
    ]
    found = _patients_of(store, scope.site, [one.entity for one in entities if isinstance(one.entity, Subject)], merged)
    for one in entities:
        number = one.entity.number if isinstance(one.entity, Subject) else ""
        patients = found.get(number, set())
        if len(patients) != 1:
            code = "subject-without-patient" if not patients else "subject-with-two-patients"
            text = (
                "A subject was loaded whose patient is not in the lake: nothing is exported of it."
                if not patients
                else "The hospital's number of a loaded subject belongs to two patients: nothing is exported of it."
            )
            left_out.add("no-patient", code, text)
            continue
        person = of(next(iter(patients)))
        if person.entity is not None:
            left_out.add(
                "two-numbers",
                "two-subject-numbers",
                "Two subjects were loaded for one patient: the first number holds.",
            )
            continue
        person.entity = one
    inverse: dict[str, list[str]] = {}
    for old, survivor in merged.items():
        inverse.setdefault(survivor, []).append(old)
    for patient, person in people.items():
        person.identities = (patient, *sorted(inverse.get(patient, ())))
    _fill(store, scope, people)
    return [people[patient] for patient in sorted(people)]


def _research_subjects(store: Store, scope: Scope) -> Iterator[tuple[RawResource, Json]]:
    """The ResearchSubjects of the trial, each naming it in ``study`` as the mapper reads it."""
    rows = read_of_type(store, scope.site, "ResearchSubject")
    bodies = [(row, body) for row in rows if (body := read(row)) is not None]
    wanted = {target for _, body in bodies if (target := _reference(body.get("study")))}
    studies = (
        {reference: read(row) or {} for reference, row in read_shared(store, scope.site, wanted).items()}
        if wanted
        else {}
    )
    official = scope.study.official
    for row, body in bodies:
        if body.get("status") == "entered-in-error":
            continue
        extensions = [one for one in body.get("extension") or () if isinstance(one, dict) and one.get("url") == _TRIAL]
        if any(one.get("valueCode") == scope.trial.id for one in extensions):
            yield row, body
        elif not extensions and _of_trial(body, studies, scope):
            named = {"system": official.system, "value": official.value}
            yield row, body | {"study": {"type": "ResearchStudy", "identifier": named}}


def _of_trial(body: Json, studies: Mapping[str, Json], scope: Scope) -> bool:
    study = body.get("study")
    named = study.get("identifier") if isinstance(study, dict) else None
    listed = [named, *(studies.get(_reference(study) or "", {}).get("identifier") or ())]
    return any(isinstance(one, dict) and names_trial(one.get("value"), scope.trial.identifiers) for one in listed)


def _patients_of(
    store: Store, site: str, subjects: Iterable[Subject], merged: Mapping[str, str]
) -> dict[str, set[str]]:
    """Surviving ``Patient/id`` by subject number, of those who are in the lake."""
    by_number: dict[tuple[Any, Any], set[str]] = {}
    found: dict[str, set[str]] = {}
    literal: dict[str, set[str]] = {}
    for subject in subjects:
        if subject.patient.system == REFERENCE_SYSTEM:
            literal.setdefault(subject.patient.value, set()).add(subject.number)
        else:
            by_number.setdefault((subject.patient.system, subject.patient.value), set()).add(subject.number)
    if not by_number and not literal:
        return found
    for row in read_of_type(store, site, "Patient"):
        survivor = merged.get(row.reference, row.reference)
        for number in literal.get(row.reference, ()):
            found.setdefault(number, set()).add(survivor)
        if by_number:
            try:
                identifiers = _IDENTIFIED.decode(row.raw).identifier
            except msgspec.MsgspecError:
                continue
            for one in identifiers:
                is_whole = isinstance(one.system, str) and isinstance(one.value, str)
                known = by_number.get((one.system, one.value), ()) if is_whole else ()
                for number in known:
                    found.setdefault(number, set()).add(survivor)
    return found


def _fill(store: Store, scope: Scope, people: Mapping[str, Person]) -> None:
    """Read all that there is of these people, at once."""
    owner = {identity: person for person in people.values() for identity in person.identities}
    for row in read_of_people(store, scope.site, owner, scope.types):
        if row.patient is not None:
            owner[row.patient].resources.setdefault(row.type, []).append(row)


def _reference(node: Any) -> str | None:
    literal = node.get("reference") if isinstance(node, dict) else None
    return normalise_reference(literal) if isinstance(literal, str) else None
