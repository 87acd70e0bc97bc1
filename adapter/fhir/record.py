"""In: all resources of one person, raw, merged identities included. Out: `PatientRecord`, typed, by resource type."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any, TypeVar, cast

import msgspec

from adapter.fhir.dates import ALWAYS, When, parse_when, period_when
from adapter.fhir.resources import (
    READ_TYPES,
    AdverseEvent,
    AllergyIntolerance,
    CodeableConcept,
    Coding,
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
    Period,
    Procedure,
    QuestionnaireResponse,
    ResearchStudy,
    ResearchSubject,
    Resource,
    decode,
)
from adapter.fhir.summary import normalise_reference

__all__ = ["PatientRecord", "abated", "has_onset", "known_from", "needed_references", "surely_after", "when_of"]

_R = TypeVar("_R", bound=Resource)

#: Resource types without a patient of their own that a record refers to.
_SHARED_TYPES = ("Medication/", "ResearchStudy/")


class _Head(msgspec.Struct, rename="camel"):
    resource_type: str
    id: str = ""


class _Pointers(msgspec.Struct, rename="camel"):
    resource_type: str = ""
    medication_reference: dict[str, object] | None = None
    medication: dict[str, object] | None = None
    study: dict[str, object] | None = None


_HEAD = msgspec.json.Decoder(_Head)
_POINTERS = msgspec.json.Decoder(_Pointers)


def needed_references(resources: Iterable[bytes]) -> set[str]:
    """``Medication/id`` and ``ResearchStudy/id`` that these resources refer to and a record needs to be read."""
    found = set()
    for raw in resources:
        if b'"Medication/' not in raw and b"/Medication/" not in raw and b"ResearchStudy/" not in raw:
            continue
        try:
            pointers = _POINTERS.decode(raw)
        except msgspec.MsgspecError:
            continue  # the record itself names it as unreadable
        medication = pointers.medication or {}
        nested = medication.get("reference")
        for node in (pointers.medication_reference, nested, pointers.study):
            literal = node.get("reference") if isinstance(node, dict) else None
            target = normalise_reference(literal) if isinstance(literal, str) else None
            if target is not None and target.startswith(_SHARED_TYPES):
                found.add(target)
    return found


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
    """

    patient: str
    merged: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()
    resources: Mapping[str, tuple[Resource, ...]] = field(default_factory=dict)
    shared: Mapping[str, Resource] = field(default_factory=dict)

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

        Args:
            patient: ``Patient/id`` of the surviving identity.
            resources: raw JSON, current versions only.
            merged: identities merged into it.
            shared: raw Medication and ResearchStudy resources by reference.
            held_back: raw resources of the person that were put aside as faulty: of each, what it is about stands in the
                record without time or value, so that an older one is not taken for the latest.
        """
        by_type: dict[str, list[Resource]] = {}
        unreadable, faulty = [], []
        for raw in resources:
            try:
                head = _HEAD.decode(raw)
                if head.resource_type in READ_TYPES:
                    resource = decode(head.resource_type, raw)
                    if isinstance(resource, MedicationAdministration):
                        resource.contained_medications()
                    by_type.setdefault(head.resource_type, []).append(resource)
            except (msgspec.MsgspecError, ArithmeticError):
                unreadable.append(_name(raw))
                faulty.append(raw)
        for raw in (*held_back, *faulty):
            stand_in = _stand_in(raw)
            if stand_in is not None:
                by_type.setdefault(stand_in.resource_type, []).append(stand_in)
        known = {}
        for reference, raw in (shared or {}).items():
            try:
                known[reference] = decode(reference.partition("/")[0], raw)
            except (msgspec.MsgspecError, ArithmeticError):
                unreadable.append(reference)
        ordered = {name: tuple(sorted(items, key=lambda item: item.id)) for name, items in by_type.items()}
        return cls(patient, tuple(sorted(merged)), tuple(sorted(unreadable)), ordered, known)

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

    def medication(self, administration: MedicationAdministration) -> Medication | None:
        """The Medication that an administration refers to, contained or shared."""
        node = administration.medication_reference or (
            administration.medication and administration.medication.reference
        )
        literal = node.reference if node else None
        if literal is None:
            return None
        if literal.startswith("#"):
            return administration.contained_medications().get(literal[1:])
        found = self.shared.get(normalise_reference(literal) or "")
        return found if isinstance(found, Medication) else None

    def study(self, subject: ResearchSubject) -> ResearchStudy | None:
        """The ResearchStudy that a subject takes part in, when it is known."""
        literal = subject.study.reference if subject.study else None
        found = self.shared.get(normalise_reference(literal) or "") if literal else None
        return found if isinstance(found, ResearchStudy) else None

    def until(self, day: date) -> PatientRecord:
        """The same person without what is surely later than a day in Paris (clarifications.md 27)."""
        return self._with(
            {
                name: items if name == "Patient" else tuple([item for item in items if not surely_after(item, day)])
                for name, items in self.resources.items()
            }
        )

    def since(self, moment: When) -> PatientRecord:
        """The same person with only what is surely later than ``moment`` (clarifications.md 32).

        What has no onset is as late as its recordedDate: nothing says that it was so before.
        """
        return self._with(
            {
                name: tuple([item for item, when in items if when is None or when.surely_after(moment)])
                for name, items in self._known_from.items()
            }
        )

    @cached_property
    def _known_from(self) -> Mapping[str, tuple[tuple[Resource, When | None], ...]]:
        """From when on each resource is known; None of who the person is, which is of no time."""
        return {
            name: tuple([(item, None if name == "Patient" else known_from(item)) for item in items])
            for name, items in self.resources.items()
        }

    def _with(self, resources: Mapping[str, tuple[Resource, ...]]) -> PatientRecord:
        return PatientRecord(self.patient, self.merged, self.unreadable, resources, self.shared)


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


def _stand_in(raw: bytes) -> Resource | None:
    """What can be told of a faulty resource: that there is one, and its code; never its time, status or value."""
    try:
        body = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    identity = body.get("id") if isinstance(body, dict) else None
    if not isinstance(identity, str):
        return None
    match body.get("resourceType"):
        case "Observation":
            # A value without any content: there is a result, and it cannot be read.
            return Observation(
                resource_type="Observation",
                id=identity,
                status="final",
                code=_concept(body.get("code")),
                value_codeable_concept=CodeableConcept(),
            )
        case "MedicationAdministration":
            concept = _concept(body.get("medicationCodeableConcept"))
            return MedicationAdministration(
                resource_type="MedicationAdministration", id=identity, medication_codeable_concept=concept
            )
        case "Condition":
            unsure = CodeableConcept(coding=(Coding(code="unconfirmed"),))
            code = _concept(body.get("code"))
            return Condition(resource_type="Condition", id=identity, verification_status=unsure, code=code)
        case "AllergyIntolerance":
            unsure = CodeableConcept(coding=(Coding(code="unconfirmed"),))
            code = _concept(body.get("code"))
            return AllergyIntolerance(
                resource_type="AllergyIntolerance", id=identity, verification_status=unsure, code=code, type="allergy"
            )
        case "AdverseEvent":
            return AdverseEvent(resource_type="AdverseEvent", id=identity, event=_concept(body.get("event")))
        case "ResearchSubject":
            return ResearchSubject(resource_type="ResearchSubject", id=identity, status="candidate")
        case "Procedure":
            return Procedure(resource_type="Procedure", id=identity, code=_concept(body.get("code")))
    return None


def _concept(node: object) -> CodeableConcept:
    try:
        return msgspec.convert(node, CodeableConcept)
    except msgspec.ValidationError:
        return CodeableConcept()


def _name(raw: bytes) -> str:
    try:
        head = _HEAD.decode(raw)
    except msgspec.MsgspecError:
        return "(unreadable)"
    return f"{head.resource_type}/{head.id}"
