"""In: disease-status and RECIST Observations, PRRT courses. Out: progression, control and response after each course.

clarifications.md 1, 29, 30: only on an established first course; usable statuses of the study tumour only; the earliest
worsened one after the last cycle.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from adapter.criteria.answer import Answer, Evidence, Reason, Wanted
from adapter.criteria.attestation import Validity
from adapter.criteria.concepts.prrt import second_course_open
from adapter.criteria.scene import Scene, code_text, evidence_of, within
from adapter.criteria.tree import ControlMonths, FirstResponse, NewProgression, Node, Progression, SecondResponse
from adapter.criteria.truth import Truth
from adapter.fhir import When, add_months, when_of
from adapter.fhir.resources import Observation, ObservationComponent

__all__ = [
    "Assessment",
    "answer_control",
    "answer_first_response",
    "answer_new_progression",
    "answer_progression",
    "answer_second_response",
    "assessments",
]


class _Kind(StrEnum):
    """Who says it how: a clinician's judgement, a RECIST category, the best category of a treatment."""

    CLINICAL = "clinical"
    RECIST = "recist"
    BEST = "best"


class _Said(StrEnum):
    WORSENED = "worsened"
    CONTROLLED = "controlled"
    NEITHER = "neither"
    UNREAD = "unread"


_N = TypeVar("_N", bound=Node)


@dataclass(frozen=True, slots=True)
class Assessment:
    """One usable statement on the course of the disease that is not surely of another tumour."""

    kind: _Kind
    said: _Said
    when: When
    belongs: Truth
    evidence: Evidence


def assessments(scene: Scene) -> tuple[Assessment, ...]:
    """All assessments that may be of the reference date or before, in time's order (`Scene.assessments` keeps them)."""
    concept = scene.statuses
    found = []
    for kind, asked in ((_Kind.CLINICAL, concept.clinical), (_Kind.RECIST, concept.recist), (_Kind.BEST, concept.best)):
        for observation, carrier in scene.readings.carriers(asked):
            said = _said(carrier, scene)
            if said is None or not scene.counts(observation):
                continue
            belongs = scene.tumours.belongs(observation)
            corrected = scene.corrections.by(observation, carrier)
            if corrected is not None and (when_of(observation).exact or _said(corrected, scene) is said):
                continue
            if corrected is not None and belongs is Truth.T:
                # Of one day only, the correction may be of another assessment.
                belongs = Truth.U
            if belongs is not Truth.F:
                concept_sent = carrier.value_codeable_concept
                text = code_text(scene, concept_sent, "http://snomed.info/sct") or carrier.value_string
                evidence = evidence_of(observation, text if said is not _Said.UNREAD else None)
                found.append(Assessment(kind, said, when_of(observation), belongs, evidence))
    return tuple(sorted(found, key=lambda item: (item.when.start, item.evidence.reference)))


def _said(carrier: Observation | ObservationComponent, scene: Scene) -> _Said | None:
    """What an answer says; None where there is none, ``UNREAD`` where codes and words are not known or disagree."""
    concept, told = carrier.value_codeable_concept, scene.statuses
    codes = set(scene.codes(concept))
    words = {_word(carrier.value_string), _word(concept.text if concept else None)} - {""}
    found = {
        said
        for said, coded, worded in (
            (_Said.WORSENED, told.worsened, told.worsened_words),
            (_Said.CONTROLLED, told.controlled, told.controlled_words),
            (_Said.NEITHER, told.neither, told.neither_words),
        )
        if codes & coded or words & worded
    }
    if len(found) == 1:
        return found.pop()
    has_value = concept is not None or any(
        value is not None
        for value in (carrier.value_string, carrier.value_quantity, carrier.value_integer, carrier.value_boolean)
    )
    return _Said.UNREAD if has_value else None


def _word(text: str | None) -> str:
    return (text or "").strip().upper()


def _worsenings(scene: Scene) -> list[Assessment]:
    """What worsened, and answers that cannot be read and may say so: those are of no tumour for sure."""
    return [
        item if item.said is _Said.WORSENED else replace(item, belongs=Truth.U)
        for item in scene.assessments
        if item.said in (_Said.WORSENED, _Said.UNREAD) and item.kind is not _Kind.BEST
    ]


def _course_open(scene: Scene) -> Answer:
    reason = Reason.COURSE_UNDECIDED
    return Answer(Truth.U, reason, scene.courses.evidence, wanted=(Wanted("first-course"),))


_P = ParamSpec("_P")


def _dated(answer: Callable[Concatenate[_N, Scene, _P], Answer]) -> Callable[Concatenate[_N, Scene, _P], Answer]:
    """An assessment whose partial date reaches past the reference date is decided once that is past."""

    @wraps(answer)
    def dated(node: _N, scene: Scene, /, *args: _P.args, **kwargs: _P.kwargs) -> Answer:
        found = answer(node, scene, *args, **kwargs)
        last = (item.when.latest for item in scene.assessments if item.when.is_bounded)
        days = frozenset(day for day in last if day > scene.on)
        return found.but(changes=found.changes | days) if days else found

    return dated


@_dated
def answer_control(node: ControlMonths, scene: Scene) -> Answer:
    """The earliest progression after the last cycle of the first PRRT lies at least that many calendar months after it."""
    last = scene.courses.last_cycle(scene)
    if last is None:
        return _course_open(scene)
    after = [item for item in _worsenings(scene) if item.when.latest > last.earliest]
    wanted = (Wanted("progression"),)
    if not after:
        return Answer(Truth.U, Reason.NO_DATA, wanted=wanted)
    sure = [
        item
        for item in after
        if item.belongs is Truth.T and item.when.earliest > last.latest and item.when.latest <= scene.on
    ]
    rivals = [item for item in after if not any(item.when.surely_after(other.when) for other in sure)]
    first, second = add_months(last.earliest, node.months), add_months(last.latest, node.months)
    truths = {_control(item.when, first, second) for item in rivals}
    evidence = tuple(item.evidence for item in rivals)
    if sure and len(truths) == 1 and (truth := truths.pop()) is not Truth.U:
        return Answer(truth, evidence=evidence)
    return Answer(Truth.U, _loose(rivals), evidence, wanted=wanted)


def _control(progressed: When, first: date, last: date) -> Truth:
    """Whether a progression lies on or after a day that is between ``first`` and ``last``."""
    if progressed.earliest >= last:
        return Truth.T
    return Truth.F if progressed.latest < first else Truth.U


def _loose(items: Iterable[Assessment]) -> Reason:
    """Why assessments that may count do not."""
    found = tuple(items)
    if any(item.said is _Said.UNREAD for item in found):
        return Reason.NOT_READ
    return Reason.UNATTRIBUTED if any(item.belongs is Truth.U for item in found) else Reason.IMPRECISE_DATE


@_dated
def answer_progression(_: Progression, scene: Scene) -> Answer:
    """A progression after the last cycle of the first PRRT, before the second, is on record; none is open."""
    last = scene.courses.last_cycle(scene)
    if last is None:
        return _course_open(scene)
    between = _between(scene, last, scene.courses.second_start(scene))
    counting = [(item, between(item)) for item in _worsenings(scene)]
    for item, sure in counting:
        if sure is Truth.T:
            return Answer(Truth.T, evidence=(item.evidence,))
    wanted = (Wanted("progression"),)
    open_ = [item for item, sure in counting if sure is Truth.U]
    if open_:
        dated = [item for item in open_ if item.belongs is not Truth.U]
        reason = _loose(open_) if not dated else Reason.IMPRECISE_DATE
        return Answer(Truth.U, reason, tuple(item.evidence for item in open_), wanted=wanted)
    return Answer(Truth.U, Reason.NO_DATA, wanted=wanted)


def _between(scene: Scene, last: When, second: When | None) -> Callable[[Assessment], Truth]:
    """Whether an assessment counts as one after ``last``, before ``second`` and up to the reference date, of the study tumour."""

    def counts(item: Assessment) -> Truth:
        when = item.when
        if when.latest <= last.earliest or (second is not None and when.earliest >= second.latest):
            return Truth.F
        sure = when.earliest > last.latest and when.latest <= scene.on
        sure = sure and (second is None or when.latest < second.earliest)
        return item.belongs if sure else Truth.U

    return counts


@dataclass(frozen=True, slots=True)
class _Counted:
    """Assessments that surely count, and those that may."""

    sure: tuple[Assessment, ...]
    open: tuple[Assessment, ...]

    @classmethod
    def of(cls, items: Iterable[Assessment], counts: Callable[[Assessment], Truth]) -> _Counted:
        judged = [(item, counts(item)) for item in items]
        return cls(
            tuple(item for item, truth in judged if truth is Truth.T),
            tuple(item for item, truth in judged if truth is Truth.U),
        )

    def only(self, *kinds: _Kind, said: _Said) -> _Counted:
        """Those of some kinds that say so; what cannot be read may."""
        mine = [item for item in self.sure if item.kind in kinds]
        open_ = [item for item in self.open if item.kind in kinds and item.said in (said, _Said.UNREAD)]
        unread = [item for item in mine if item.said is _Said.UNREAD]
        return _Counted(tuple(item for item in mine if item.said is said), (*open_, *unread))

    @property
    def all(self) -> tuple[Assessment, ...]:
        return self.sure + self.open


def _evidence(items: Iterable[Assessment]) -> tuple[Evidence, ...]:
    return tuple(dict.fromkeys(item.evidence for item in items))


@_dated
def answer_first_response(node: FirstResponse, scene: Scene, control: Answer) -> Answer:
    """The first PRRT brought no response (E01): F by a response or control on record, T by a best response PD alone.

    Args:
        node: the question.
        scene: the person and the day.
        control: the answer to the criterion that asks for lasting control; its T proves at least stable disease.

    A stable or improved status counts until the first worsening: what came after it may be due to another therapy.
    """
    last = scene.courses.last_cycle(scene)
    if last is None:
        return _course_open(scene)
    counted = _Counted.of(scene.assessments, _between(scene, last, scene.courses.second_start(scene)))
    worse = counted.only(_Kind.CLINICAL, _Kind.RECIST, said=_Said.WORSENED)
    later = counted.only(_Kind.CLINICAL, _Kind.RECIST, said=_Said.CONTROLLED)
    best = counted.only(_Kind.BEST, said=_Said.CONTROLLED)
    failed = counted.only(_Kind.BEST, said=_Said.WORSENED)
    unspoilt = [item for item in later.all if all(other.when.surely_after(item.when) for other in worse.sure)]
    first = [item for item in unspoilt if all(other.when.surely_after(item.when) for other in worse.open)]
    held = [*best.sure, *(item for item in first if item in later.sure)]
    maybe_held = [*best.open, *(item for item in unspoilt if item not in held)]
    held_evidence = _evidence(held) + (control.evidence if control.truth is Truth.T else ())
    proven = bool(held) or control.truth is Truth.T
    wanted = (Wanted("response"),)
    if proven and failed.sure:
        return Answer(Truth.U, Reason.CONFLICT, held_evidence + _evidence(failed.sure), wanted=wanted)
    unsure = failed.open if proven else tuple(maybe_held) + failed.open
    if unsure:
        shown = held_evidence + _evidence((*failed.sure, *unsure))
        return Answer(Truth.U, _loose(unsure), shown, wanted=wanted)
    if proven:
        return Answer(Truth.F, evidence=held_evidence)
    if failed.sure:
        return Answer(Truth.T, evidence=_evidence(failed.sure))
    if counted.all:
        return Answer(Truth.U, Reason.ASKS, _evidence(counted.all), attestable=True, wanted=wanted)
    return Answer(Truth.U, Reason.NO_DATA, wanted=wanted)


@_dated
def answer_second_response(node: SecondResponse, scene: Scene) -> Answer:
    """A RECIST progression after the cycles of the second PRRT is on record (E02); CR, PR or SD refutes it."""
    cycles = [cycle for cycle in scene.courses.second_cycles(scene) if cycle.completed]
    if len(cycles) < node.cycles:
        return second_course_open(scene)
    later_cycles = tuple(item for cycle in cycles[node.cycles :] for item in cycle.evidence)
    counted = _Counted.of(scene.assessments, _between(scene, cycles[node.cycles - 1].when, None))
    worse, held = (counted.only(_Kind.RECIST, said=said) for said in (_Said.WORSENED, _Said.CONTROLLED))
    wanted = (Wanted("recist"),)
    context = _evidence(counted.all) + later_cycles
    if worse.sure:
        return Answer(Truth.T, evidence=_evidence(worse.sure), context=later_cycles)
    if worse.open:
        return Answer(Truth.U, _loose(worse.open), _evidence((*worse.open, *held.all)), context=context, wanted=wanted)
    if held.sure:
        return Answer(Truth.F, evidence=_evidence(held.sure), context=context)
    if held.open:
        return Answer(Truth.U, _loose(held.open), _evidence(held.open), context=context, wanted=wanted)
    if counted.all:
        return Answer(
            Truth.U, Reason.ASKS, _evidence(counted.all), context=later_cycles, attestable=True, wanted=wanted
        )
    return Answer(Truth.U, Reason.NO_DATA, context=later_cycles, wanted=wanted)


@_dated
def answer_new_progression(node: NewProgression, scene: Scene) -> Answer:
    """A RECIST progression of the study tumour lies in the months before the reference date; a clinician's word asks."""
    start, end = add_months(scene.on, -node.from_months), add_months(scene.on, -node.to_months)
    worse = _worsenings(scene)
    placed = [(item, within(item.when, start, end)) for item in worse]
    changes = frozenset(
        day
        for item in worse
        if item.when.is_bounded
        for day in (
            *Validity(months=node.to_months).reaches(item.when.latest),
            *Validity(months=node.from_months).lapses(item.when.earliest),
        )
    )
    wanted = (Wanted("progression"),)
    counting = [item for item, place in placed if place is Truth.T and item.belongs is Truth.T]
    recist = [item for item in counting if item.kind is _Kind.RECIST]
    if recist:
        return Answer(Truth.T, evidence=_evidence(recist), changes=changes)
    open_ = [item for item, place in placed if place is not Truth.F and item.kind is _Kind.RECIST]
    if open_:
        return Answer(Truth.U, _loose(open_), _evidence(open_), changes=changes, wanted=wanted)
    if counting:
        return Answer(Truth.U, Reason.ASKS, _evidence(counting), changes=changes, attestable=True, wanted=wanted)
    older = any(item.when.latest < start for item in worse)
    return Answer(
        Truth.U, Reason.TOO_OLD if older else Reason.NO_DATA, context=_evidence(worse), changes=changes, wanted=wanted
    )
