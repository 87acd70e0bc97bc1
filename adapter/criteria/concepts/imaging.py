"""In: imaging procedures, studies and reports, the values tied to them. Out: whether one is in the window, and what the latest one found.

One examination is all that is recorded of one calendar day; its values are those tied to it, or tied to nothing and of
its day (clarifications.md 31).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from adapter.criteria.answer import Answer, Converted, Evidence, Reason, Wanted
from adapter.criteria.attestation import Validity
from adapter.criteria.concepts.laboratory import compare
from adapter.criteria.concepts.reading import Reading
from adapter.criteria.scene import FLAG_ONLY, USABLE, Scene, code_text, evidence_of, within
from adapter.criteria.tree import Examination, ExaminationValue
from adapter.criteria.truth import Truth
from adapter.fhir import (
    EXACT,
    NumberInterval,
    PatientRecord,
    When,
    add_months,
    normalise_reference,
    parse_when,
    when_of,
)
from adapter.fhir.datatypes import CodeableConcept, Reference
from adapter.fhir.resources import DiagnosticReport, ImagingStudy, Observation, Resource
from adapter.terminology import ValueSet

__all__ = ["Examinations", "Ties", "answer_examination", "answer_examination_value", "shown_reading"]

_WANTED = (Wanted("sstr-imaging"),)
#: ImagingStudy.status: what it shows was not done, or not on this person.
_DROPPED = frozenset({"cancelled", "entered-in-error"})
#: What a value can be tied to that is an examination; a document or another value is none.
_IMAGING = ("DiagnosticReport/", "ImagingStudy/", "Procedure/")


class Ties:
    """What each Observation of a record is tied to by partOf, derivedFrom or a report's result; made once."""

    def __init__(self, record: PatientRecord) -> None:
        self._up: dict[str, set[str]] = {}
        for observation in record.observations:
            self._tie(observation.reference, (*observation.part_of, *observation.derived_from))
            for member in _targets(observation.has_member):
                self._up.setdefault(member, set()).add(observation.reference)
        for report in record.of_type("DiagnosticReport"):
            if not isinstance(report, DiagnosticReport) or report.status not in USABLE:
                continue
            self._tie(report.reference, report.imaging_study)
            for result in _targets(report.result):
                self._up.setdefault(result, set()).add(report.reference)

    def _tie(self, reference: str, targets: tuple[Reference, ...]) -> None:
        if targets:
            self._up.setdefault(reference, set()).update(_targets(targets))

    def of(self, observation: Observation) -> frozenset[str]:
        """References of the procedures, studies and reports, through panels and other values too; empty when tied to nothing."""
        found: set[str] = set()
        ahead = [observation.reference]
        while ahead:
            new = self._up.get(ahead.pop(), set()) - found
            found |= new
            ahead.extend(new)
        return frozenset(item for item in found if item.startswith(_IMAGING))


def _targets(references: tuple[Reference, ...]) -> Iterator[str]:
    for item in references:
        target = normalise_reference(item.reference) if item.reference else None
        if target is not None:
            yield target


@dataclass(frozen=True, slots=True)
class _Made:
    """One examination: its day, or, of a day that is not sure, what is known of it; ``unread`` where nothing of it can be read."""

    when: When
    resources: tuple[tuple[Resource, Evidence], ...]
    unread: bool = False

    @property
    def references(self) -> frozenset[str]:
        return frozenset(resource.reference for resource, _ in self.resources)

    def evidence(self, scene: Scene) -> tuple[Evidence, ...]:
        """What of it the scene holds: of a later part of a record only what is of that part."""
        return tuple(
            evidence
            for resource, evidence in self.resources
            if scene.origin is None or any(item is resource for item in scene.record.of_type(resource.resource_type))
        )


class Examinations(NamedTuple):
    """The examinations of one kind in a record, and the reports of them that are not final; of whatever day up to the reference date."""

    made: list[_Made]
    flagged: list[tuple[When, Evidence]]

    @classmethod
    def of(cls, value_set: ValueSet, scene: Scene) -> Examinations:
        """Read a scene's own record."""
        counting, flagged = _recorded(value_set, scene)
        return cls(_grouped(counting, scene.record), flagged)


@dataclass(frozen=True, slots=True)
class _Window:
    """The examinations of a record, placed about a window; ``flagged`` are reports that are not final."""

    inside: tuple[tuple[_Made, Truth], ...]
    old: tuple[_Made, ...]
    flagged: tuple[Evidence, ...]
    changes: frozenset[date]

    @classmethod
    def of(cls, value_set: ValueSet, months: int, scene: Scene) -> _Window:
        """Read a scene's own record."""
        if value_set not in scene.examinations:
            scene.examinations[value_set] = Examinations.of(value_set, scene)
        made, flagged = scene.examinations[value_set]
        if not made and not flagged:
            return _NO_WINDOW
        start = add_months(scene.on, -months)
        placed = [(item, _placed(item, start, scene.on)) for item in made]
        inside = tuple((item, truth) for item, truth in placed if truth is not Truth.F)
        lapses = Validity(months=months).lapses
        return cls(
            inside=inside,
            old=tuple(item for item in made if item.when.latest < start),
            flagged=tuple(evidence for when, evidence in flagged if within(when, start, scene.on) is not Truth.F),
            changes=frozenset().union(
                *(lapses(day) for item, _ in inside for day in _known_ends(item.when)),
                *(_still_to_pass(item.when, scene.on) for item, _ in inside),
            ),
        )

    @property
    def is_sure(self) -> bool:
        """One surely lies in it."""
        return any(truth is Truth.T for _, truth in self.inside)

    def open(self, scene: Scene) -> Answer:
        """Why there is none that surely lies in the window."""
        if self.inside:
            evidence = tuple(shown for item, _ in self.inside for shown in item.evidence(scene))
            return Answer(
                Truth.U, _unsure(item for item, _ in self.inside), evidence, changes=self.changes, wanted=_WANTED
            )
        newest = max(self.old, key=lambda item: item.when.end, default=None)
        evidence = newest.evidence(scene) if newest else ()
        if self.flagged:
            return Answer(Truth.U, Reason.STATUS, evidence, context=self.flagged, wanted=_WANTED)
        return Answer(Truth.U, Reason.TOO_OLD if newest else Reason.NO_DATA, evidence, wanted=_WANTED)


_NO_WINDOW = _Window((), (), (), frozenset())


def _placed(made: _Made, start: date, on: date) -> Truth:
    """Whether it lies in a window; U of one that cannot be read, for it may not have been made."""
    truth = within(made.when, start, on)
    return Truth.U if made.unread and truth is Truth.T else truth


def _unsure(rivals: Iterable[_Made]) -> Reason:
    return Reason.NOT_READ if any(item.unread for item in rivals) else Reason.IMPRECISE_DATE


def _known_ends(when: When) -> Iterator[date]:
    # The ends of an unknown time are no days on which anything happens.
    return (day for day in (when.earliest, when.latest) if date.min.year + 1 < day.year < date.max.year - 1)


def _still_to_pass(when: When, on: date) -> frozenset[date]:
    """The day from which on something that may still lie ahead surely has been."""
    return frozenset(day for day in _known_ends(when) if day > on)


def _recorded(value_set: ValueSet, scene: Scene) -> tuple[list[tuple[Resource, Evidence]], list[tuple[When, Evidence]]]:
    """What is on record of such examinations up to the reference date, and the reports of them that are not final."""
    found: list[tuple[Resource, Evidence]] = []
    flagged: list[tuple[When, Evidence]] = []
    for resource, concepts, counts in _imaging(scene.record):
        concept = next((item for item in concepts if scene.has(value_set, item)), None)
        when = when_of(resource)
        # What lies within another without a day of its own is told by that one.
        if concept is None or when.earliest > scene.on or ("#" in resource.reference and not when.is_bounded):
            continue
        evidence = evidence_of(resource, code_text(scene, concept, value_set.system), when)
        if counts:
            found.append((resource, evidence))
        elif isinstance(resource, DiagnosticReport) and resource.status in FLAG_ONLY:
            flagged.append((when, evidence))
    return found, flagged


def _imaging(record: PatientRecord) -> Iterator[tuple[Resource, tuple[CodeableConcept, ...], bool]]:
    """Procedures, studies and reports, the concepts that say what each is, and whether its status counts."""
    resource: Resource
    for resource in record.procedures:
        yield resource, _given(resource.code), resource.status == "completed" or resource.reference in record.unread
    for resource in record.of_type("ImagingStudy"):
        if isinstance(resource, ImagingStudy):
            yield resource, resource.performed, resource.status not in _DROPPED
    for resource in record.of_type("DiagnosticReport"):
        if isinstance(resource, DiagnosticReport):
            yield resource, _given(resource.code), resource.status in USABLE


def _given(concept: CodeableConcept | None) -> tuple[CodeableConcept, ...]:
    return () if concept is None else (concept,)


def _grouped(recorded: list[tuple[Resource, Evidence]], record: PatientRecord) -> list[_Made]:
    """One examination a calendar day; of a day that is not sure, one a code and time."""
    whens: dict[str, When] = {}
    groups: dict[str, list[tuple[Resource, Evidence]]] = {}
    keys: dict[str, str] = {}
    late: list[tuple[DiagnosticReport, Evidence]] = []
    for resource, evidence in recorded:
        if isinstance(resource, DiagnosticReport) and resource.imaging_study:
            late.append((resource, evidence))
        else:
            keys[resource.reference] = _add(resource, evidence, whens, groups)
    for report, evidence in late:
        # A report of a study that is one of them is of that day, whenever it was written.
        studies = {keys[target] for target in _targets(report.imaging_study) if target in keys}
        if len(studies) == 1:
            groups[studies.pop()].append((report, evidence))
        else:
            _add(report, evidence, whens, groups)
    return [
        _Made(whens[key], tuple(items), all(resource.reference in record.unread for resource, _ in items))
        for key, items in groups.items()
    ]


def _add(
    resource: Resource,
    evidence: Evidence,
    whens: dict[str, When],
    groups: dict[str, list[tuple[Resource, Evidence]]],
) -> str:
    when = when_of(resource)
    # Of a month only, the same code of the same kind of record is the same examination, sent again or not.
    vague = f"{when.start}/{when.end}/{resource.resource_type}/{evidence.value}"
    key = str(when.earliest) if when.is_one_day else vague
    whens.setdefault(key, (parse_when(key) or when) if when.is_one_day else when)
    groups.setdefault(key, []).append((resource, evidence))
    return key


def answer_examination(node: Examination, scene: Scene) -> Answer:
    """One surely lies between that many calendar months before the reference date and that date, both days included.

    Absence is open: no site can declare its imaging complete.
    """
    window = _Window.of(node.value_set, node.within_months, scene)
    if not window.is_sure:
        return window.open(scene)
    evidence = tuple(shown for item, truth in window.inside if truth is Truth.T for shown in item.evidence(scene))
    return Answer(Truth.T, evidence=evidence, changes=window.changes)


def answer_examination_value(node: ExaminationValue, scene: Scene) -> Answer:
    """What the latest examination in the window found satisfies the comparison.

    An older one never stands in for a later one without such a value. Which examination is the latest is told from the
    whole record, also when only later values are looked at.
    """
    whole = scene.origin or scene
    window = _Window.of(node.value_set, node.within_months, whole)
    if not window.is_sure:
        return window.open(scene)
    sure = [item for item, truth in window.inside if truth is Truth.T]
    rivals = [item for item, _ in window.inside if not any(other.when.surely_after(item.when) for other in sure)]
    answers = [_found(item, node, scene) for item in rivals]
    changes = window.changes.union(*(answer.changes for answer in answers))
    evidence = tuple(dict.fromkeys(item for answer in answers for item in answer.evidence))
    if len(answers) == 1:
        return answers[0].but(changes=changes)
    # Days that are not sure: each of them may have been the latest.
    truths = {answer.truth for answer in answers}
    if len(truths) == 1 and Truth.U not in truths:
        return answers[0].but(evidence=evidence, changes=changes)
    return Answer(Truth.U, _unsure(rivals), evidence, changes=changes, wanted=_WANTED)


def _found(made: _Made, node: ExaminationValue, scene: Scene) -> Answer:
    """What one examination found."""
    readings = [item for item in scene.readings.of(node.analyte) if item.is_result and item.when.earliest <= scene.on]
    placed = [(item, _belongs(item, made, scene)) for item in readings]
    near = [(item, belongs) for item, belongs in placed if belongs is not Truth.F]
    used = _corrected([(item, belongs) for item, belongs in near if item.observation.status in USABLE], scene)
    wanted = (Wanted(node.analyte.id),)
    evidence = (*made.evidence(scene), *(shown_reading(item) for item, _ in used))
    changes = frozenset().union(*(_still_to_pass(item.when, scene.on) for item, _ in used))
    if not used:
        context = tuple(shown_reading(item) for item, _ in near)
        reason = Reason.STATUS if context else Reason.NO_DATA
        return Answer(Truth.U, reason, evidence, context=context, wanted=wanted)
    said = [(item, _said(item, node)) for item, belongs in used if belongs is Truth.T]
    truths = {_said(item, node) for item, _ in used}
    if said and len(truths) == 1 and (truth := truths.pop()) is not Truth.U:
        return Answer(truth, evidence=evidence, changes=changes)
    return Answer(Truth.U, _why(said), evidence, changes=changes, wanted=wanted)


def _said(reading: Reading, node: ExaminationValue) -> Truth:
    return Truth.U if reading.value is None else compare(reading.value, node.comparison)


def _why(said: list[tuple[Reading, Truth]]) -> Reason:
    """Why what an examination's own values say is open."""
    truths = {truth for _, truth in said}
    if {Truth.T, Truth.F} <= truths:
        return Reason.CONFLICT
    if Truth.U in truths:
        return next((item.problem for item, _ in said if item.problem), Reason.COMPARATOR)
    return Reason.IMPRECISE_DATE


def _belongs(reading: Reading, made: _Made, scene: Scene) -> Truth:
    """Tied to it, or tied to nothing and of its day; U where that, or that it is no later than today, is not sure."""
    tied = scene.ties.of(reading.observation)
    if tied:
        belongs = Truth.T if tied & made.references else Truth.F
    elif reading.when.earliest > made.when.latest or made.when.earliest > reading.when.latest:
        belongs = Truth.F
    else:
        belongs = Truth.T if reading.when.is_one_day and made.when.is_one_day else Truth.U
    return Truth.U if belongs is Truth.T and reading.when.latest > scene.on else belongs


def _corrected(used: list[tuple[Reading, Truth]], scene: Scene) -> list[tuple[Reading, Truth]]:
    """Without what another result of the same instant and code corrects (clarifications.md 10)."""

    def key(item: Reading) -> tuple[When, frozenset[tuple[str, str]]]:
        return item.when, frozenset(scene.codes(item.observation.code))

    corrected = {key(item) for item, belongs in used if item.corrects and belongs is Truth.T}
    return [(item, belongs) for item, belongs in used if item.corrects or key(item) not in corrected]


def shown_reading(reading: Reading) -> Evidence:
    """The reading as evidence, with what it is in the analyte's unit."""
    if reading.value is None:
        return reading.evidence
    value = reading.value
    shortest = NumberInterval(
        value.low.normalize(EXACT), value.high.normalize(EXACT), value.low_open, value.high_open
    ).text()
    return reading.evidence.but(converted=Converted(shortest, reading.analyte.unit))
