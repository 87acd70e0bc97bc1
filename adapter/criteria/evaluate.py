"""In: a trial, a record, a site, a stage and a day. Out: `PatientVerdict`: every criterion's verdict, the outcome, when it flips, what to order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from heapq import heapify, heappop, heappush
from typing import assert_never

from adapter.criteria.answer import Answer, Reason
from adapter.criteria.answering import answer, answer_criterion, answer_part
from adapter.criteria.attestation import latest_attestation
from adapter.criteria.concepts.participation import is_of_study
from adapter.criteria.concepts.person import deceased
from adapter.criteria.questions import leaves_of
from adapter.criteria.scene import Scene
from adapter.criteria.signals import signals_of
from adapter.criteria.trial import Criterion, Permanence, Trial
from adapter.criteria.truth import Truth
from adapter.criteria.verdict import CriterionVerdict, Outcome, PartVerdict, PatientVerdict, Stage, ToOrder
from adapter.fhir import PatientRecord, parse_when
from adapter.fhir.resources import ResearchSubject
from adapter.terminology import Site

__all__ = ["evaluate", "reference_date"]

#: Days within which to order what is missing when nothing that passes today grows old (the default laboratory window).
ORDER_DAYS = 28


#: The extension of one event in a subject's history, and what it holds (`mappings.subject_history` writes them).
_EVENT = "urn:reluth:extension:event"
_KIND, _ON = "urn:reluth:extension:kind", "urn:reluth:extension:on"
_EVENT_OF = {Stage.REGISTRATION: "registered", Stage.RANDOMISATION: "randomised"}
_ON_STUDY = frozenset({"on-study", "on-study-intervention", "on-study-observation"})


def reference_date(trial: Trial, record: PatientRecord, stage: Stage) -> date | None:
    """The day on which the patient's registration or randomisation is on record.

    A subject's history tells both, whatever has become of the subject since. Without one, the start of the trial's own
    ResearchSubject is the day of the registration for as long as it is on study; an R4 ResearchSubject has no date of the
    randomisation.

    Returns:
        None when there is none, or its day is not known.
    """
    days = []
    for subject in record.subjects:
        if not is_of_study(subject, record, trial.identifiers):
            continue
        told = _in_history(subject, _EVENT_OF[stage])
        if told is None and stage is Stage.REGISTRATION and subject.status in _ON_STUDY and subject.period:
            told = subject.period.start
        when = parse_when(told)
        if when is not None and when.is_one_day:
            days.append(when.earliest)
    return min(days) if days else None


def _in_history(subject: ResearchSubject, kind: str) -> str | None:
    for event in subject.extension:
        if event.url == _EVENT and any(inner.url == _KIND and inner.value_code == kind for inner in event.extension):
            return next((inner.value_date for inner in event.extension if inner.url == _ON), None)
    return None


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
    verdict = PatientVerdict(
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
        to_order=() if dead or found.permanent else _to_order(criteria, found.answers, flips, scene),
        criteria=tuple(_verdict(item, found.answers[item.id], flips[item.id], scene) for item in criteria),
    )
    scene.close()
    return verdict


def _judge(criteria: list[Criterion], scene: Scene) -> _Found:
    answers = {criterion.id: answer_criterion(criterion, scene) for criterion in criteria}
    failed = [item for item in criteria if item.passes(answers[item.id].truth) is False]
    permanent = any(_is_permanent(item, answers[item.id]) for item in failed)
    return _Found(answers, _outcome(criteria, answers, scene), permanent)


def _outcome(criteria: list[Criterion], answers: dict[str, Answer], scene: Scene) -> Outcome:
    """What the answers come to (clarifications.md 8)."""
    if any(item.passes(answers[item.id].truth) is False for item in criteria):
        return Outcome.INELIGIBLE
    open_ = [found for found in answers.values() if found.truth is Truth.U]
    if open_:
        ready = all(item.attestable for item in open_)
        return Outcome.READY_FOR_INVESTIGATOR if ready else Outcome.NEEDS_INFORMATION
    signed = all(item.automation == "auto" or _is_signed(item, scene) for item in criteria)
    return Outcome.ELIGIBLE if signed else Outcome.READY_FOR_INVESTIGATOR


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
    given = [
        latest_attestation(scene.attestations, link, on=scene.on, validity=scene.trial.validity(link)) for link in links
    ]
    return any(item is not None and item[0].reason is not Reason.NOT_READ for item in given)


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
        if outcome is None and _outcome(criteria, answers, later) is not found.outcome:
            outcome = day
    return flips, outcome


def _to_order(
    criteria: list[Criterion], answers: dict[str, Answer], flips: dict[str, date | None], scene: Scene
) -> tuple[ToOrder, ...]:
    """What closes the open criteria, each thing once; what only a person can attest is not ordered.

    It is wanted before the first result that passes today grows too old, so that all hold on one day: that of a whole
    criterion, or of a part of one that waits for another result. With none such, within the usual window of the trial.
    """
    wanted: dict[str, list[str]] = {}
    for criterion in criteria:
        for item in answers[criterion.id].wanted:
            if not item.attestation:
                wanted.setdefault(item.what, []).append(criterion.id)
    waiting = {name for names in wanted.values() for name in names}
    ageing = [
        day for item in criteria if (day := flips[item.id]) is not None and item.passes(answers[item.id].truth) is True
    ]
    ageing += [day for item in criteria if item.id in waiting for day in _ageing(item, scene)]
    by = min(ageing) - timedelta(days=1) if ageing else scene.on + timedelta(days=ORDER_DAYS)
    return tuple(ToOrder(what, by, tuple(dict.fromkeys(ids))) for what, ids in wanted.items())


def _ageing(criterion: Criterion, scene: Scene) -> Iterator[date]:
    """The first days on which what an open criterion knows today is not known any more."""
    for top in (criterion.node, *(part.node for part in criterion.parts)):
        for leaf in leaves_of(top):
            found = answer(leaf, scene)
            if found.truth is Truth.U:
                continue
            days = sorted(day for day in found.changes if day > scene.on)
            first = next((day for day in days if answer(leaf, scene.at(day)).truth is Truth.U), None)
            if first is not None:
                yield first


def _verdict(criterion: Criterion, found: Answer, flips_on: date | None, scene: Scene) -> CriterionVerdict:
    parts = []
    for part in criterion.parts:
        answered = answer_part(part, scene)
        parts.append(PartVerdict(part.id, answered.truth, answered.presumed, answered.reason, answered.shown))
    return CriterionVerdict(
        criterion.id, found.truth, found.presumed, found.reason, flips_on, found.shown, tuple(parts)
    )
