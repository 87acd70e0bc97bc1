"""In: all resources of one person, raw, merged identities included. Out: `PatientRecord`, typed, by resource type."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import cached_property
from typing import Any, TypeVar, cast

import msgspec

from adapter.fhir.datatypes import CodeableConcept, Period
from adapter.fhir.dates import ALWAYS, When, parse_when, period_when
from adapter.fhir.faulty import as_far_as_told
from adapter.fhir.gathering import Gathered
from adapter.fhir.names import is_shared
from adapter.fhir.resources import (
    AdverseEvent,
    AllergyIntolerance,
    Condition,
    Consent,
    Coverage,
    DiagnosticReport,
    DocumentReference,
    Flag,
    ImagingStudy,
    Medication,
    MedicationAdministration,
    MedicationRequest,
    Observation,
    Patient,
    Procedure,
    ProductResource,
    QuestionnaireResponse,
    ResearchStudy,
    ResearchSubject,
    Resource,
)
from adapter.fhir.stand_in_kinds import study_within
from adapter.fhir.summary import normalise_reference

__all__ = ["PatientRecord", "abated", "has_onset", "known_from", "needed_references", "surely_after", "when_of"]

_R = TypeVar("_R", bound=Resource)


class _Pointers(msgspec.Struct, rename="camel"):
    resource_type: str = ""
    medication_reference: dict[str, object] | None = None
    medication: dict[str, object] | None = None
    study: dict[str, object] | None = None


_POINTERS = msgspec.json.Decoder(_Pointers)


def needed_references(resources: Iterable[bytes]) -> set[str]:
    """``Medication/id`` and ``ResearchStudy/id`` that these resources refer to and a record needs to be read."""
    found = set()
    for raw in resources:
        if b'"Medication/' not in raw and b"/Medication/" not in raw and b"ResearchStudy/" not in raw:
            continue
        try:
            pointers = _POINTERS.decode(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            # The record itself names it as unreadable; what stands for it refers to the same.
            pointers = _pointers_of_faulty(raw)
        medication = pointers.medication or {}
        nested = medication.get("reference")
        for node in (pointers.medication_reference, nested, pointers.study):
            literal = node.get("reference") if isinstance(node, dict) else None
            target = normalise_reference(literal) if isinstance(literal, str) else None
            if target is not None and is_shared(target):
                found.add(target)
    return found


def _pointers_of_faulty(raw: bytes) -> _Pointers:
    body = as_far_as_told(raw)
    told = body if isinstance(body, dict) else {}
    medication, nested, study = (told.get(name) for name in ("medicationReference", "medication", "study"))
    return _Pointers(
        medication_reference=medication if isinstance(medication, dict) else None,
        medication=nested if isinstance(nested, dict) else None,
        study=study if isinstance(study, dict) else None,
    )


def when_of(resource: Resource) -> When:
    """When what the resource tells was so; `ALWAYS` when nothing is known.

    An Observation without effective time was made by its ``issued`` at the latest; a Condition without onset existed
    by its ``recordedDate`` (clarifications.md 24).
    """
    known = _TIMES.get(type(resource))
    return (known(resource) if known is not None else None) or ALWAYS


def _observed(item: Observation) -> When | None:
    found = _time(item.effective_date_time or item.effective_instant, item.effective_period)
    return found or _not_later(item.issued)


def _reported(item: DiagnosticReport) -> When | None:
    return _time(item.effective_date_time, item.effective_period) or _not_later(item.issued)


def _began(item: Condition | AllergyIntolerance) -> When | None:
    return _time(item.onset_date_time, item.onset_period) or _not_later(item.recorded_date)


def _administered(item: MedicationAdministration) -> When | None:
    moment = item.effective_date_time or item.occurence_date_time
    return _time(moment, item.effective_period or item.occurence_period)


def _performed(item: Procedure) -> When | None:
    moment = item.performed_date_time or item.occurrence_date_time
    return _time(moment, item.performed_period or item.occurrence_period)


def _in_force(item: ResearchSubject | Coverage | Flag) -> When | None:
    # What has begun counts from then on; when it ends is a matter of its own.
    return parse_when(item.period.start) if item.period else None


#: Where each resource type says when it was so.
_TIMES: dict[type[Resource], Callable[[Any], When | None]] = {
    AdverseEvent: lambda item: parse_when(item.date),
    AllergyIntolerance: _began,
    Condition: _began,
    Consent: lambda item: parse_when(item.date_time),
    Coverage: _in_force,
    DiagnosticReport: _reported,
    DocumentReference: lambda item: parse_when(item.date),
    Flag: _in_force,
    ImagingStudy: lambda item: parse_when(item.started),
    MedicationAdministration: _administered,
    MedicationRequest: lambda item: parse_when(item.authored_on),
    Observation: _observed,
    Procedure: _performed,
    QuestionnaireResponse: lambda item: parse_when(item.authored),
    ResearchSubject: _in_force,
}


def _time(moment: str | None, period: Period | None) -> When | None:
    # An unreadable text is not the absence of one: nothing is known then, and no other element may stand in for it.
    if moment is not None:
        return parse_when(moment) or ALWAYS
    return period_when(period.start, period.end) if period is not None else None


def _not_later(text: str | None) -> When:
    bound = parse_when(text)
    return bound.upper_bound() if bound is not None else ALWAYS


@dataclass(frozen=True)
class PatientRecord:
    """All that is known of one person at one site.

    Attributes:
        patient: ``Patient/id`` of the surviving identity.
        merged: the identities merged into it.
        unreadable: ``ResourceType/id`` that could not be decoded; what hangs on them is not read.
        unread: references of what only stands in the record, as it cannot be read or lies within another resource.
        remains: by resource type, codings and texts of what cannot be read: no more is known of them than that they are there.
    """

    patient: str
    merged: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()
    resources: Mapping[str, tuple[Resource, ...]] = field(default_factory=dict)
    shared: Mapping[str, Resource] = field(default_factory=dict)
    unread: frozenset[str] = frozenset()
    remains: Mapping[str, tuple[CodeableConcept, ...]] = field(default_factory=dict)

    @classmethod
    def read(
        cls,
        patient: str,
        resources: Iterable[bytes],
        *,
        merged: tuple[str, ...] = (),
        shared: Mapping[str, bytes] | None = None,
        held_back: Iterable[bytes] = (),
    ) -> PatientRecord:
        """Decode a person's resources.

        Of resources within others only the Medications of infusions and prescriptions and the studies of subjects are read. What a result, a diagnosis or an infusion
        there is about stands in the record without its value, so that an older one is not taken for the latest.

        Args:
            patient: ``Patient/id`` of the surviving identity.
            resources: raw JSON, current versions only.
            merged: identities merged into it.
            shared: raw Medication and ResearchStudy resources by reference.
            held_back: raw resources of the person, and shared ones, that were put aside as faulty: of each, what it is about stands in the
                record without time or value, so that an older one is not taken for the latest. It stands there in place of
                the version of its id that could be read, unless that one is the newer.
        """
        gathered = Gathered(held_back)
        for raw in resources:
            gathered.own(raw, people=(patient, *merged))
        for reference, raw in (shared or {}).items():
            gathered.shared(reference, raw)
        gathered.stand_in()
        ordered = {name: tuple(sorted(items, key=lambda item: item.id)) for name, items in gathered.by_type.items()}
        unreadable, unread = tuple(sorted(gathered.unreadable)), frozenset(gathered.unread)
        return cls(
            patient, tuple(sorted(merged)), unreadable, ordered, gathered.known, unread, remains=gathered.remains
        )

    def _of(self, kind: type[_R]) -> tuple[_R, ...]:
        return cast("tuple[_R, ...]", self.resources.get(kind.__name__, ()))

    @cached_property
    def identities(self) -> tuple[Patient, ...]:
        """The Patient resources, the surviving identity first."""
        return tuple(sorted(self._of(Patient), key=lambda item: (item.reference != self.patient, item.id)))

    @property
    def observations(self) -> tuple[Observation, ...]:
        """All Observations, whatever their status."""
        return self._of(Observation)

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """All Conditions, whatever their verification."""
        return self._of(Condition)

    @property
    def administrations(self) -> tuple[MedicationAdministration, ...]:
        """All MedicationAdministrations."""
        return self._of(MedicationAdministration)

    @property
    def procedures(self) -> tuple[Procedure, ...]:
        """All Procedures."""
        return self._of(Procedure)

    @property
    def responses(self) -> tuple[QuestionnaireResponse, ...]:
        """All QuestionnaireResponses."""
        return self._of(QuestionnaireResponse)

    @property
    def subjects(self) -> tuple[ResearchSubject, ...]:
        """All ResearchSubjects."""
        return self._of(ResearchSubject)

    def of_type(self, resource_type: str) -> tuple[Resource, ...]:
        """All resources of a type."""
        return self.resources.get(resource_type, ())

    def medication(self, resource: ProductResource) -> Medication | None:
        """The Medication that an administration or a request refers to, contained or shared."""
        node = resource.medication_reference or (resource.medication and resource.medication.reference)
        literal = node.reference if node else None
        if literal is None:
            return None
        if literal.startswith("#"):
            return resource.contained_medications().get(literal[1:])
        found = self.shared.get(normalise_reference(literal) or "")
        return found if isinstance(found, Medication) else None

    def study(self, subject: ResearchSubject) -> ResearchStudy | None:
        """The ResearchStudy that a subject takes part in, contained or shared, when it is known."""
        within = subject.contained_study()
        if within is not None:
            return study_within(within)
        literal = subject.study.reference if subject.study else None
        found = self.shared.get(normalise_reference(literal) or "") if literal else None
        return found if isinstance(found, ResearchStudy) else None

    def until(self, day: date) -> PatientRecord:
        """The same person without what is surely later than a day in Paris (clarifications.md 27)."""
        return self._with({name: _until(name, items, day) for name, items in self.resources.items()})

    def since(self, moment: When) -> PatientRecord:
        """The same person with only what is surely later than ``moment`` (clarifications.md 32).

        What has no onset is as late as its recordedDate: nothing says that it was so before.
        """
        known, latest = self._known_from
        if latest < moment.end:
            # In most cases what is asked for was recorded last.
            return self._with({"Patient": self.of_type("Patient")})
        return self._with(
            {
                name: tuple([item for item, when in items if when is None or when.start >= moment.end])
                for name, items in known.items()
            }
        )

    @cached_property
    def _known_from(self) -> tuple[Mapping[str, list[tuple[Resource, When | None]]], datetime]:
        """From when on each resource is known, None of who the person is, which is of no time; and the latest of these."""
        known: dict[str, list[tuple[Resource, When | None]]] = {
            name: [(item, None if name == "Patient" else known_from(item)) for item in items]
            for name, items in self.resources.items()
        }
        starts = [when.start for items in known.values() for _, when in items if when is not None]
        return known, max(starts, default=ALWAYS.start)

    def _with(self, resources: Mapping[str, tuple[Resource, ...]]) -> PatientRecord:
        return replace(self, resources=resources)


def known_from(resource: Resource) -> When:
    """When what a resource tells was so; without an onset, when it was recorded: nothing says that it was so before."""
    recorded = _recorded_only(resource)
    return (parse_when(recorded) if recorded is not None else None) or when_of(resource)


def has_onset(resource: Condition | AllergyIntolerance) -> bool:
    """It says when it began; what does not is known by its recordedDate at the latest."""
    return resource.onset_date_time is not None or resource.onset_period is not None


def abated(condition: Condition) -> When | None:
    """When it ended; `ALWAYS` where that cannot be read, None where nothing is told."""
    period = condition.abatement_period
    told = condition.abatement_date_time or (period.end or period.start if period else None)
    return None if told is None else parse_when(told) or ALWAYS


def _recorded_only(resource: Resource) -> str | None:
    """The recordedDate of what has no onset."""
    if isinstance(resource, _WITH_ONSET) and not has_onset(resource):
        return resource.recorded_date
    return None


_WITH_ONSET = (Condition, AllergyIntolerance)


def surely_after(resource: Resource, day: date) -> bool:
    """It is surely later than a day in Paris: by its time, of what has no onset by its recordedDate."""
    recorded = _recorded_only(resource)
    if recorded is not None:
        # It counts from its recordedDate, although it may be older.
        when = parse_when(recorded)
        return when is not None and when.earliest > day
    return when_of(resource).earliest > day


def _until(name: str, items: tuple[Resource, ...], day: date) -> tuple[Resource, ...]:
    if name == "Patient":
        return items
    known = _TIMES.get(type(items[0])) if items else None
    if known is None or isinstance(items[0], _WITH_ONSET):
        return tuple([item for item in items if not surely_after(item, day)])
    return tuple([item for item in items if (known(item) or ALWAYS).earliest <= day])
