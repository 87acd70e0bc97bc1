"""In: a record, a site, a trial and a day. Out: `Scene`, what every node's answer is computed from, with the prepared concepts kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any, Self, TypeVar, overload

from adapter.criteria.answer import Answer, Evidence
from adapter.criteria.attestation import Attestations, Validity, attestations
from adapter.criteria.meanings import Meaning, Meanings, Measured, Sent
from adapter.criteria.truth import Truth
from adapter.fhir import ALWAYS, PatientRecord, When, abated, surely_after, when_of
from adapter.fhir.datatypes import CodeableConcept, Coding
from adapter.fhir.resources import Condition, Observation, Patient, Resource
from adapter.terminology import ICD10, ICD10_CM, ICDO3, TERMS, Site, Units, ValueSet
from adapter.terminology.remembered import Remembered

if TYPE_CHECKING:
    from adapter.criteria.concepts.corrections import Corrections
    from adapter.criteria.concepts.disease import Assessment
    from adapter.criteria.concepts.imaging import Examinations, Ties
    from adapter.criteria.concepts.laboratory import Readings
    from adapter.criteria.concepts.prrt import Courses
    from adapter.criteria.concepts.tumours import Tumours
    from adapter.criteria.prepared import CourseConcept, StatusConcept, TumourConcept
    from adapter.criteria.trial import Trial

__all__ = ["FLAG_ONLY", "USABLE", "Scene", "is_on_record", "is_withdrawn", "verification", "within"]

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


_A = TypeVar("_A")
_T = TypeVar("_T")

_READ_SYSTEMS = frozenset({ICD10, ICDO3, TERMS})


def is_withdrawn(condition: Condition) -> bool:
    """Refuted, or written by mistake."""
    return bool(verification(condition) & {"refuted", "entered-in-error"})


def verification(condition: Condition) -> frozenset[str]:
    """The codes of its verification status."""
    concept = condition.verification_status
    return frozenset(coding.code for coding in concept.coding if coding.code) if concept else frozenset()


def is_on_record(condition: Condition, on: date) -> bool:
    """Neither refuted nor an error, and not surely after a day (by onset, else by recordedDate)."""
    return not is_withdrawn(condition) and not surely_after(condition, on)


class of_record(cached_property[_T]):  # noqa: N801 - a decorator, written as one
    """A property of the record and not of the day: found once, and taken over by the scenes of later days."""

    @overload
    def __get__(self, instance: None, owner: type[Any] | None = None) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type[Any] | None = None) -> _T: ...
    def __get__(self, instance: object, owner: type[Any] | None = None) -> Any:
        """The value of the scene, or of the one that it is a later day of."""
        if not isinstance(instance, Scene):
            return super().__get__(instance, owner)
        # Without the lock of `cached_property`: a scene is one thread's.
        name = str(self.attrname)
        found = self.func(instance) if instance.base is None else getattr(instance.base, name)
        instance.__dict__[name] = found
        return found


@dataclass(frozen=True)
class Scene:
    """One person on one day.

    Attributes:
        on: the reference date; data of later days does not count.
        memo: answers already found, by the identity of what was asked.
        days: the same record on other days.
        later: the same day with later parts of the record only.
        base: the scene of the reference date, where this one is of a later day.
        origin: the scene of the whole record, where this one holds a later part of it only.
    """

    trial: Trial
    record: PatientRecord
    site: Site
    on: date
    memo: dict[int, Answer] = field(default_factory=dict)
    days: dict[date, Scene] = field(default_factory=dict)
    later: dict[When, Scene] = field(default_factory=dict)
    base: Scene | None = None
    origin: Scene | None = None

    def at(self, day: date) -> Scene:
        """The same record on a later day; what does not depend on the day is not read again."""
        if day not in self.days:
            self.days[day] = Scene(
                self.trial, self.record, self.site, day, days=self.days, base=self, origin=self.origin
            )
        return self.days[day]

    def close(self) -> None:
        """Forget what was found: its parts point at each other, and only the collector of cycles would find that they are not needed."""
        for one in (self, *self.days.values()):
            for later in one.later.values():
                later.close()
            vars(one).clear()

    def since(self, moment: When) -> Scene:
        """The same with only what is surely later than ``moment``; attestations of that time are left out too."""
        if moment not in self.later:
            record = self.record.since(moment)
            self.later[moment] = Scene(self.trial, record, self.site, self.on, origin=self.origin or self)
        return self.later[moment]

    def answered(self, asked: _A, by: Callable[[_A, Scene], Answer]) -> Answer:
        """The answer to a node, a part or a criterion of the trial, found once a scene.

        Of a later day it is that of the reference date where no day of change lies in between.
        """
        # By identity: what a trial asks lives as long as the trial.
        found = self.memo.get(id(asked))
        if found is None:
            found = by(asked, self) if self.base is None else self._later(asked, by, self.base)
            self.memo[id(asked)] = found
        return found

    def _later(self, asked: _A, by: Callable[[_A, Scene], Answer], base: Scene) -> Answer:
        found = base.answered(asked, by)
        for day in found.changes:
            if base.on < day <= self.on:
                return by(asked, self)
        return found

    @property
    def schedule(self) -> CourseConcept:
        """How courses are told; an expression that needs it is refused where the trial has none."""
        assert self.trial.concepts.courses is not None
        return self.trial.concepts.courses

    @property
    def study_tumour(self) -> TumourConcept:
        """Which tumour the trial is about; an expression that needs it is refused where the trial has none."""
        assert self.trial.concepts.tumour is not None
        return self.trial.concepts.tumour

    @property
    def statuses(self) -> StatusConcept:
        """How the course of the disease is told; an expression that needs it is refused where the trial has none."""
        assert self.trial.concepts.status is not None
        return self.trial.concepts.status

    @cached_property
    def units(self) -> Units:
        """Unit spellings, the site's before the general ones."""
        return self.site.units(self.trial.units)

    @cached_property
    def person(self) -> Patient | None:
        """The surviving identity, or any when that one is not known."""
        return self.record.identities[0] if self.record.identities else None

    @of_record
    def attestations(self) -> Attestations:
        """What persons attested up to the reference date, by linkId."""
        return attestations(self.record, trial=self.trial.id, on=self.on)

    @of_record
    def assessments(self) -> tuple[Assessment, ...]:
        """What was said of the course of the disease."""
        from adapter.criteria.concepts.disease import assessments  # noqa: PLC0415 - concepts are made from scenes

        return assessments(self)

    @of_record
    def corrections(self) -> Corrections:
        """Which results are replaced by a correction of the same instant."""
        from adapter.criteria.concepts.corrections import Corrections  # noqa: PLC0415 - concepts are made from scenes

        return Corrections(self)

    @of_record
    def readings(self) -> Readings:
        """Laboratory results by analyte."""
        from adapter.criteria.concepts.laboratory import Readings  # noqa: PLC0415 - concepts are made from scenes

        return Readings(self)

    @of_record
    def tumours(self) -> Tumours:
        """The tumours on record and what belongs to which."""
        from adapter.criteria.concepts.tumours import Tumours  # noqa: PLC0415 - concepts are made from scenes

        return Tumours(self)

    @of_record
    def ties(self) -> Ties:
        """What each value of the whole record is tied to, also where only later values are looked at."""
        if self.origin is not None:
            return self.origin.ties
        from adapter.criteria.concepts.imaging import Ties  # noqa: PLC0415 - concepts are made from scenes

        return Ties(self.record)

    @of_record
    def examinations(self) -> dict[ValueSet, Examinations]:
        """Examinations by what they are of, as they are asked for; a later day brings no others."""
        return {}

    @of_record
    def courses(self) -> Courses:
        """Cycles and courses of the treatment: of the whole record, for a course does not begin with what is looked at."""
        if self.origin is not None:
            return self.origin.courses
        from adapter.criteria.concepts.prrt import Courses  # noqa: PLC0415 - concepts are made from scenes

        return Courses.of(self)

    def declared(self, domain: str, window: Validity) -> tuple[date | None, frozenset[date]]:
        """Until when a declaration covers a window that ends with the reference date, and the days on which that may change.

        Returns:
            None where none covers it; a window for good is never covered.
        """
        start = window.first_day(self.on)
        until = self.site.complete_until(domain, start, self.on) if start is not None else None
        changes = {
            day
            for item in self.site.completeness
            if item.domain == domain
            for day in (*window.reaches(item.start), item.end + timedelta(days=1))
        }
        return until, frozenset(day for day in changes if day > self.on)

    def unread_condition(self, window: Validity, *value_sets: ValueSet) -> tuple[bool, frozenset[date]]:
        """Whether a Condition that cannot be read, and so may be of the value sets, is on record and not over before a window.

        Absence is not presumed beside it. It stands in words, or in a code of another system; of ICD-10-CM, which shares
        the categories of ICD-10, only a code that would be of the value sets.

        Returns:
            that, and the days on which the window has left one of them behind.
        """
        start = window.first_day(self.on)
        ends = [
            over
            for over, shared in self._unread
            if not shared or any(item.has(ICD10, code) for code in shared for item in value_sets)
        ]
        changes = {day for over in ends if over.is_bounded for day in window.lapses(over.latest) if day > self.on}
        return any(start is None or over.latest >= start for over in ends), frozenset(changes)

    @of_record
    def _unread(self) -> tuple[tuple[When, tuple[str, ...]], ...]:
        """The Conditions on record without a code that criteria read: when each ended, and its codes of ICD-10-CM."""
        found = []
        for item in self.record.conditions:
            codes = self.codes(item.code)
            if any(system in _READ_SYSTEMS for system, _ in codes) or not is_on_record(item, self.on):
                continue
            shared = tuple(code for system, code in codes if system == ICD10_CM)
            found.append((abated(item) or ALWAYS, shared))
        return tuple(found)

    def window(self, days: int) -> date:
        """First day of a window that ends with the reference date."""
        return self.on - timedelta(days=days)

    def standard(self, coding: Coding) -> tuple[tuple[str, str], ...]:
        """A coding in standard systems."""
        return self._meanings.of(coding).codes

    def codes(self, *concepts: CodeableConcept | None) -> tuple[tuple[str, str], ...]:
        """All codings of some concepts in standard systems."""
        told = [self.meaning(concept).codes for concept in concepts if concept is not None]
        return told[0] if len(told) == 1 else tuple(chain.from_iterable(told))

    def has(self, value_set: ValueSet, *concepts: CodeableConcept | None) -> bool:
        """Whether any coding is in the value set."""
        if self.trial.value_sets.get(value_set.id) is not value_set:
            return any(value_set.has(*code) for code in self.codes(*concepts))
        # In most cases one concept: a generator would cost more than the answer.
        told = [self.meaning(concept).sets for concept in concepts if concept is not None]
        return value_set in told[0] if len(told) == 1 else any(value_set in sets for sets in told)

    def in_any(self, value_sets: Iterable[ValueSet], *concepts: CodeableConcept | None) -> bool:
        """Whether any coding is in one of the value sets."""
        return any(self.has(item, *concepts) for item in value_sets)

    def sets_of(self, concepts: Iterable[CodeableConcept]) -> frozenset[ValueSet]:
        """The trial's value sets that any of some concepts is in."""
        return frozenset().union(*(self.meaning(concept).sets for concept in concepts))

    @of_record
    def measured(self) -> Remembered[Sent, Measured]:
        """What results of the site were found to say of analytes."""
        return self._meanings.measured

    @of_record
    def _meanings(self) -> Meanings:
        return self.trial.meanings(self.site)

    @of_record
    def _known(self) -> dict[int, tuple[CodeableConcept, Meaning]]:
        """What concepts of the record mean, by identity: one concept is asked about by many criteria."""
        return {} if self.origin is None else self.origin._known

    def meaning(self, concept: CodeableConcept) -> Meaning:
        """What the codings of a concept mean, found once for all criteria that ask."""
        found = self._known.get(id(concept))
        if found is None:
            # With the concept, so that no other one can get its identity.
            found = self._known[id(concept)] = (concept, self._meanings.of(*concept.coding))
        return found[1]

    def conditions_in(self, value_set: ValueSet) -> tuple[Condition, ...]:
        """Conditions of the value set that are on record: neither refuted nor an error nor surely later."""
        return self._conditions.get(value_set, ())

    @of_record
    def _conditions(self) -> dict[ValueSet, tuple[Condition, ...]]:
        """Conditions on record by value set."""
        found: dict[ValueSet, list[Condition]] = {}
        for condition in self.record.conditions:
            if condition.code is None:
                continue
            sets = self.meaning(condition.code).sets
            if sets and is_on_record(condition, self.on):
                for value_set in sets:
                    found.setdefault(value_set, []).append(condition)
        return {value_set: tuple(items) for value_set, items in found.items()}

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
        if coding.system is not None and scene.site.system_of(coding.system) == system:
            return coding.code
    return codings[0].code if codings else None
