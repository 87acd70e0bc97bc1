"""In: disease-status and RECIST Observations, PRRT courses. Out: progression after the first PRRT, and how long control lasted.

clarifications.md 1, 29, 30: only on an established first course; usable statuses of the NET only; the earliest worsened
one after the last cycle.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from adapter.criteria.answer import Answer, Evidence, Reason, Wanted
from adapter.criteria.scene import USABLE, Scene, code_text, evidence_of
from adapter.criteria.tree import ControlMonths, Progression
from adapter.criteria.truth import Truth
from adapter.fhir import When, add_months, when_of
from adapter.fhir.resources import Observation

__all__ = ["answer_control", "answer_progression"]


@dataclass(frozen=True, slots=True)
class _Worsening:
    when: When
    belongs: Truth
    evidence: Evidence


def _worsenings(scene: Scene) -> list[_Worsening]:
    """Usable statuses that say "worsened" or PD and are not of another tumour, in time's order."""
    trial = scene.trial
    found = []
    for observation in scene.record.observations:
        if observation.status not in USABLE or when_of(observation).earliest > scene.on:
            continue
        if not set(scene.codes(observation.code)) & trial.disease_status_codes or not _is_worse(observation, scene):
            continue
        belongs = scene.tumours.belongs(observation)
        if belongs is not Truth.F:
            text = (
                code_text(scene, observation.value_codeable_concept, "http://snomed.info/sct")
                or observation.value_string
            )
            found.append(_Worsening(when_of(observation), belongs, evidence_of(observation, text)))
    return sorted(found, key=lambda item: (item.when.start, item.evidence.reference))


def _is_worse(observation: Observation, scene: Scene) -> bool:
    if set(scene.codes(observation.value_codeable_concept)) & scene.trial.worsened_values:
        return True
    return (observation.value_string or "").strip().upper() == "PD"


def _course_open(scene: Scene) -> Answer:
    reason = Reason.COURSE_UNDECIDED
    return Answer(Truth.U, reason, scene.courses.evidence, wanted=(Wanted("first-course"),))


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
    loose = any(item.belongs is Truth.U for item in rivals)
    return Answer(Truth.U, Reason.UNATTRIBUTED if loose else Reason.IMPRECISE_DATE, evidence, wanted=wanted)


def _control(progressed: When, first: date, last: date) -> Truth:
    """Whether a progression lies on or after a day that is between ``first`` and ``last``."""
    if progressed.earliest >= last:
        return Truth.T
    return Truth.F if progressed.latest < first else Truth.U


def answer_progression(_: Progression, scene: Scene) -> Answer:
    """A progression after the last cycle of the first PRRT, before the second, is on record; none is open."""
    last = scene.courses.last_cycle(scene)
    if last is None:
        return _course_open(scene)
    second = scene.courses.second_start(scene)
    open_: list[tuple[Reason, Evidence]] = []
    for item in _worsenings(scene):
        if item.when.latest <= last.earliest or (second is not None and item.when.earliest >= second.latest):
            continue
        in_time = item.when.latest <= scene.on and (second is None or item.when.latest < second.earliest)
        if not (item.when.earliest > last.latest and in_time):
            open_.append((Reason.IMPRECISE_DATE, item.evidence))
        elif item.belongs is Truth.T:
            return Answer(Truth.T, evidence=(item.evidence,))
        else:
            open_.append((Reason.UNATTRIBUTED, item.evidence))
    wanted = (Wanted("progression"),)
    if open_:
        return Answer(Truth.U, open_[0][0], tuple(evidence for _, evidence in open_), wanted=wanted)
    return Answer(Truth.U, Reason.NO_DATA, wanted=wanted)
