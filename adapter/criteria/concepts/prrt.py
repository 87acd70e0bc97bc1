"""In: MedicationAdministrations of Lutathera. Out: cycles without duplicates, the first and second course, and what cannot be told.

Rules: clarifications.md 1, eligibility.yaml `derived`; the numbers stand in the trial's concept of kind treatment-courses.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

from adapter.criteria.answer import Answer, Evidence, Reason, Wanted
from adapter.criteria.attestation import FOR_GOOD, Validity, latest_attestation
from adapter.criteria.concepts.naming import product_named
from adapter.criteria.scene import evidence_of
from adapter.criteria.tree import CycleCount, SecondCourse
from adapter.criteria.truth import Truth
from adapter.fhir import When, is_usable, normalise_reference, parse_when, plain, when_of
from adapter.fhir.datatypes import CodeableConcept
from adapter.fhir.resources import MedicationAdministration, Procedure
from adapter.terminology import plain_code

if TYPE_CHECKING:
    from adapter.criteria.prepared import CourseConcept
    from adapter.criteria.scene import Scene

__all__ = ["Courses", "Cycle", "answer_cycles", "answer_second_course", "second_course_open"]

_DONE = frozenset({"completed"})
_DROPPED = frozenset({"not-done", "entered-in-error"})


@dataclass(frozen=True, slots=True)
class Cycle:
    """One infusion, however many resources tell of it; ``completed`` False: stopped, in progress, or not surely Lutathera."""

    when: When
    completed: bool
    evidence: tuple[Evidence, ...]
    batches: frozenset[str]
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Courses:
    """The courses of one person.

    Attributes:
        first: cycles that surely are of the first recorded course, in order.
        uncertain: later cycles that may or may not belong to it.
        second: the first cycle of the next course, where the split is sure.
        open_reason: why the split or the count cannot be told, None when it can.
        earlier: records that point to a PRRT before the first recorded cycle.
        encounters: encounters of the treatment.
        products: the infusions and the products given in them, as references.
        others: procedures of the treatment that may be cycles of the first course without an infusion on record.
    """

    first: tuple[Cycle, ...] = ()
    uncertain: tuple[Cycle, ...] = ()
    second: tuple[Cycle, ...] = ()
    open_reason: Reason | None = None
    earlier: tuple[Evidence, ...] = ()
    encounters: frozenset[str] = frozenset()
    products: frozenset[str] = frozenset()
    others: tuple[Evidence, ...] = ()

    @classmethod
    def of(cls, scene: Scene) -> Courses:
        """Read the courses of a scene."""
        if scene.trial.concepts.courses is None:
            return cls()
        infusions = _infusions(scene)
        encounters = frozenset(
            literal
            for resource, _ in infusions
            for node in (resource.context, resource.encounter)
            if node and (literal := node.reference)
        )
        products = frozenset(
            target
            for resource, _ in infusions
            for node in (resource.medication_reference, resource.medication and resource.medication.reference)
            if node and node.reference and (target := normalise_reference(node.reference))
        ) | {resource.reference for resource, _ in infusions}
        cycles = _merged([cycle for _, cycle in infusions], scene.schedule)
        if not cycles:
            return cls(
                encounters=encounters, earlier=tuple(mark for mark, _ in _marks(scene, scene.schedule.second_mark))
            )
        first, uncertain, second, reason = _split(cycles, scene.schedule)
        others = _others(scene, cycles, (*first, *uncertain))
        reason = reason or (Reason.COURSE_UNDECIDED if others else None)
        return cls(
            first, uncertain, second, reason, _earlier(scene, (*first, *uncertain)), encounters, products, others
        )

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """Every infusion of the first course, and what may be one."""
        return tuple(item for cycle in (*self.first, *self.uncertain) for item in cycle.evidence) + self.others

    @property
    def count(self) -> tuple[int, int]:
        """The fewest and the most completed cycles that the first recorded course can have."""
        low = sum(cycle.completed for cycle in self.first)
        return low, len(self.first) + len(self.uncertain)

    def established(self, scene: Scene) -> bool:
        """The first recorded course is the patient's first PRRT: exactly its cycles, completed, and nothing before, or attested."""
        if self.is_attested(scene):
            return bool(self.first) and not self.earlier
        whole = scene.schedule.cycles
        return self.count == (whole, whole) and self.open_reason is None and not self.earlier

    def is_attested(self, scene: Scene) -> bool:
        """A person attested the first course, or a record is marked as it."""
        attested = latest_attestation(scene.attestations, scene.schedule.attested_by, on=scene.on, validity=FOR_GOOD)
        return (attested is not None and attested[0].truth is Truth.T) or bool(_marks(scene, scene.schedule.first_mark))

    def last_cycle(self, scene: Scene) -> When | None:
        """When the first PRRT's last cycle was; None unless the course is established and its end is known."""
        if not self.established(scene):
            return None
        recorded = (*self.first, *self.uncertain)
        if not all(cycle.when.is_bounded for cycle in recorded):
            # One of unknown time may be the last, or of another course.
            return None
        if not self.is_attested(scene):
            return self.first[-1].when
        # The whole course is attested: the cycle of its number ends it, wherever a later split may lie. With fewer on
        # record the last one may have been given elsewhere, and those that are may be of a later course.
        whole = scene.schedule.cycles
        return recorded[whole - 1].when if len(recorded) >= whole else None

    def second_start(self, scene: Scene) -> When | None:
        """When the second PRRT's first cycle was, if any is recorded."""
        if self.is_attested(scene):
            after = (*self.first, *self.uncertain)[scene.schedule.cycles :]
            return after[0].when if after else (self.second[0].when if self.second else None)
        return self.second[0].when if self.second else None

    def second_cycles(self, scene: Scene) -> tuple[Cycle, ...]:
        """The cycles that surely are of the course after the first PRRT; empty unless that one is established."""
        if not self.established(scene):
            return ()
        after = self.second
        if self.is_attested(scene):
            after = ((*self.first, *self.uncertain)[scene.schedule.cycles :]) + self.second
        # The gaps that part the first course from the second part the second from a third.
        return _split(list(after), scene.schedule)[0] if after else ()


def answer_second_course(node: SecondCourse, scene: Scene) -> Answer:
    """The second PRRT has had its completed cycles; fewer is open, for they may have been given elsewhere."""
    cycles = scene.courses.second_cycles(scene)
    evidence = tuple(item for cycle in cycles for item in cycle.evidence)
    if sum(cycle.completed for cycle in cycles) >= node.at_least:
        return Answer(Truth.T, evidence=evidence)
    return second_course_open(scene)


def second_course_open(scene: Scene) -> Answer:
    """The second PRRT, or its cycles, are not known; those that are on record are shown."""
    evidence = tuple(item for cycle in scene.courses.second_cycles(scene) for item in cycle.evidence)
    return Answer(Truth.U, Reason.COURSE_UNDECIDED, evidence, wanted=(Wanted("second-course"),))


def _is_lutathera(scene: Scene, *concepts: CodeableConcept | None) -> Truth:
    """T by code; U when only a text names it, its code in another system or a class of drugs that holds it, and no code of another drug is there; F else."""
    codes = list(scene.codes(*concepts))
    lutathera = scene.schedule.medication
    if any(lutathera.has(*code) for code in codes):
        return Truth.T
    drugs = [plain_code(system, code) for system, code in codes if system == lutathera.system]
    # ATC codes begin with those of their classes: V10XX is no other drug, it is what Lutathera had before a code of its own.
    if any(not any(code.startswith(drug) for code in lutathera.codes) for drug in drugs):
        return Truth.F
    codings = [coding for concept in concepts if concept for coding in concept.coding]
    texts = [text for text in (*(c.text for c in concepts if c), *(coding.display for coding in codings)) if text]
    # Written under another name of its system, or under none, it is no code that is known, and no other drug.
    named = any(coding.code and plain_code(lutathera.system, coding.code) in lutathera.codes for coding in codings)
    named = named or any(scene.schedule.text.search(text) for text in texts)
    return Truth.U if named or (drugs and not texts) else Truth.F


def _infusions(scene: Scene) -> list[tuple[MedicationAdministration, Cycle]]:
    found = []
    for resource in scene.record.administrations:
        if resource.status in _DROPPED or when_of(resource).earliest > scene.on:
            continue
        medication = scene.record.medication(resource)
        concepts = [
            resource.medication_codeable_concept,
            resource.medication.concept if resource.medication else None,
            medication.code if medication else None,
            product_named(resource),
        ]
        truth = _is_lutathera(scene, *concepts)
        if truth is Truth.F:
            continue
        batch = medication.batch.lot_number if medication and medication.batch else None
        done = resource.status in _DONE
        reason = None if done and truth is Truth.T else Reason.NOT_READ if done else Reason.STATUS
        dose = resource.dosage.dose if resource.dosage else None
        given = (
            f"{plain(dose.value)} {dose.unit or dose.code or ''}".strip()
            if dose and dose.value is not None and is_usable(dose.value)
            else None
        )
        text = ", ".join(part for part in (resource.status, given) if part)
        began = _beginning(resource)
        cycle = Cycle(
            began, reason is None, (evidence_of(resource, text, began),), frozenset({batch} if batch else ()), reason
        )
        found.append((resource, cycle))
    return found


def _beginning(resource: MedicationAdministration) -> When:
    """When an infusion began: it lasts half an hour, and its end may not be written."""
    period = resource.effective_period or resource.occurence_period
    return (parse_when(period.start) if period else None) or when_of(resource)


def _merged(cycles: list[Cycle], schedule: CourseConcept) -> list[Cycle]:
    """One cycle where several resources tell of one infusion: same calendar day, or same batch within a few days."""
    merged: list[Cycle] = []
    for cycle in sorted(cycles, key=lambda item: (item.when.start, item.when.end)):
        index = next((i for i, other in enumerate(merged) if _same(other, cycle, schedule)), None)
        if index is None:
            merged.append(cycle)
            continue
        other = merged[index]
        # Stopped in one record and completed in another: whether it was a cycle is for a person to say.
        worst = other if not other.completed else cycle
        merged[index] = replace(worst, evidence=other.evidence + cycle.evidence, batches=other.batches | cycle.batches)
    return merged


def _same(one: Cycle, other: Cycle, schedule: CourseConcept) -> bool:
    if not (one.when.is_one_day and other.when.is_one_day):
        # Of a month only, two records are one infusion when they name the same month and the same batch.
        return one.when == other.when and bool(one.batches & other.batches)
    apart = abs((other.when.earliest - one.when.earliest).days)
    return apart == 0 or (apart <= schedule.same_batch_days and bool(one.batches & other.batches))


def _gap(one: When, other: When) -> tuple[int, int]:
    """Fewest and most days from one to the other."""
    return (other.earliest - one.latest).days, (other.latest - one.earliest).days


_Split = tuple[tuple[Cycle, ...], tuple[Cycle, ...], tuple[Cycle, ...], Reason | None]


def _split(cycles: list[Cycle], schedule: CourseConcept) -> _Split:
    """Cycles surely of the first course, those that may be, those after a sure split, and why something is open."""
    first = [cycles[0]]
    uncertain: list[Cycle] = []
    reason: Reason | None = None if cycles[0].when.is_bounded else Reason.IMPRECISE_DATE
    for index in range(1, len(cycles)):
        low, high = _gap(cycles[index - 1].when, cycles[index].when)
        if low >= schedule.new:
            return tuple(first), tuple(uncertain), tuple(cycles[index:]), reason
        if low >= schedule.close and high <= schedule.same and not uncertain:
            first.append(cycles[index])
            continue
        if not (low >= schedule.close and high <= schedule.same):
            # A gap that would be one thing or another by its exact day is a matter of the date, not of the course.
            sure = high < schedule.close or (low > schedule.same and high < schedule.new) or low == high
            reason = reason or (Reason.COURSE_UNDECIDED if sure else Reason.IMPRECISE_DATE)
        uncertain.append(cycles[index])
    return tuple(first), tuple(uncertain), (), reason


def _marks(scene: Scene, mark: tuple[str, str]) -> list[tuple[Evidence, When]]:
    """Infusions and procedures up to the reference date that carry a course mark, and their time."""
    marked: list[MedicationAdministration | Procedure] = []
    for resource in scene.record.administrations:
        category = resource.category if isinstance(resource.category, tuple) else (resource.category,)
        if mark in set(scene.codes(*category, *resource.reason_code)):
            marked.append(resource)
    marked += [item for item in scene.record.procedures if mark in set(scene.codes(item.code))]
    return [
        (evidence_of(item, mark[1]), when_of(item))
        for item in marked
        if item.status not in _DROPPED and when_of(item).earliest <= scene.on
    ]


def _earlier(scene: Scene, cycles: tuple[Cycle, ...]) -> tuple[Evidence, ...]:
    """What points to PRRT before the first recorded cycle.

    A mark of a second course on anything not surely after these cycles, and a Lutathera procedure long before them.
    """
    last = max(cycle.when.latest for cycle in cycles)
    marked = tuple(mark for mark, when in _marks(scene, scene.schedule.second_mark) if when.earliest <= last)
    before = []
    for procedure in scene.record.procedures:
        when = when_of(procedure)
        long_before = when.is_bounded and _gap(when, cycles[0].when)[0] >= scene.schedule.close
        if procedure.status == "completed" and long_before and _is_lutathera(scene, procedure.code) is not Truth.F:
            before.append(evidence_of(procedure, None))
    return marked + tuple(before)


def _others(scene: Scene, cycles: list[Cycle], course: tuple[Cycle, ...]) -> tuple[Evidence, ...]:
    """Coded procedures of the treatment, of the course's time, on days on which no infusion is on record.

    A hospital may record an infusion as a procedure (eligibility.yaml prrt_cycles.fallback); the count is open then. What
    lies before the first cycle is `_earlier`, what lies beyond the longest undecided gap is of another course.
    """
    schedule = scene.schedule
    last = max(cycle.when.latest for cycle in course)
    found = []
    for procedure in scene.record.procedures:
        when = when_of(procedure)
        if procedure.status != "completed" or not when.is_bounded or when.earliest > scene.on:
            continue
        in_course = when.latest > course[0].when.earliest and (when.earliest - last).days < schedule.new
        near = any(
            max(_gap(cycle.when, when)[0], _gap(when, cycle.when)[0]) <= schedule.same_batch_days for cycle in cycles
        )
        if in_course and not near and _is_lutathera(scene, procedure.code) is Truth.T:
            found.append(evidence_of(procedure, None))
    return tuple(found)


def answer_cycles(node: CycleCount, scene: Scene) -> Answer:
    """The first PRRT course has exactly ``node.equals`` completed cycles.

    More of them than that refute for good. Fewer refute only where the site declares that none of its administrations
    is missing (presumed), or a person attests it; else the others may have been given elsewhere.
    """
    attested = latest_attestation(scene.attestations, node.attested, on=scene.on, validity=FOR_GOOD)
    said = attested[0] if attested else None
    counted = _counted(node, scene)
    if said is None or attested is None or _reopened(said, attested[1], scene):
        return counted
    if counted.truth is Truth.U or counted.presumed:
        if said.truth is Truth.U:
            return said.but(evidence=counted.evidence + said.evidence, wanted=_wanted(node))
        return said.but(evidence=said.evidence + counted.evidence)
    if said.truth is counted.truth:
        return counted
    return Answer(Truth.U, Reason.CONFLICT, counted.evidence + said.evidence, wanted=_wanted(node))


def _reopened(said: Answer, given: When, scene: Scene) -> bool:
    """Whether infusions later than the attestation ask the question anew (clarifications.md 32).

    After "not four" every later one does; after "four" only one of the same course, for a second course must follow.
    """
    courses = scene.courses
    cycles = (*courses.first, *courses.uncertain, *(courses.second if said.truth is Truth.F else ()))
    return any(cycle.when.surely_after(given) for cycle in cycles)


def _wanted(node: CycleCount) -> tuple[Wanted, ...]:
    return Wanted(node.attested, attestation=True), Wanted("lutathera-history")


def _counted(node: CycleCount, scene: Scene) -> Answer:
    """What the infusions on record say alone."""
    courses = scene.courses
    low, high = courses.count
    evidence = courses.evidence
    if low > node.equals:
        return Answer(Truth.F, evidence=evidence)
    reason = courses.open_reason
    if courses.earlier:
        reason, evidence = Reason.COURSE_UNDECIDED, evidence + courses.earlier
    reason = reason or next((cycle.reason for cycle in courses.first if cycle.reason), None)
    if reason is not None:
        return Answer(Truth.U, reason, evidence, wanted=_wanted(node))
    if low == high == node.equals:
        return Answer(Truth.T, evidence=evidence)
    until, changes = _all_recorded(node, scene)
    if until is not None:
        return Answer(Truth.F, evidence=evidence, presumed=True, changes=changes)
    return Answer(Truth.U, Reason.NO_DATA, evidence, changes=changes, wanted=_wanted(node))


def _all_recorded(node: CycleCount, scene: Scene) -> tuple[date | None, frozenset[date]]:
    """Until when, and the days on which that may change, the site declares that no administration is missing from the time in which the other cycles can have been.

    Missing cycles of a recorded course lie within the longest gaps before its first one. Where there is none at all,
    the declaration must reach back the years the trial document names.
    """
    first = scene.courses.first
    if not first:
        return scene.declared("medication-administration", Validity(months=12 * scene.schedule.absence_years))
    missing = node.equals - len(first)
    start = first[0].when.earliest - timedelta(days=scene.schedule.same * max(missing, 1))
    until = scene.site.complete_until("medication-administration", start, scene.on)
    return until, frozenset() if until is None else frozenset({until + timedelta(days=1)})
