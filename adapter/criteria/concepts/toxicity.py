"""In: laboratory results, adverse events and the first course. Out: grade 4 toxicity during it, and what is unresolved after it.

Grades: mappings/terminology/ctcae.yaml; rules: clarifications.md 9, 12, 23, eligibility.yaml E03.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

from adapter.criteria.answer import Answer, Evidence, Reason, Wanted
from adapter.criteria.concepts.laboratory import compare
from adapter.criteria.concepts.limits import limits_of_normal
from adapter.criteria.concepts.naming import texts_of
from adapter.criteria.concepts.reading import Reading
from adapter.criteria.concepts.results import answer_laboratory
from adapter.criteria.scene import USABLE, Scene, evidence_of, within
from adapter.criteria.tree import CourseToxicity, Graded, Scale, UnresolvedToxicity
from adapter.criteria.truth import Truth
from adapter.fhir import normalise_reference, when_of
from adapter.fhir.datatypes import Extension
from adapter.fhir.resources import AdverseEvent, SuspectEntity

__all__ = ["answer_course_toxicity", "answer_unresolved_toxicity"]

#: R4 valueset-adverse-event-outcome: over, and surely not over.
_RESOLVED = frozenset({"resolved", "resolvedWithSequelae", "fatal"})
_UNRESOLVED = frozenset({"ongoing", "recovering"})
#: R4 valueset-adverse-event-causality-assess: what leaves the suspect a suspect.
_CAUSAL = frozenset({"certain", "probably-likely", "possible"})
_GRADE = re.compile(r"(?:grade\s*)?([1-5])", re.IGNORECASE)


def _has_grade(reading: Reading, graded: Graded, grade: int, scene: Scene) -> Truth:
    """Whether a result surely is, or surely is not, of that grade or worse."""
    comparison = graded.at_least(grade)
    if comparison is None:
        return Truth.F
    if reading.value is None:
        return Truth.U
    if graded.scale is Scale.VALUE:
        found = {compare(reading.value, comparison)}
    else:
        limits = [limit for limit in limits_of_normal(reading, scene, upper=True) if limit > 0]
        found = {compare(reading.value, comparison, factor=limit) for limit in limits}
    truth = found.pop() if len(found) == 1 else Truth.U
    # clarifications.md 9: clumped platelets count too low; a normal count stands all the same.
    return Truth.U if truth is Truth.T and reading.artefact else truth


def answer_course_toxicity(node: CourseToxicity, scene: Scene) -> Answer:
    """A result of the grade in the first PRRT proves (E03.a); only complete results without one refute.

    Complete (clarifications.md 23): every analyte has a result that is surely not of the grade in each interval from one
    cycle to the next, the day of the next included, and in the days after the last.
    """
    courses = scene.courses
    last = courses.last_cycle(scene)
    if last is None:
        return Answer(Truth.U, Reason.COURSE_UNDECIDED, courses.evidence, wanted=(Wanted("first-course"),))
    cycles = [cycle.when for cycle in (*courses.first, *courses.uncertain)][: scene.schedule.cycles]
    if not all(cycle.is_bounded for cycle in cycles):
        return Answer(Truth.U, Reason.COURSE_UNDECIDED, courses.evidence, wanted=(Wanted("first-course"),))
    end = last.latest + timedelta(days=node.after_days)
    days = _Days(
        (cycles[0].earliest, min(end, scene.on)),
        (cycles[0].latest, min(last.earliest + timedelta(days=node.after_days), scene.on)),
    )
    found = [
        (graded, reading, truth)
        for graded in node.analytes
        for reading, truth in _in_course(graded, node.grade, days, scene)
    ]
    worst = tuple(reading.evidence for _, reading, truth in found if truth is Truth.T)
    if worst:
        return Answer(Truth.T, evidence=worst)
    asking = [
        reading.evidence
        for graded in node.asks
        for reading, truth in _in_course(graded, node.grade, days, scene)
        if truth is Truth.T
    ]
    asking += _severe_events(scene, node.grade, *days.possible)
    open_ = [
        (_why_open(graded, reading, scene), reading.evidence) for graded, reading, truth in found if truth is Truth.U
    ]
    changes = frozenset({end}) if end > scene.on else frozenset()
    complete = _is_complete(node, [(item.earliest, item.latest) for item in cycles], scene)
    wanted = (Wanted(node.wanted, attestation=True),) if complete else (Wanted("first-course-results"),)
    if asking or open_:
        return Answer(
            Truth.U,
            Reason.ASKS if asking else open_[0][0],
            tuple(dict.fromkeys((*asking, *(evidence for _, evidence in open_)))),
            attestable=complete and not open_,
            changes=changes,
            wanted=wanted,
        )
    if not complete:
        return Answer(Truth.U, Reason.NO_DATA, changes=changes, wanted=wanted)
    return Answer(Truth.F, evidence=tuple(_worst(found)))


def _why_open(graded: Graded, reading: Reading, scene: Scene) -> Reason:
    if scene.corrections.of(reading.observation, reading.carrier) is not Truth.F:
        return Reason.CONFLICT
    if reading.artefact:
        return Reason.ASKS
    if reading.problem is not None:
        return reading.problem
    if not reading.when.is_one_day:
        return Reason.IMPRECISE_DATE
    return Reason.NO_REFERENCE_RANGE if graded.scale is Scale.ULN else Reason.COMPARATOR


def _worst(found: Iterable[tuple[Graded, Reading, Truth]]) -> Iterator[Evidence]:
    """The worst result of each analyte: what shows that a course went without the toxicity."""
    by_analyte: dict[str, tuple[bool, list[Reading]]] = {}
    for graded, reading, truth in found:
        if truth is Truth.F and reading.value is not None:
            lower = graded.grades[0][1].operator == "lt"
            by_analyte.setdefault(graded.analyte.id, (lower, []))[1].append(reading)
    for lower, readings in by_analyte.values():
        choose = min if lower else max
        yield choose(readings, key=lambda item: item.value.low if item.value else 0).evidence


@dataclass(frozen=True, slots=True)
class _Days:
    """The first and last day that may be of the course, and those that surely are."""

    possible: tuple[date, date]
    sure: tuple[date, date]


def _in_course(graded: Graded, grade: int, days: _Days, scene: Scene) -> Iterator[tuple[Reading, Truth]]:
    """Usable results that may lie in the course, and whether they are of the grade."""
    for reading in scene.readings.of(graded.analyte):
        if not reading.is_result or reading.observation.status not in USABLE:
            continue
        if within(reading.when, *days.possible) is Truth.F:
            continue
        replaced = scene.corrections.of(reading.observation, reading.carrier)
        if replaced is Truth.T:
            continue
        truth = _has_grade(reading, graded, grade, scene)
        sure = within(reading.when, *days.sure) is Truth.T and replaced is Truth.F
        yield reading, Truth.U if truth is Truth.T and not sure else truth


def _is_complete(node: CourseToxicity, cycles: list[tuple[date, date]], scene: Scene) -> bool:
    """Every analyte has a clean result in every interval; ``cycles`` are the first and last possible day of each."""
    day, after = timedelta(days=1), timedelta(days=node.after_days)
    intervals = [(one[1] + day, other[0]) for one, other in pairwise(cycles)]
    intervals.append((cycles[-1][1] + day, cycles[-1][0] + after))
    if cycles[-1][1] + after > scene.on:
        return False
    for graded in node.analytes:
        clean = [
            reading.when
            for reading in scene.readings.of(graded.analyte)
            if reading.is_result
            and reading.observation.status in USABLE
            and scene.corrections.of(reading.observation, reading.carrier) is Truth.F
            and _has_grade(reading, graded, node.grade, scene) is Truth.F
        ]
        if not all(any(within(when, *interval) is Truth.T for when in clean) for interval in intervals):
            return False
    return True


def answer_unresolved_toxicity(node: UnresolvedToxicity, scene: Scene) -> Answer:
    """An unresolved event of the grade, recorded as due to the treatment, proves (E03.b); nothing but a person refutes.

    A current result of the grade, or an event of unknown cause, is shown and asks.
    """
    wanted = (Wanted(node.wanted, attestation=True),)
    due: list[Evidence] = []
    asking: list[Evidence] = []
    shown: list[Evidence] = []
    for event in _events(scene):
        grade = _grade(event, scene)
        evidence = evidence_of(event, None if grade is None else f"grade {grade}")
        if grade is None and scene.site.adverse_event_grade is None:
            shown.append(evidence)
            continue
        unresolved = _is_unresolved(event)
        if unresolved is Truth.F or _is_excluded(event, node) or (grade is not None and grade < node.grade):
            continue
        if grade is None:
            # The site sends grades, and this one has none that can be read.
            asking.append(evidence)
            continue
        sure = when_of(event).latest <= scene.on and unresolved is Truth.T
        (due if sure and _is_due_to_treatment(event, scene) else asking).append(evidence)
    if due:
        return Answer(Truth.T, evidence=tuple(due))
    current = [
        scene.answered(question, answer_laboratory) for question in node.current if scene.readings.has(question.analyte)
    ]
    asking += [item for answer in current if answer.truth is Truth.T for item in answer.evidence]
    # A result of the grade only asks: without an attestation that it may reopen, no day changes the truth.
    changes = frozenset(day for answer in current for day in answer.changes) if scene.attestations else frozenset()
    last = (when_of(event).latest for event in _events(scene) if when_of(event).is_bounded)
    changes |= frozenset(day for day in last if day > scene.on)
    if asking:
        return Answer(
            Truth.U, Reason.ASKS, tuple(asking), attestable=True, changes=changes, context=tuple(shown), wanted=wanted
        )
    return Answer(
        Truth.U, Reason.NEEDS_ATTESTATION, attestable=True, changes=changes, context=tuple(shown), wanted=wanted
    )


def _events(scene: Scene) -> Iterator[AdverseEvent]:
    """Adverse events that happened and may be of the reference date or before."""
    for event in scene.record.of_type("AdverseEvent"):
        if not isinstance(event, AdverseEvent) or event.actuality == "potential" or event.status == "entered-in-error":
            continue
        if when_of(event).earliest <= scene.on:
            yield event


def _severe_events(scene: Scene, grade: int, start: date, end: date) -> Iterator[Evidence]:
    for event in _events(scene):
        found = _grade(event, scene)
        if found is not None and found >= grade and within(when_of(event), start, end) is not Truth.F:
            yield evidence_of(event, f"grade {found}")


def _grade(event: AdverseEvent, scene: Scene) -> int | None:
    """The grade by the site's own extension; R4 has no element for it."""
    for extension in event.extension:
        if extension.url is not None and extension.url == scene.site.adverse_event_grade:
            return _grade_of(extension)
    return None


def _grade_of(extension: Extension) -> int | None:
    if extension.value_integer is not None:
        return extension.value_integer if 1 <= extension.value_integer <= 5 else None
    concept = extension.value_codeable_concept
    codings = concept.coding if concept else ()
    words = [
        extension.value_code,
        extension.value_string,
        concept.text if concept else None,
        *(coding.code for coding in codings),
    ]
    found = {int(match[1]) for word in words if word and (match := _GRADE.fullmatch(word.strip()))}
    return found.pop() if len(found) == 1 else None


def _is_unresolved(event: AdverseEvent) -> Truth:
    """Whether it goes on; unknown, in words, in codes of the hospital's own or not written at all it may be over long since."""
    concepts = event.outcome if isinstance(event.outcome, tuple) else (event.outcome,)
    codes = {coding.code for concept in concepts if concept for coding in concept.coding}
    if codes & _RESOLVED and codes & _UNRESOLVED:
        return Truth.U
    return Truth.F if codes & _RESOLVED else Truth.T if codes & _UNRESOLVED else Truth.U


def _is_excluded(event: AdverseEvent, node: UnresolvedToxicity) -> bool:
    """Every name of the event is, as a whole, one of those that do not count."""
    names = texts_of([event.event]) if event.event is not None else ()
    told = [name.strip() for name in names]
    return bool(told) and all(node.excluded_text.fullmatch(name) for name in told)


def _is_due_to_treatment(event: AdverseEvent, scene: Scene) -> bool:
    """The record suspects an infusion of the treatment, or the product of one, and doubts it nowhere."""
    suspects = {
        normalise_reference(entity.instance.reference)
        for entity in event.suspect_entity
        if entity.instance and entity.instance.reference and _assessed(entity) <= _CAUSAL
    }
    return bool(suspects & scene.courses.products)


def _assessed(entity: SuspectEntity) -> set[str]:
    """How likely a suspect is the cause, as it was assessed."""
    told = entity.causality if isinstance(entity.causality, list) else [entity.causality]
    concepts = [item.get("assessment") for item in told if isinstance(item, dict)]
    codings = [
        coding
        for concept in concepts
        if isinstance(concept, dict) and isinstance(concept.get("coding"), list)
        for coding in concept["coding"]
    ]
    return {
        code.casefold()
        for coding in codings
        if isinstance(coding, dict) and isinstance(code := coding.get("code"), str)
    }
