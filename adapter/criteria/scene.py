"""In: a record, a site, a trial and a day. Out: `Scene`, what every node's answer is computed from, with the prepared concepts kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from adapter.criteria.answer import Answer, Evidence
from adapter.criteria.attestation import Attestation, attestations
from adapter.criteria.truth import Truth
from adapter.fhir import PatientRecord, When, when_of
from adapter.fhir.resources import CodeableConcept, Coding, Observation, Patient, Resource
from adapter.terminology import ICD10, Site, Units, ValueSet

if TYPE_CHECKING:
    from adapter.criteria.concepts.laboratory import Readings
    from adapter.criteria.concepts.prrt import Courses
    from adapter.criteria.concepts.tumours import Tumours
    from adapter.criteria.trial import Trial

__all__ = ["FLAG_ONLY", "USABLE", "Scene", "within"]

#: Observation.status (eligibility.yaml semantics): used, shown only; every other one is dropped.
USABLE = frozenset({"final", "amended", "corrected"})
FLAG_ONLY = frozenset({"preliminary", "registered"})


def within(when: When, start: date | None, end: date) -> Truth:
    """Whether it was between two calendar days in Paris, both included; U when the interval lies across an end."""
    if when.latest <= end and (start is None or when.earliest >= start):
        return Truth.T
    if when.earliest > end or (start is not None and when.latest < start):
        return Truth.F
    return Truth.U


@dataclass(frozen=True)
class Scene:
    """One person on one day.

    Attributes:
        on: the reference date; data of later days does not count.
        memo: answers already found, by node.
        days: the same record on other days.
        origin: the scene of the whole record, where this one holds a later part of it only.
    """

    trial: Trial
    record: PatientRecord
    site: Site
    on: date
    memo: dict[object, Answer] = field(default_factory=dict)
    days: dict[date, Scene] = field(default_factory=dict)
    origin: Scene | None = None

    def at(self, day: date) -> Scene:
        """The same record on another day; what does not depend on the day is not read again."""
        if day not in self.days:
            other = replace(self, on=day, memo={})
            other.__dict__["readings"] = self.readings
            self.days[day] = other
        return self.days[day]

    def since(self, moment: When) -> Scene:
        """The same with only what is surely later than ``moment``; attestations of that time are left out too."""
        return replace(self, record=self.record.since(moment), memo={}, days={}, origin=self.origin or self)

    @cached_property
    def units(self) -> Units:
        """Unit spellings, the site's before the general ones."""
        return self.site.units(self.trial.units)

    @cached_property
    def person(self) -> Patient | None:
        """The surviving identity, or any when that one is not known."""
        return self.record.identities[0] if self.record.identities else None

    @cached_property
    def attestations(self) -> tuple[Attestation, ...]:
        """What persons attested up to the reference date."""
        return attestations(self.record, trial=self.trial.id, on=self.on)

    @cached_property
    def readings(self) -> Readings:
        """Laboratory results by analyte."""
        from adapter.criteria.concepts.laboratory import Readings  # noqa: PLC0415 - concepts are made from scenes

        return Readings(self)

    @cached_property
    def tumours(self) -> Tumours:
        """The tumours on record and what belongs to which."""
        from adapter.criteria.concepts.tumours import Tumours  # noqa: PLC0415 - concepts are made from scenes

        return Tumours(self)

    @cached_property
    def courses(self) -> Courses:
        """Lutathera cycles and courses: of the whole record, for a course does not begin with what is looked at."""
        if self.origin is not None:
            return self.origin.courses
        from adapter.criteria.concepts.prrt import Courses  # noqa: PLC0415 - concepts are made from scenes

        return Courses.of(self)

    def window(self, days: int) -> date:
        """First day of a window that ends with the reference date."""
        return self.on - timedelta(days=days)

    def standard(self, coding: Coding) -> tuple[tuple[str, str], ...]:
        """A coding in standard systems."""
        if coding.system is None or coding.code is None:
            return ()
        return self.site.standard(coding.system, coding.code)

    def codes(self, *concepts: CodeableConcept | None) -> Iterator[tuple[str, str]]:
        """All codings of some concepts in standard systems."""
        for concept in concepts:
            for coding in concept.coding if concept else ():
                yield from self.standard(coding)

    def has(self, value_set: ValueSet, *concepts: CodeableConcept | None) -> bool:
        """Whether any coding is in the value set."""
        return any(value_set.has(system, code) for system, code in self.codes(*concepts))

    def counts(self, observation: Observation) -> bool:
        """Status is usable and it is not surely after the reference date."""
        return observation.status in USABLE and when_of(observation).earliest <= self.on


def evidence_of(resource: Resource, value: str | None, when: When | None = None) -> Evidence:
    """A resource as evidence; ``value`` as sent."""
    return Evidence(
        reference=resource.reference,
        version=resource.meta.version_id,
        effective=(when or when_of(resource)).text(),
        value=value,
    )


def code_text(scene: Scene, concept: CodeableConcept | None, system: str = ICD10) -> str | None:
    """The code as sent of the first coding in ``system``, else of the first coding, else nothing: never free text."""
    codings = concept.coding if concept else ()
    for coding in codings:
        if coding.system in (scene.site.icd10_systems if system == ICD10 else {system}):
            return coding.code
    return codings[0].code if codings else None
