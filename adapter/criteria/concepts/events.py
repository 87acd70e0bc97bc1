"""In: Conditions and Procedures with their times. Out: whether a dated event, another tumour or an irradiation counts.

Times of diagnoses: onset, else recordedDate as an upper bound only (clarifications.md 24). Rules: 7, 13, 26.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import assert_never

from adapter.criteria.answer import Answer, Evidence, Reason, Wanted
from adapter.criteria.attestation import Validity, latest_attestation, pending
from adapter.criteria.concepts.conditions import clinical_status
from adapter.criteria.concepts.laboratory import replaced
from adapter.criteria.concepts.naming import concepts_of
from adapter.criteria.concepts.tumours import is_unconfirmed
from adapter.criteria.scene import USABLE, Scene, code_text, evidence_of, is_on_record, within
from adapter.criteria.tree import DatedEvent, MarrowFraction, OtherTumour
from adapter.criteria.truth import Truth, negate
from adapter.fhir import ALWAYS, When, abated, has_onset, known_from, parse_when, when_of
from adapter.fhir.resources import Condition, MedicationAdministration, Procedure
from adapter.terminology import ValueSet, plain_code

__all__ = ["answer_dated_event", "answer_marrow", "answer_other_tumour"]

_ACTIVE = frozenset({"active", "recurrence", "relapse"})
_NOT_DONE = frozenset({"not-done", "entered-in-error", "preparation"})
_GIVEN = frozenset({"completed", "stopped", "in-progress", "on-hold", "unknown", None})
_OVER = frozenset({"inactive", "remission", "resolved"})


@dataclass(frozen=True, slots=True)
class _Sorted:
    """Records by what they do to the question; ``asking`` ones with their time."""

    proving: tuple[Evidence, ...] = ()
    open: tuple[tuple[Reason, Evidence], ...] = ()
    asking: tuple[tuple[When, Evidence], ...] = ()
    past: tuple[Evidence, ...] = ()
    changes: frozenset[date] = frozenset()


def _closing(when: When, window: Validity) -> frozenset[date]:
    """Days on which time alone may move an event into the past or out of the window."""
    if when.end >= ALWAYS.end:
        return frozenset()
    leaves = window.lapses(when.latest)
    if when.start > ALWAYS.start:
        leaves |= window.lapses(when.earliest)
    return leaves | {when.latest} if not when.is_one_day else leaves


def answer_dated_event(node: DatedEvent, scene: Scene) -> Answer:
    """A deciding event lies in the window; an asking one is for a person to judge; without either only a declaration refutes."""
    start = node.within.first_day(scene.on)
    found = _Sorted()
    for condition in scene.record.conditions:
        if not is_on_record(condition, scene.on):
            continue
        if scene.in_any(node.deciding, condition.code):
            found = _merged(found, _deciding(condition, when_of(condition), start, node, scene))
        elif scene.in_any(node.asking, condition.code):
            found = _merged(found, _asking(condition, start, node, scene))
    for procedure in scene.record.procedures:
        # Begun, stopped or of a status that could not be read leaves it open; only a completed one proves.
        if procedure.status not in _NOT_DONE and scene.in_any(node.deciding, procedure.code):
            found = _merged(found, _deciding(procedure, when_of(procedure), start, node, scene))
    for administration in scene.record.administrations:
        given = administration.status in _GIVEN
        if given and scene.in_any(node.deciding, *concepts_of(administration, scene)):
            found = _merged(found, _deciding(administration, when_of(administration), start, node, scene))
    return _decided(found, node, scene)


def _deciding(
    item: Condition | Procedure | MedicationAdministration,
    when: When,
    start: date | None,
    node: DatedEvent,
    scene: Scene,
) -> _Sorted:
    concept = next((found for found in concepts_of(item, scene) if scene.in_any(node.deciding, found)), None)
    evidence = evidence_of(item, code_text(scene, concept))
    changes = _closing(when, node.within)
    place = within(when, start, scene.on)
    if place is Truth.F:
        return _Sorted(past=(evidence,), changes=changes)
    if _is_unsure(item):
        return _Sorted(open=((Reason.STATUS, evidence),), changes=changes)
    if place is Truth.T:
        return _Sorted(proving=(evidence,), changes=changes)
    return _Sorted(open=((Reason.IMPRECISE_DATE, evidence),), changes=changes)


def _is_unsure(item: Condition | Procedure | MedicationAdministration) -> bool:
    """Recorded, and not surely so."""
    match item:
        case Condition():
            return is_unconfirmed(item)
        case Procedure():
            return item.status != "completed"
        case MedicationAdministration():
            # Stopped, it was given all the same.
            return item.status not in ("completed", "stopped", "in-progress")
    assert_never(item)


def _asking(item: Condition, start: date | None, node: DatedEvent, scene: Scene) -> _Sorted:
    """A condition that lasts asks unless it was surely over before the window."""
    evidence = evidence_of(item, code_text(scene, item.code))
    over = abated(item)
    before = over is not None and start is not None and over.latest < start
    if not before and clinical_status(item) in _OVER and over is None:
        onset = when_of(item)
        before = has_onset(item) and start is not None and onset.latest < start
    if before:
        return _Sorted(past=(evidence,))
    changes = _closing(over, node.within) if over is not None else frozenset()
    if has_onset(item) and clinical_status(item) in _OVER:
        changes |= _closing(when_of(item), node.within)
    return _Sorted(asking=((known_from(item), evidence),), changes=changes)


def _merged(one: _Sorted, other: _Sorted) -> _Sorted:
    return _Sorted(
        one.proving + other.proving,
        one.open + other.open,
        one.asking + other.asking,
        one.past + other.past,
        one.changes | other.changes,
    )


def _decided(found: _Sorted, node: DatedEvent | OtherTumour, scene: Scene) -> Answer:
    """The answer of sorted records: a proof, an open one, one that a person answers, or a declared absence."""
    if found.proving:
        return Answer(Truth.T, evidence=found.proving, changes=found.changes)
    wanted = (Wanted(node.wanted if isinstance(node, DatedEvent) else node.controlled, attestation=True),)
    asking = tuple(evidence for _, evidence in found.asking)
    said = _said(found, node.controlled, scene)
    if said is not None and said.truth is Truth.F:
        return said.but(truth=Truth.T, evidence=asking + said.evidence, changes=found.changes | said.changes)
    if found.open:
        evidence = tuple(item for _, item in found.open) + asking
        return Answer(Truth.U, found.open[0][0], evidence, changes=found.changes, attestable=True, wanted=wanted)
    if said is not None:
        truth = negate(said.truth)
        return said.but(truth=truth, evidence=asking + said.evidence, changes=found.changes | said.changes)
    if asking:
        return Answer(Truth.U, Reason.ASKS, asking, changes=found.changes, attestable=True, wanted=wanted)
    until, days = scene.declared(node.complete, node.within)
    unread, read_later = _unread(node, scene)
    changes = found.changes | days | read_later | pending(scene.attestations, node.controlled or "", on=scene.on)
    if until is not None and not unread:
        return Answer(Truth.F, evidence=found.past, presumed=True, changes=changes)
    reason = Reason.NO_DATA if until is None else Reason.NOT_READ
    return Answer(Truth.U, reason, context=found.past, changes=changes, attestable=True, wanted=wanted)


def _unread(node: DatedEvent | OtherTumour, scene: Scene) -> tuple[bool, frozenset[date]]:
    """Whether a record of the declared domain cannot be read, and so may be what is looked for, and the days on which it no longer matters."""
    if node.complete == "condition":
        return scene.unread_condition(node.within, *_looked_for(node))
    if node.complete != "medication-administration":
        return False, frozenset()
    start, systems = node.within.first_day(scene.on), {item.system for item in _looked_for(node)}
    whens = [
        when_of(item)
        for item in scene.record.administrations
        if item.status in _GIVEN
        and not any(system in systems for system, _ in scene.codes(*filter(None, concepts_of(item, scene))))
    ]
    inside = [within(when, start, scene.on) is not Truth.F for when in whens]
    return any(inside), frozenset().union(*(_closing(when, node.within) for when in whens))


def _looked_for(node: DatedEvent | OtherTumour) -> tuple[ValueSet, ...]:
    if isinstance(node, DatedEvent):
        return (*node.deciding, *node.asking)
    return node.value_set, node.excepted


def _said(found: _Sorted, controlled: str | None, scene: Scene) -> Answer | None:
    """What a person said of the asking records, unless one of them came later (clarifications.md 32)."""
    if controlled is None:
        return None
    validity = scene.trial.validity(controlled)
    attested = latest_attestation(scene.attestations, controlled, on=scene.on, validity=validity)
    if attested is None or not found.asking or any(when.surely_after(attested[1]) for when, _ in found.asking):
        return None
    return attested[0]


def answer_other_tumour(node: OtherTumour, scene: Scene) -> Answer:
    """Another solid tumour was diagnosed or active in the window; excepted and vague codes are for a person to judge."""
    start = node.within.first_day(scene.on)
    sites_on_record = _Sites(scene)
    study = scene.tumours.study
    found = _Sorted()
    shown: list[Evidence] = []
    for condition in scene.tumours.conditions:
        evidence = evidence_of(condition, code_text(scene, condition.code))
        excepted = scene.has(node.excepted, condition.code)
        if not excepted and not scene.has(node.value_set, condition.code):
            if scene.has(node.alert, condition.code):
                shown.append(evidence)
            continue
        vague = sites_on_record.is_vague(condition)
        sites = scene.study_tumour.primary
        mine = scene.in_any(sites, condition.code) if sites else condition.reference in study
        if mine and not vague:
            continue
        place = _active_or_diagnosed(condition, start, scene)
        changes = _tumour_changes(condition, node.within)
        if place is Truth.F:
            found = _merged(found, _Sorted(past=(evidence,), changes=changes))
        elif excepted:
            found = _merged(found, _Sorted(asking=((known_from(condition), evidence),), changes=changes))
        elif vague:
            found = _merged(found, _Sorted(open=((Reason.ASKS, evidence),), changes=changes))
        elif is_unconfirmed(condition):
            found = _merged(found, _Sorted(open=((Reason.STATUS, evidence),), changes=changes))
        elif place is Truth.U:
            found = _merged(found, _Sorted(open=((Reason.IMPRECISE_DATE, evidence),), changes=changes))
        else:
            found = _merged(found, _Sorted(proving=(evidence,), changes=changes))
    answer = _decided(found, node, scene)
    return answer.but(context=answer.context + tuple(shown)) if shown else answer


class _Sites:
    """The study tumour's possible sites on record, by three-character category; read once."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._of = {item.reference: _categories(item, scene) for item in scene.tumours.conditions}
        self._known = frozenset().union(*self._of.values())
        self._study = frozenset().union(*(self._of.get(reference, frozenset()) for reference in scene.tumours.study))

    def is_vague(self, condition: Condition) -> bool:
        """A code that may name the study tumour once more (clarifications.md 13): an unknown site, or one of several of its sites."""
        if self._scene.has(self._scene.study_tumour.unspecified, condition.code):
            return True
        mine = self._of[condition.reference]
        if not mine or len(self._known) == 1:
            return False
        return len(self._study) != 1 or not self._study & mine


def _categories(condition: Condition, scene: Scene) -> frozenset[str]:
    """Three-character categories of the study tumour's possible sites that a condition is coded in."""
    sites = scene.study_tumour.primary
    return frozenset(
        plain_code(system, code)[:3]
        for system, code in scene.codes(condition.code)
        if any(value_set.has(system, code) for value_set in sites)
    )


def _active_or_diagnosed(condition: Condition, start: date | None, scene: Scene) -> Truth:
    """T when surely diagnosed or active in the window, F when surely over before it."""
    known = when_of(condition)
    if known.is_bounded and known.latest > scene.on:
        return Truth.U
    recorded = parse_when(condition.recorded_date)
    if not has_onset(condition) and recorded is not None and recorded.latest > scene.on:
        return Truth.U
    if has_onset(condition) and within(when_of(condition), start, scene.on) is Truth.T:
        return Truth.T
    over = abated(condition)
    if over is not None:
        if start is not None and over.latest < start:
            return Truth.F
        if within(over, start, scene.on) is Truth.T:
            return Truth.T
        # Known to end after the reference date: it was still there.
        return Truth.T if over.earliest > scene.on else Truth.U
    if condition.abatement_boolean:
        return Truth.U
    return Truth.T if clinical_status(condition) in _ACTIVE else Truth.U


def _tumour_changes(condition: Condition, window: Validity) -> frozenset[date]:
    over = abated(condition)
    if has_onset(condition):
        changes = _closing(when_of(condition), window)
    else:
        # Recorded in a month or year that is not over: it counts once that surely has passed.
        recorded = parse_when(condition.recorded_date)
        changes = frozenset({recorded.latest}) if recorded is not None else frozenset()
    return changes | (_closing(over, window) if over is not None else frozenset())


def answer_marrow(node: MarrowFraction, scene: Scene) -> Answer:
    """More than so much of the marrow was irradiated; a lower share refutes what was given until it was told."""
    answer = _marrow(node, scene)
    last = [item.when.latest for item in scene.readings.of(node.analyte) if item.when.is_bounded]
    last += [when.latest for when, _ in _courses(node.courses, scene) if when.is_bounded]
    days = frozenset(day for day in last if day > scene.on)
    return answer.but(changes=days) if days else answer


def _marrow(node: MarrowFraction, scene: Scene) -> Answer:
    shares = scene.readings.of(node.analyte)
    usable = [
        item
        for item in shares
        if item.is_result and item.observation.status in USABLE and item.when.earliest <= scene.on
    ]
    taken_back = {id(item): replaced(item, shares, scene) for item in usable}
    readings = [item for item in usable if taken_back[id(item)] is not Truth.T]
    read = [item for item in readings if item.value is not None and taken_back[id(item)] is Truth.F]
    above = [item for item in read if item.value is not None and item.value.surely_above(node.above)]
    wanted = (Wanted(node.analyte.id),)
    sure = [item.evidence for item in above if item.when.latest <= scene.on]
    if sure:
        return Answer(Truth.T, evidence=tuple(sure))
    below = [
        item
        for item in read
        if item.value is not None and item.value.surely_at_most(node.above) and item.when.latest <= scene.on
    ]
    unreadable = [item for item in readings if item not in below]
    if unreadable:
        dated = all(item.when.latest <= scene.on for item in unreadable)
        doubted = any(taken_back[id(item)] is Truth.U for item in unreadable)
        otherwise = Reason.CONFLICT if doubted else Reason.COMPARATOR
        unread = next((item.problem for item in unreadable if item.problem), otherwise)
        reason = unread if dated else Reason.IMPRECISE_DATE
        return Answer(Truth.U, reason, tuple(item.evidence for item in unreadable), wanted=wanted)
    told = max((item.when.earliest for item in below), default=None)
    courses = list(_courses(node.courses, scene))
    later = tuple(evidence for when, evidence in courses if told is None or when.latest > told)
    if later:
        return Answer(
            Truth.U, Reason.ASKS, later + tuple(item.evidence for item in below), attestable=True, wanted=wanted
        )
    if below:
        return Answer(Truth.F, evidence=tuple(item.evidence for item in below) + tuple(item for _, item in courses))
    return Answer(Truth.U, Reason.NO_DATA, attestable=True, wanted=wanted)


def _courses(value_sets: Iterable[ValueSet], scene: Scene) -> Iterator[tuple[When, Evidence]]:
    """External irradiations that may be of the reference date or before; the treatment itself is none."""
    sets = tuple(value_sets)
    product = scene.trial.concepts.courses
    for procedure in scene.record.procedures:
        when = when_of(procedure)
        if procedure.status not in ("completed", "in-progress", "stopped", None) or when.earliest > scene.on:
            continue
        if product is not None and scene.has(product.medication, procedure.code):
            continue
        if scene.in_any(sets, procedure.code):
            yield when, evidence_of(procedure, code_text(scene, procedure.code))
    for condition in scene.record.conditions:
        if is_on_record(condition, scene.on) and scene.in_any(sets, condition.code):
            yield when_of(condition), evidence_of(condition, code_text(scene, condition.code))
