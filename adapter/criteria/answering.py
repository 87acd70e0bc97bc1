"""In: a node, a part or a criterion, and a scene. Out: its `Answer`: the logic of expressions, and which concept answers which node."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from functools import lru_cache
from typing import Any as Anything

from adapter.criteria.answer import Answer, Reason, Wanted, combine_all, combine_any, invert
from adapter.criteria.attestation import Attestation, decide_with, held, pending, spoken
from adapter.criteria.concepts.allergies import answer_allergy
from adapter.criteria.concepts.conditions import answer_coded, answer_condition
from adapter.criteria.concepts.consent import answer_consent
from adapter.criteria.concepts.coverage import answer_coverage
from adapter.criteria.concepts.disease import (
    answer_control,
    answer_first_response,
    answer_new_progression,
    answer_progression,
    answer_second_response,
)
from adapter.criteria.concepts.events import answer_dated_event, answer_marrow, answer_other_tumour
from adapter.criteria.concepts.imaging import answer_examination, answer_examination_value
from adapter.criteria.concepts.lesions import answer_measurable
from adapter.criteria.concepts.participation import answer_other_study
from adapter.criteria.concepts.person import answer_age, answer_sex
from adapter.criteria.concepts.pressure import answer_pressure
from adapter.criteria.concepts.prrt import answer_cycles, answer_second_course
from adapter.criteria.concepts.results import (
    answer_de_indexed,
    answer_hcg,
    answer_laboratory,
    answer_prothrombin,
)
from adapter.criteria.concepts.toxicity import answer_course_toxicity, answer_unresolved_toxicity
from adapter.criteria.concepts.tumours import answer_grade, answer_histology
from adapter.criteria.prompts import prompted
from adapter.criteria.scene import Scene, within
from adapter.criteria.tree import (
    Age,
    All,
    Allergy,
    Any,
    Attested,
    BloodPressure,
    Cases,
    Coded,
    Condition,
    ControlMonths,
    CourseToxicity,
    Coverage,
    CrossCheck,
    CycleCount,
    DatedEvent,
    DeIndexed,
    Examination,
    ExaminationValue,
    Fallback,
    FirstResponse,
    Grade,
    Hcg,
    Histology,
    Laboratory,
    MarrowFraction,
    MeasurableDisease,
    NewProgression,
    Node,
    Not,
    OnlyRefutes,
    Open,
    OtherStudy,
    OtherTumour,
    PartOf,
    Progression,
    Prothrombin,
    SecondCourse,
    SecondResponse,
    Sex,
    SignedConsent,
    TruthOf,
    UnresolvedToxicity,
    WithAttestation,
)
from adapter.criteria.trial import Criterion, Part
from adapter.criteria.truth import Truth
from adapter.fhir import parse_when

__all__ = ["answer", "answer_criterion", "answer_part"]

#: There is no data at all in the window: only then may another source answer in its place.
_WITHOUT_DATA = frozenset({Reason.NO_DATA, Reason.TOO_OLD, Reason.STATUS})


def answer(node: Node, scene: Scene) -> Answer:
    """The answer to a node, found once a scene."""
    return scene.answered(node, _ANSWERS[type(node)])


def _all(node: All, scene: Scene) -> Answer:
    return combine_all(*[answer(child, scene) for child in node.of])


def _any(node: Any, scene: Scene) -> Answer:
    return combine_any(*[answer(child, scene) for child in node.of])


def _not(node: Not, scene: Scene) -> Answer:
    return invert(answer(node.of, scene))


def _open(node: Open, _: Scene) -> Answer:
    wanted = (Wanted(node.wanted, attestation=node.attestable),) if node.wanted else ()
    return Answer(Truth.U, node.reason, attestable=node.attestable, wanted=wanted)


def _fallback(node: Fallback, scene: Scene) -> Answer:
    first = answer(node.first, scene)
    if not _has_no_data(first):
        return first
    second = answer(node.second, scene)
    found = first if _has_no_data(second) else second
    return found.but(changes=first.changes | second.changes)


def _has_no_data(found: Answer) -> bool:
    """Nothing usable in the window; a result that only lacks a date of birth to be read is data."""
    return found.truth is Truth.U and found.reason in _WITHOUT_DATA and not found.evidence


def _part_of(node: PartOf, scene: Scene) -> Answer:
    return answer_part(scene.trial.parts[node.part], scene)


def _truth_of(node: TruthOf, scene: Scene) -> Answer:
    return answer_criterion(scene.trial.criterion(node.criterion), scene)


def _cases(node: Cases, scene: Scene) -> Answer:
    changes: frozenset[date] = frozenset()
    for case in node.cases:
        condition = answer(case.condition, scene)
        changes |= condition.changes
        if condition.truth is not Truth.T:
            continue
        if isinstance(case.outcome, Truth):
            return condition.but(truth=case.outcome, changes=changes)
        outcome = answer(case.outcome, scene)
        evidence = tuple(dict.fromkeys((*outcome.evidence, *condition.evidence)))
        return outcome.but(evidence=evidence, changes=outcome.changes | changes)
    otherwise = answer(node.otherwise, scene)
    return otherwise.but(changes=otherwise.changes | changes)


def _only_refutes(node: OnlyRefutes, scene: Scene) -> Answer:
    found = answer(node.of, scene)
    if found.truth is Truth.F:
        return found.but(presumed=True)
    if found.truth is Truth.T:
        return Answer(Truth.U, Reason.ASKS, found.evidence, changes=found.changes, wanted=(Wanted(node.wanted),))
    return found.but(wanted=(Wanted(node.wanted),))


def _cross_check(node: CrossCheck, scene: Scene) -> Answer:
    decides, against = answer(node.decides, scene), answer(node.against, scene)
    changes = decides.changes | against.changes
    if _has_no_data(decides):
        # Without data on either side it is the deciding one that is wanted.
        found = decides if _has_no_data(against) else against
        return found.but(changes=changes)
    if Truth.U in (decides.truth, against.truth) or decides.truth is against.truth:
        return decides.but(changes=changes)
    return Answer(Truth.U, Reason.CONFLICT, decides.evidence + against.evidence, changes=changes, wanted=decides.wanted)


def _attested(node: Attested, scene: Scene) -> Answer:
    if node.link not in scene.attestations and node.shows is None:
        return _unattested(node.link)
    validity = scene.trial.validity(node.link)
    holding = held(scene.attestations, node.link, on=scene.on, validity=validity)
    wanted = (Wanted(node.link, attestation=True),)
    if not holding:
        shown = answer_coded(Coded(node.shows), scene).evidence if node.shows else ()
        days = pending(scene.attestations, node.link, on=scene.on)
        return Answer(Truth.U, Reason.NEEDS_ATTESTATION, attestable=True, context=shown, changes=days, wanted=wanted)
    attested, given = spoken(holding, validity=validity, later=pending(scene.attestations, node.link, on=scene.on))
    if attested.truth is Truth.U:
        return attested
    if node.reopened_by is not None:
        later = answer(node.reopened_by, scene.since(given))
        if later.truth is Truth.T or (later.truth is Truth.U and later.evidence):
            evidence = attested.evidence + later.evidence
            return Answer(Truth.U, Reason.ASKS, evidence, attestable=True, changes=attested.changes, wanted=wanted)
    if attested.truth is not Truth.T:
        return attested
    if node.not_before is not None and _is_before(holding, node.not_before, scene):
        return Answer(Truth.U, Reason.TOO_OLD, attested.evidence, attestable=True, wanted=wanted)
    return attested if node.since_days is None else _long_enough(node.since_days, holding, attested, scene, wanted)


@lru_cache(maxsize=256)
def _unattested(link: str) -> Answer:
    """Nobody ever attested it."""
    return Answer(Truth.U, Reason.NEEDS_ATTESTATION, attestable=True, wanted=(Wanted(link, attestation=True),))


def _long_enough(
    days: int, holding: tuple[Attestation, ...], attested: Answer, scene: Scene, wanted: tuple[Wanted, ...]
) -> Answer:
    """What was attested as of a day, which must lie so many days back; without a day the sentence itself stands."""
    told = [item.since for item in holding if item.since is not None]
    truths = {within(since, None, scene.window(days)) for since in told} or {Truth.T}
    # Attested as of a day, it becomes true when the time has passed.
    due = frozenset(since.latest + timedelta(days=days) for since in told if since.is_bounded)
    if len(truths) == 1 and Truth.U not in truths:
        return attested.but(truth=truths.pop(), changes=attested.changes | due)
    reason = Reason.IMPRECISE_DATE if Truth.U in truths else Reason.CONFLICT
    changes = attested.changes | due
    return Answer(Truth.U, reason, attested.evidence, attestable=True, changes=changes, wanted=wanted)


def _is_before(holding: tuple[Attestation, ...], criterion: str, scene: Scene) -> bool:
    """What was attested is surely of a day before the record that proves the other criterion, or of a day to come."""
    told = holding[0].since or holding[0].when
    if told.earliest > scene.on:
        return True
    proof = answer_criterion(scene.trial.criterion(criterion), scene)
    if proof.truth is not Truth.T:
        return False
    days = [
        when.earliest
        for item in proof.evidence
        if not item.reference.startswith("QuestionnaireResponse/")
        and item.effective
        and (when := parse_when(item.effective.partition("..")[0])) is not None
    ]
    return bool(days) and told.latest < min(days)


def _with_attested(node: WithAttestation, scene: Scene) -> Answer:
    if node.after_cycles is not None:
        cycles = [cycle for cycle in scene.courses.second_cycles(scene) if cycle.completed]
        holding = held(scene.attestations, node.link, on=scene.on, validity=scene.trial.validity(node.link))
        late = len(cycles) >= node.after_cycles and holding
        # Given before the cycles of which it would speak, it says nothing of them.
        if late and not holding[0].when.surely_after(cycles[node.after_cycles - 1].when):
            return answer(node.of, scene)
    return _with_attestation(node.link, node.of, scene)


def _first_response(node: FirstResponse, scene: Scene) -> Answer:
    control = answer_criterion(scene.trial.criterion(node.control), scene)
    found = answer_first_response(node, scene, control)
    return found.but(changes=found.changes | control.changes) if control.changes else found


def answer_part(part: Part, scene: Scene) -> Answer:
    """The answer to a part: what coded data give, and what a person attested under the part's id."""
    return scene.answered(part, _answer_part)


def _answer_part(part: Part, scene: Scene) -> Answer:
    return _with_attestation(part.id, part.node, scene)


def answer_criterion(criterion: Criterion, scene: Scene) -> Answer:
    """The answer to a criterion, attestation included."""
    if not criterion.attestable:
        return answer(criterion.node, scene)
    return scene.answered(criterion, _answer_criterion)


def _answer_criterion(criterion: Criterion, scene: Scene) -> Answer:
    found = _with_attestation(criterion.id, criterion.node, scene, not_before=criterion.attested_not_before)
    if criterion.contradicted_by is not None and found.truth is Truth.F and found.attested:
        found = _contradicted(criterion, criterion.contradicted_by, found, scene)
    if found.truth is Truth.U and criterion.prompts:
        found = found.but(context=found.context + prompted(criterion, scene))
    return found


def _contradicted(criterion: Criterion, part: str, found: Answer, scene: Scene) -> Answer:
    coded = answer(criterion.node, scene)
    opposite = answer_part(scene.trial.parts[part], scene)
    if coded.truth is not Truth.U or opposite.truth is not Truth.T:
        return found
    return Answer(
        Truth.U, Reason.CONFLICT, opposite.evidence + found.evidence, changes=found.changes, wanted=coded.wanted
    )


def _with_attestation(link: str, node: Node, scene: Scene, *, not_before: str | None = None) -> Answer:
    coded = answer(node, scene)
    if link not in scene.attestations:
        return coded
    if isinstance(node, Attested) and node.link == link:
        return coded
    validity, days = scene.trial.validity(link), pending(scene.attestations, link, on=scene.on)
    holding = held(scene.attestations, link, on=scene.on, validity=validity)
    if not holding:
        return coded.but(changes=coded.changes | days) if days else coded
    attested = spoken(holding, validity=validity, later=days)
    if not_before is not None and attested[0].truth is Truth.T and _is_before(holding, not_before, scene):
        return coded
    return decide_with(coded, attested, later=lambda moment: answer(node, scene.since(moment)))


#: How each kind of node is answered; a node without a line here is a defect, found by the test of this table.
_ANSWERS: dict[type[Node], Callable[[Anything, Scene], Answer]] = {
    Age: answer_age,
    Allergy: answer_allergy,
    CourseToxicity: answer_course_toxicity,
    Coverage: answer_coverage,
    DatedEvent: answer_dated_event,
    DeIndexed: answer_de_indexed,
    Examination: answer_examination,
    ExaminationValue: answer_examination_value,
    FirstResponse: _first_response,
    MarrowFraction: answer_marrow,
    MeasurableDisease: answer_measurable,
    NewProgression: answer_new_progression,
    OtherStudy: answer_other_study,
    OtherTumour: answer_other_tumour,
    SecondResponse: answer_second_response,
    SignedConsent: answer_consent,
    UnresolvedToxicity: answer_unresolved_toxicity,
    WithAttestation: _with_attested,
    All: _all,
    Any: _any,
    Attested: _attested,
    BloodPressure: answer_pressure,
    Cases: _cases,
    Coded: answer_coded,
    Condition: answer_condition,
    ControlMonths: answer_control,
    CrossCheck: _cross_check,
    CycleCount: answer_cycles,
    Fallback: _fallback,
    Grade: answer_grade,
    Hcg: answer_hcg,
    Histology: answer_histology,
    Laboratory: answer_laboratory,
    Not: _not,
    OnlyRefutes: _only_refutes,
    Open: _open,
    PartOf: _part_of,
    Progression: answer_progression,
    Prothrombin: answer_prothrombin,
    SecondCourse: answer_second_course,
    Sex: answer_sex,
    TruthOf: _truth_of,
}
