"""In: a trial, a record, a site, a stage and a day. Out: `PatientVerdict`: every criterion's verdict, the outcome, when it flips, what to order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from heapq import heapify, heappop, heappush
from typing import Any as Anything
from typing import assert_never

from adapter.criteria.answer import Answer, Reason, Wanted, combine_all, combine_any, invert
from adapter.criteria.attestation import Attestation, decide_with, held, latest_attestation, pending
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
from adapter.criteria.concepts.participation import answer_other_study, is_of_study
from adapter.criteria.concepts.person import answer_age, answer_sex, deceased
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
from adapter.criteria.signals import signals_of
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
from adapter.criteria.trial import Criterion, Part, Permanence, Trial
from adapter.criteria.truth import Truth
from adapter.criteria.verdict import CriterionVerdict, Outcome, PartVerdict, PatientVerdict, Stage, ToOrder
from adapter.fhir import PatientRecord, parse_when
from adapter.terminology import Site

__all__ = ["evaluate", "reference_date"]

#: There is no data at all in the window: only then may another source answer in its place.
_WITHOUT_DATA = frozenset({Reason.NO_DATA, Reason.TOO_OLD, Reason.STATUS})


#: Days within which to order what is missing when nothing that passes today grows old (the default laboratory window).
ORDER_DAYS = 28


def answer(node: Node, scene: Scene) -> Answer:
    """The answer to a node, found once a scene."""
    found = scene.memo.get(id(node))
    return found if found is not None else scene.answered(node, _ANSWERS[type(node)])


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
    validity = scene.trial.validity(node.link)
    holding = held(scene.attestations, node.link, on=scene.on, validity=validity)
    found = latest_attestation(scene.attestations, node.link, on=scene.on, validity=validity) if holding else None
    wanted = (Wanted(node.link, attestation=True),)
    if found is None:
        shown = answer_coded(Coded(node.shows), scene).evidence if node.shows else ()
        days = pending(scene.attestations, node.link, on=scene.on)
        return Answer(Truth.U, Reason.NEEDS_ATTESTATION, attestable=True, context=shown, changes=days, wanted=wanted)
    attested, given = found
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
    key = ("part", part.id)
    found = scene.memo.get(key)
    if found is None:
        earlier = answer_part(part, scene.base) if scene.base is not None else None
        if earlier is not None and scene.is_unchanged(earlier):
            found = earlier
        else:
            found = _with_attestation(part.id, part.node, scene)
        scene.memo[key] = found
    return found


def answer_criterion(criterion: Criterion, scene: Scene) -> Answer:
    """The answer to a criterion, attestation included."""
    if not criterion.attestable:
        return answer(criterion.node, scene)
    key = ("criterion", criterion.id)
    if key not in scene.memo:
        if scene.base is not None:
            earlier = answer_criterion(criterion, scene.base)
            if scene.is_unchanged(earlier):
                scene.memo[key] = earlier
                return earlier
        found = _with_attestation(criterion.id, criterion.node, scene, not_before=criterion.attested_not_before)
        if criterion.contradicted_by is not None and found.truth is Truth.F and found.attested:
            found = _contradicted(criterion, criterion.contradicted_by, found, scene)
        if found.truth is Truth.U and criterion.prompts:
            found = found.but(context=found.context + prompted(criterion, scene))
        scene.memo[key] = found
    return scene.memo[key]


def _contradicted(criterion: Criterion, part: str, found: Answer, scene: Scene) -> Answer:
    coded = answer(criterion.node, scene)
    opposite = answer_part(next(item for item in criterion.parts if item.id == part), scene)
    if coded.truth is not Truth.U or opposite.truth is not Truth.T:
        return found
    return Answer(
        Truth.U, Reason.CONFLICT, opposite.evidence + found.evidence, changes=found.changes, wanted=coded.wanted
    )


def _with_attestation(link: str, node: Node, scene: Scene, *, not_before: str | None = None) -> Answer:
    coded = answer(node, scene)
    if link not in scene.attestations:
        return coded
    attested = latest_attestation(scene.attestations, link, on=scene.on, validity=scene.trial.validity(link))
    if isinstance(node, Attested) and node.link == link:
        return coded
    if attested is None:
        days = pending(scene.attestations, link, on=scene.on)
        return coded.but(changes=coded.changes | days) if days else coded
    if not_before is not None and attested[0].truth is Truth.T:
        holding = held(scene.attestations, link, on=scene.on, validity=scene.trial.validity(link))
        attested = None if _is_before(holding, not_before, scene) else attested
    return decide_with(coded, attested, later=lambda moment: answer(node, scene.since(moment)))


def reference_date(trial: Trial, record: PatientRecord, stage: Stage) -> date | None:
    """The day on which the patient's registration is on record: the start of the trial's own ResearchSubject.

    Returns:
        None when there is none, or its day is not known; randomisation has no date of its own in an R4 ResearchSubject.
    """
    if stage is not Stage.REGISTRATION:
        return None
    days = []
    for subject in record.subjects:
        if not is_of_study(subject, record, trial.identifiers) or subject.status not in (
            "on-study",
            "on-study-intervention",
            "on-study-observation",
        ):
            continue
        when = parse_when(subject.period.start) if subject.period else None
        if when is not None and when.is_one_day:
            days.append(when.earliest)
    return min(days) if days else None


@dataclass(frozen=True, slots=True)
class _Found:
    """The answers of one scene, and what they come to."""

    answers: dict[str, Answer]
    outcome: Outcome
    permanent: bool


def evaluate(
    trial: Trial, record: PatientRecord, *, site: Site, stage: Stage, on: date, added: bool = False
) -> PatientVerdict:
    """All verdicts for one patient.

    Args:
        trial: the trial's documents.
        record: all that is known of the patient.
        site: how the site's records are to be read.
        stage: registration or randomisation; only the criteria of that stage appear.
        on: the reference date; later data does not count.
        added: a person put the patient on the list.
    """
    scene = Scene(trial, record.until(on), site, on)
    criteria = [criterion for criterion in trial.criteria if stage in criterion.stages]
    found = _judge(criteria, scene)
    dead = deceased(scene)
    because = () if dead else (*signals_of(scene), *(("added",) if added else ()))
    flips, outcome_flips = (dict.fromkeys(found.answers, None), None) if dead else _sweep(criteria, found, scene)
    return PatientVerdict(
        trial=trial.id,
        criteria_version=trial.version,
        site=site.id,
        patient=record.patient,
        merged=record.merged,
        stage=stage,
        on=on,
        candidate=bool(because),
        candidate_because=because,
        outcome=Outcome.INELIGIBLE if dead else found.outcome,
        outcome_reason="deceased" if dead else None,
        permanent=dead or found.permanent,
        flips_on=outcome_flips,
        to_order=() if dead or found.permanent else _to_order(criteria, found.answers, flips, on),
        criteria=tuple(_verdict(item, found.answers[item.id], flips[item.id], scene) for item in criteria),
    )


def _judge(criteria: list[Criterion], scene: Scene) -> _Found:
    answers = {criterion.id: answer_criterion(criterion, scene) for criterion in criteria}
    return _Found(answers, *_outcome(criteria, answers, scene))


def _outcome(criteria: list[Criterion], answers: dict[str, Answer], scene: Scene) -> tuple[Outcome, bool]:
    """What the answers come to (clarifications.md 8), and whether a failure is permanent."""
    failed = [item for item in criteria if item.passes(answers[item.id].truth) is False]
    open_ = [answers[item.id] for item in criteria if answers[item.id].truth is Truth.U]
    if failed:
        return Outcome.INELIGIBLE, any(_is_permanent(item, answers[item.id]) for item in failed)
    if open_:
        ready = all(item.attestable for item in open_)
        return (Outcome.READY_FOR_INVESTIGATOR if ready else Outcome.NEEDS_INFORMATION), False
    signed = all(item.automation == "auto" or _is_signed(item, scene) for item in criteria)
    return (Outcome.ELIGIBLE if signed else Outcome.READY_FOR_INVESTIGATOR), False


def _is_permanent(criterion: Criterion, found: Answer) -> bool:
    match criterion.permanent:
        case Permanence.ALWAYS:
            return True
        case Permanence.CODED:
            return not found.presumed and not found.attested
        case Permanence.NEVER:
            return False
    assert_never(criterion.permanent)


def _is_signed(criterion: Criterion, scene: Scene) -> bool:
    """An investigator attested the criterion or a part of it, and it still counts."""
    links = [link for link in scene.attestations if link == criterion.id or link.startswith(f"{criterion.id}.")]
    return any(
        latest_attestation(scene.attestations, link, on=scene.on, validity=scene.trial.validity(link)) for link in links
    )


def _sweep(criteria: list[Criterion], found: _Found, scene: Scene) -> tuple[dict[str, date | None], date | None]:
    """The first later day on which each criterion's truth, and the outcome, is another one, nothing new being recorded.

    Every day on which an answer may change is visited in order, the answers that may change there are found anew; an
    answer of a later day may name further days.
    """
    flips: dict[str, date | None] = dict.fromkeys(found.answers, None)
    answers = dict(found.answers)
    waiting = [(day, item.id) for item in criteria for day in answers[item.id].changes if day > scene.on]
    heapify(waiting)
    seen = set(waiting)
    outcome: date | None = None
    while waiting and (outcome is None or None in flips.values()):
        day = waiting[0][0]
        later = scene.at(day)
        while waiting and waiting[0][0] == day:
            _, name = heappop(waiting)
            if outcome is not None and flips[name] is not None:
                continue
            answers[name] = answer_criterion(scene.trial.criterion(name), later)
            if flips[name] is None and answers[name].truth is not found.answers[name].truth:
                flips[name] = day
            for further in ((change, name) for change in answers[name].changes if change > day):
                if further not in seen:
                    seen.add(further)
                    heappush(waiting, further)
        if outcome is None and _outcome(criteria, answers, later)[0] is not found.outcome:
            outcome = day
    return flips, outcome


def _to_order(
    criteria: list[Criterion], answers: dict[str, Answer], flips: dict[str, date | None], on: date
) -> tuple[ToOrder, ...]:
    """What closes the open criteria, each thing once; what only a person can attest is not ordered.

    It is wanted before the first result that passes today grows too old, so that all hold on one day; with none such,
    within the usual window of the trial.
    """
    passing = [
        day for item in criteria if (day := flips[item.id]) is not None and item.passes(answers[item.id].truth) is True
    ]
    by = min(passing) - timedelta(days=1) if passing else on + timedelta(days=ORDER_DAYS)
    wanted: dict[str, list[str]] = {}
    for criterion in criteria:
        for item in answers[criterion.id].wanted:
            if not item.attestation:
                wanted.setdefault(item.what, []).append(criterion.id)
    return tuple(ToOrder(what, by, tuple(dict.fromkeys(ids))) for what, ids in wanted.items())


def _verdict(criterion: Criterion, found: Answer, flips_on: date | None, scene: Scene) -> CriterionVerdict:
    parts = []
    for part in criterion.parts:
        answered = answer_part(part, scene)
        parts.append(PartVerdict(part.id, answered.truth, answered.presumed, answered.reason, answered.shown))
    return CriterionVerdict(
        criterion.id, found.truth, found.presumed, found.reason, flips_on, found.shown, tuple(parts)
    )


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
